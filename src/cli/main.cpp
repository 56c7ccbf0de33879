// pulmoseg: parses the command line, hands over to a command, turns what went wrong into one line and an exit code.

#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <new>
#include <optional>
#include <span>
#include <string_view>

#include "commands.hpp"
#include "pulmoseg/base/error.hpp"
#include "torch_commands.hpp"

namespace {

constexpr int done = 0, failed = 1, wrong_usage = 2, interrupted = 130;

void configure(CLI::App& app) {
  app.description("Finds COVID-19 lesions in chest CT and measures them.\nResearch use only. Not a medical device.");
  app.set_version_flag("--version", "pulmoseg " PULMOSEG_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Results go to stdout, messages to stderr. Exit codes: 0 done, 1 something failed, 2 wrong usage, 130 stopped.\n"
      "`pulmoseg COMMAND --help` is the manual of a command.");
}

/// The name of a command, if one stands there: no option in front of it takes a value.
std::optional<std::string_view> first_word(std::span<char*> words) {
  const auto word = std::ranges::find_if(words, [](const char* text) { return text[0] != '-'; });
  return word == words.end() ? std::nullopt : std::optional<std::string_view>(*word);
}

bool has_command(const CLI::App& app, std::string_view name) {
  return !app.get_subcommands([&](const CLI::App* command) { return command->get_name() == name; }).empty();
}

#ifdef PULMOSEG_TRAINING
/// Whether the first word is the name of a command of `app`, or asks for none.
bool needs_no_other(const CLI::App& app, std::span<char*> words) {
  if (const auto name = first_word(words)) return has_command(app, *name);
  return std::ranges::find(words, std::string_view("--version")) != words.end();
}

/// Those that need LibTorch, unless another one is called: it would only be loaded for nothing.
void add_torch_commands(CLI::App& app, std::span<char*> words) {
  if (needs_no_other(app, words)) return;
  using Add = decltype(&pulmoseg::cli::pulmoseg_add_torch_commands);
  try {
    reinterpret_cast<Add>(pulmoseg::cli::torch_function("pulmoseg_add_torch_commands"))(app);
  } catch (const pulmoseg::Error& error) {  // the others can still be told about
    spdlog::warn("{}", error.what());
  }
}
#else
void add_torch_commands(CLI::App&, std::span<char*>) {}
#endif

int report(int exit_code, std::string_view message) {
  if (!message.empty()) fmt::print(stderr, "pulmoseg: {}\n", message);
  return exit_code;
}

}  // namespace

int main(int argument_count, char** arguments) {
  // OpenVINO's hwloc complains on stderr where /sys is not mounted (a container), which changes nothing for the user.
  ::setenv("HWLOC_HIDE_ERRORS", "2", /*overwrite=*/0);
  spdlog::set_default_logger(spdlog::stderr_color_mt("pulmoseg"));
  spdlog::set_pattern("%^%l%$: %v");
  CLI::App app;
  configure(app);
  pulmoseg::cli::add_commands(app);
  const auto words = std::span(arguments, static_cast<std::size_t>(argument_count)).subspan(1);
  try {
    add_torch_commands(app, words);
    if (const auto name = first_word(words); name && !has_command(app, *name))
      return report(wrong_usage, fmt::format("'{}' is no command (see pulmoseg --help)", *name));
    app.parse(argument_count, arguments);
    return done;
  } catch (const CLI::Success& help_or_version) {
    return app.exit(help_or_version);
  } catch (const CLI::ParseError& error) {
    return report(wrong_usage, fmt::format("{} (see pulmoseg --help)", error.what()));
  } catch (const pulmoseg::UsageError& error) {
    return report(wrong_usage, error.what());
  } catch (const pulmoseg::Interrupted& error) {
    return report(interrupted, error.what());
  } catch (const std::bad_alloc&) {
    return report(failed, "not enough memory");
  } catch (const std::exception& error) {
    return report(failed, error.what());
  }
}
