// pulmoseg push: results into a picture archive.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "commands.hpp"
#include "common.hpp"
#include "pacs_options.hpp"
#include "pulmoseg/base/error.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;
using Outcome = pacs::Answer::Outcome;

const std::string manual = fmt::format(R"(  pulmoseg push https://pacs.example/dicom-web RESULTS/
  pulmoseg push dicoms://PACS@pacs.example:2762 NAME_seg.dcm NAME_sr.dcm --ca hospital.pem

Stores DICOM files as they are (STOW-RS, C-STORE); of a folder, all that are in and below it. Each must be whole
before the first is sent. What the server says of each is told; the exit code is 1 when it refused one. The same
again does no harm: an archive knows an instance by its UID.

{}

Research use only. Not a medical device.)",
                                       pacs_manual);

struct Arguments {
  std::string server;
  PacsOptions pacs;
  std::vector<fs::path> inputs;
  bool json = false;
};

const char* name_of(Outcome outcome) {
  return outcome == Outcome::stored ? "stored" : outcome == Outcome::warning ? "warning" : "failed";
}

void tell(const pacs::Answer& answer, bool json) {
  if (answer.outcome == Outcome::failed) spdlog::error("{}: {}", answer.file.string(), answer.words);
  if (answer.outcome == Outcome::warning) spdlog::warn("{}: {}", answer.file.string(), answer.words);
  if (!json && answer.outcome != Outcome::failed) print_line(fmt::format("{}: stored", answer.file.string()));
}

/// Answers to the files up to where the server broke off, and why it did, or "".
std::pair<std::vector<pacs::Answer>, std::string> send(const pacs::Server& server, const std::vector<fs::path>& files,
                                                       bool json) {
  std::vector<pacs::Answer> answers;
  pacs::Archive archive(server, stop_token());
  Progress progress("push", static_cast<std::int64_t>(files.size()));
  try {
    archive.store(files, [&](const pacs::Answer& answer) {
      tell(answer, json);
      answers.push_back(answer);
      progress.update(static_cast<std::int64_t>(answers.size()), "files,");
    });
  } catch (const Interrupted&) {
    throw;
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    return {std::move(answers), error.what()};
  }
  return {std::move(answers), ""};
}

nlohmann::ordered_json as_json(const std::vector<pacs::Answer>& answers) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const auto& answer : answers) {
    all.push_back({{"file", answer.file.string()},
                   {"instance", answer.instance},
                   {"outcome", name_of(answer.outcome)},
                   {"words", answer.words}});
  }
  return all;
}

void run(const Arguments& arguments) {
  const pacs::Server server = server_of(arguments.server, arguments.pacs);
  check_pacs_options(arguments.pacs, {server});
  const auto files = pacs::find_dicom_files(arguments.inputs);
  auto [answers, broken] = send(server, files, arguments.json);
  const auto answered = static_cast<std::ptrdiff_t>(answers.size());  // in the order of the files
  std::for_each(files.begin() + answered, files.end(), [&](const fs::path& file) {
    answers.push_back({.file = file, .instance = {}, .outcome = Outcome::failed, .words = "the server did not say"});
  });
  if (arguments.json) {
    print_json({{"schema", "pulmoseg.push/1"},
                {"research_use", research_use},
                {"server", server.name},
                {"files", as_json(answers)}});
  }
  const auto has_failed = [](const pacs::Answer& answer) { return answer.outcome == Outcome::failed; };
  const auto first = std::ranges::find_if(answers, has_failed);
  if (first == answers.end()) return;
  throw Error(fmt::format("{}; {} of {} files were not stored, the first of them {}",
                          broken.empty() ? server.name : broken, std::ranges::count_if(answers, has_failed),
                          answers.size(), first->file.string()));
}

}  // namespace

void add_push_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("push", "Store DICOM files in a picture archive (DICOMweb or classic DICOM)");
  command->footer(manual);
  add_server(*command, arguments->server);
  add_pacs_options(*command, arguments->pacs);
  command->add_option("INPUT", arguments->inputs, "DICOM files, and folders that hold some")->required();
  command->add_flag("--json", arguments->json, "print the results as JSON");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace pulmoseg::cli
