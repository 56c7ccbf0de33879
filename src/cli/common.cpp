#include "common.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"

namespace pulmoseg::cli {
namespace {

using Clock = std::chrono::steady_clock;

std::atomic<Clock::rep> interrupted = 0;  // when, on the steady clock; 0: not yet

/// One that goes to a whole group of processes comes again from the parent that passes it on: that is no second one.
extern "C" void on_signal(int) {
  constexpr Clock::duration same_signal = std::chrono::milliseconds(500);
  const Clock::rep now = Clock::now().time_since_epoch().count();
  Clock::rep before = 0;
  if (!interrupted.compare_exchange_strong(before, now) && now - before > same_signal.count()) ::_exit(130);
}

}  // namespace

std::stop_token stop_token() {
  // A signal handler may only set a flag; a thread of ours turns the flag into the token.
  static std::stop_source source = [] {
    std::signal(SIGINT, on_signal);
    std::signal(SIGTERM, on_signal);
    std::stop_source created;
    std::thread([created]() mutable {
      while (!interrupted) std::this_thread::sleep_for(std::chrono::milliseconds(50));
      created.request_stop();
    }).detach();
    return created;
  }();
  return source.get_token();
}

void stop_if_asked() {
  stop_token();
  if (interrupted) throw Interrupted("stopped on request; what was finished is kept");
}

bool is_run(const std::filesystem::path& folder) {
  const auto file = folder / "config.json";
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) return false;
  const std::string text = read_file(file);
  const auto config = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (config.is_discarded()) return text.find("pulmoseg.run/") != text.npos;  // a damaged one, as who reads it will say
  const auto schema = config.is_object() ? config.find("schema") : config.end();
  return schema != config.end() && schema->is_string() && schema->get<std::string>().starts_with("pulmoseg.run/");
}

std::filesystem::path cache_folder() {
  if (const char* own = std::getenv("PULMOSEG_CACHE")) return own;
  if (const char* caches = std::getenv("XDG_CACHE_HOME"); caches && *caches != '\0')
    return std::filesystem::path(caches) / "pulmoseg";
  if (const char* home = std::getenv("HOME"); home && *home != '\0')
    return std::filesystem::path(home) / ".cache/pulmoseg";
  return {};
}

void print_line(std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return;
  throw Error(fmt::format("stdout cannot be written: {}", std::strerror(errno)));
}

/// File names need not be UTF-8; JSON must be.
void print_json(const nlohmann::ordered_json& json) {
  print_line(json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

std::string describe_duration(double seconds) {
  const auto whole = static_cast<std::int64_t>(seconds + 0.5);
  if (whole >= 3600) return fmt::format("{} h {:02} min", whole / 3600, whole % 3600 / 60);
  if (whole >= 60) return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  return fmt::format("{} s", whole);
}

Progress::Progress(std::string label, std::int64_t total)
    : label_(std::move(label)),
      total_(total),
      terminal_(::isatty(STDERR_FILENO) == 1),
      start_(std::chrono::steady_clock::now()) {}

Progress::~Progress() {
  if (terminal_) fmt::print(stderr, "\r\033[K");
}

void Progress::update(std::int64_t done, std::string_view detail) {
  const auto now = std::chrono::steady_clock::now();
  if (!terminal_ || (done < total_ && now - drawn_ < std::chrono::milliseconds(100))) return;
  drawn_ = now;
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const double left = done > 0 ? elapsed / static_cast<double>(done) * static_cast<double>(total_ - done) : 0;
  fmt::print(stderr, "\r\033[K{} {}/{} {} {} left", label_, done, total_, detail, describe_duration(left));
  std::fflush(stderr);
}

}  // namespace pulmoseg::cli
