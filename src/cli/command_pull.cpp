// pulmoseg pull: series out of a picture archive.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>

#include "commands.hpp"
#include "common.hpp"
#include "pacs_options.hpp"
#include "pulmoseg/base/error.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;

const std::string manual = fmt::format(R"(  pulmoseg pull https://pacs.example/dicom-web --accession A4711 --list
  pulmoseg pull https://pacs.example/dicom-web --accession A4711 --out SCANS
  pulmoseg pull https://pacs.example/dicom-web/studies/1.2.3 --out SCANS
  pulmoseg pull dicom://PACS@pacs.example:11112 --patient-id P1 --date 20240101-20240331 --out SCANS

Fetches series of CT as they are stored: SCANS/SERIES_UID/INSTANCE_UID.dcm, each file whole or not at all.
`pulmoseg segment SCANS` takes them. What is there already is not fetched again: after a failure or Ctrl-C, run
the same again. Only exactly matching studies are taken; --modality all takes what is not CT, too.

{}

A classic node is asked by C-FIND and C-GET, over the connection that pulmoseg opens. One that knows only C-MOVE
must know us: --move-to names the AE title that it has for this machine, --listen the port, on which pulmoseg
then listens as long as the command runs, only for that node, and only on the address of this machine from which
the node is called; --listen-on names another one (0.0.0.0: all).

What a server has and cannot give is told, series by series; the exit code is then 1.

Names of patients are printed with --list --show-names and never else, nor are they part of a file's name.

Research use only. Not a medical device.)",
                                       pacs_manual);

struct Arguments {
  std::string server;
  PacsOptions pacs;
  pacs::Query query;
  fs::path out;
  bool list = false, show_names = false, json = false;
};

/// The address may name a study, too.
void merge(const std::string& from_address, std::string& wanted, const char* option) {
  if (from_address.empty()) return;
  if (!wanted.empty() && wanted != from_address) throw UsageError(fmt::format("{} and the address differ", option));
  wanted = from_address;
}

pacs::Server server_of(Arguments& arguments) {
  const auto [server, study, series] = address_of(arguments.server, arguments.pacs);
  check_pacs_options(arguments.pacs, {server});
  merge(study, arguments.query.study, "--study");
  merge(series, arguments.query.series, "--series");
  if (!arguments.list && arguments.out.empty()) throw UsageError("pull needs --out FOLDER, or --list");
  if (arguments.show_names && !arguments.list) throw UsageError("--show-names is for --list");
  std::string& modality = arguments.query.modality;
  if (modality.empty() && !arguments.list && arguments.query.series.empty()) modality = "CT";
  if (modality == "all") modality.clear();
  return server;
}

nlohmann::ordered_json series_json(const pacs::Series& series, bool with_name) {
  nlohmann::ordered_json json{{"study", series.study},
                              {"series", series.uid},
                              {"modality", series.modality},
                              {"number", series.number},
                              {"description", series.description},
                              {"instances", nullptr},
                              {"study_date", series.study_date},
                              {"study_description", series.study_description},
                              {"accession_number", series.accession_number},
                              {"patient_id", series.patient_id}};
  if (series.instances) json["instances"] = *series.instances;
  if (with_name) json["patient_name"] = series.patient_name;
  return json;
}

void print_list(const std::vector<pacs::Series>& found, bool with_names) {
  std::string study;
  for (const auto& series : found) {
    if (series.study != study) {
      study = series.study;
      print_line(fmt::format("{} {} {}{}{}{}", series.study_date, study,
                             series.patient_id.empty() ? "" : "patient " + series.patient_id,
                             with_names ? " " + series.patient_name : "",
                             series.accession_number.empty() ? "" : ", accession " + series.accession_number,
                             series.study_description.empty() ? "" : ", " + series.study_description));
    }
    print_line(fmt::format("  {:4} {:>4} {:>6} {}  {}", series.modality, series.number,
                           series.instances ? fmt::format("{}", *series.instances) : "?", series.uid,
                           series.description));
  }
}

void list(const std::vector<pacs::Series>& found, const Arguments& arguments) {
  if (!arguments.json) return print_list(found, arguments.show_names);
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const auto& series : found) all.push_back(series_json(series, arguments.show_names));
  print_json({{"schema", "pulmoseg.pacs_list/1"},
              {"research_use", research_use},
              {"server", arguments.server},
              {"series", all}});
}

pacs::Fetched fetch(pacs::Archive& archive, const pacs::Series& series, const fs::path& folder) {
  std::optional<Progress> progress;
  return archive.fetch(series, folder, [&](std::size_t done, std::size_t total) {
    if (!progress) progress.emplace("pull", static_cast<std::int64_t>(total));
    progress->update(static_cast<std::int64_t>(done), "instances,");
  });
}

/// What became of a series; its "error" says why not all of it arrived.
nlohmann::ordered_json pull_series(pacs::Archive& archive, const pacs::Series& series, const Arguments& arguments) {
  const fs::path folder = arguments.out / series.uid;
  auto json = series_json(series, /*with_name=*/false);
  json["there_before"] = nullptr;
  json["folder"] = folder.string();
  json["error"] = nullptr;
  try {
    const auto [instances, there_before] = fetch(archive, series, folder);
    json["instances"] = instances;
    json["there_before"] = there_before;
    if (arguments.json) return json;
    print_line(fmt::format("{}: {} instances of {} ({} there before)", folder.string(), instances, series.modality,
                           there_before));
  } catch (const Interrupted&) {
    throw;
  } catch (const UsageError&) {
    throw;
  } catch (const Error& error) {
    spdlog::error("{}", error.what());
    json["error"] = error.what();
  }
  return json;
}

void pull(pacs::Archive& archive, const std::vector<pacs::Series>& found, const Arguments& arguments) {
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const auto& series : found) {
    stop_if_asked();
    all.push_back(pull_series(archive, series, arguments));
  }
  if (arguments.json) {
    print_json(
        {{"schema", "pulmoseg.pull/1"}, {"research_use", research_use}, {"server", arguments.server}, {"series", all}});
  }
  const auto failed = std::ranges::count_if(all, [](const auto& json) { return !json["error"].is_null(); });
  if (failed > 0) {
    throw Error(fmt::format("{}: {} of {} series did not arrive whole", arguments.server, failed, all.size()));
  }
}

void run(Arguments& arguments) {
  const pacs::Server server = server_of(arguments);
  pacs::Archive archive(server, stop_token());
  const auto found = archive.find(arguments.query);
  if (found.empty()) {
    const auto& modality = arguments.query.modality;
    throw Error(
        fmt::format("{}: has no {}series that matches exactly", server.name, modality.empty() ? "" : modality + " "));
  }
  if (arguments.list)
    list(found, arguments);
  else
    pull(archive, found, arguments);
}

}  // namespace

void add_pull_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("pull", "Fetch series from a picture archive (DICOMweb or classic DICOM)");
  command->footer(manual);
  add_server(*command, arguments->server);
  add_pacs_options(*command, arguments->pacs);
  add_move_options(*command, arguments->pacs);
  auto& query = arguments->query;
  command->add_option("--patient-id", query.patient_id, "patients of exactly this ID");
  command->add_option("--accession", query.accession_number, "studies of exactly this accession number");
  command->add_option("--date", query.study_date, "studies of a date, YYYYMMDD, or of a range YYYYMMDD-YYYYMMDD");
  command->add_option("--study", query.study, "the study of this UID");
  command->add_option("--series", query.series, "the series of this UID");
  command->add_option("--modality", query.modality, "CT (default, unless with --series or --list), all, SEG, SR, ...");
  command->add_option("-o,--out", arguments->out, "folder for a folder a series, made when it is missing");
  command->add_flag("--list", arguments->list, "only tell what there is");
  command->add_flag("--show-names", arguments->show_names, "with --list: patients' names, too");
  command->add_flag("--json", arguments->json, "print the results as JSON");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace pulmoseg::cli
