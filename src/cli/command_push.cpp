// pulmoseg push: results into a picture archive.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <filesystem>
#include <optional>
#include <string>
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

void run(const Arguments& arguments) {
  const pacs::Server server = server_of(arguments.server, arguments.pacs);
  check_pacs_options(arguments.pacs, {server});
  const auto files = pacs::find_dicom_files(arguments.inputs);
  pacs::Archive archive(server, stop_token());
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  std::size_t failed = 0;
  {
    Progress progress("push", static_cast<std::int64_t>(files.size()));
    archive.store(files, [&](const pacs::Answer& answer) {
      tell(answer, arguments.json);
      failed += answer.outcome == Outcome::failed;
      all.push_back({{"file", answer.file.string()},
                     {"instance", answer.instance},
                     {"outcome", name_of(answer.outcome)},
                     {"words", answer.words}});
      progress.update(static_cast<std::int64_t>(all.size()), "files,");
    });
  }
  if (arguments.json)
    print_json(
        {{"schema", "pulmoseg.push/1"}, {"research_use", research_use}, {"server", server.name}, {"files", all}});
  if (failed > 0) throw Error(fmt::format("{}: {} of {} files were not stored", server.name, failed, files.size()));
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
