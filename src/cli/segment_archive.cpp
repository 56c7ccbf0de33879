#include "segment_archive.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/base/text.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;
using Outcome = pacs::Answer::Outcome;

void remove_with_content(const fs::path& folder) {
  std::error_code error;
  fs::remove_all(folder, error);
  if (error) spdlog::warn("{}: cannot be removed: {}", folder.string(), error.message());
}

/// Which one is meant, volume::choose_dicom_series() says, who sees more of them than the archive tells.
bool may_be(const pacs::Series& series, const std::string& wanted) {
  const auto number = parse_number<int>(wanted);
  return series.uid == wanted || (number && parse_number<int>(series.number) == number) ||
         lower(series.description).find(lower(wanted)) != std::string::npos;
}

std::string list(const std::vector<pacs::Series>& found) {
  std::vector<std::string> texts;
  for (const auto& series : found)
    texts.push_back(fmt::format("{} {} \"{}\"", series.modality, series.number, series.description));
  return fmt::format("{}", fmt::join(texts, "; "));
}

std::vector<pacs::Series> find_series(pacs::Archive& archive, const pacs::Address& address,
                                      const SegmentCase& planned) {
  const std::string input = planned.input.string();
  const auto found = archive.find({.study = address.study, .series = address.series});
  if (found.empty())
    throw Error(fmt::format("{}: the archive has no such {}", input, address.series.empty() ? "study" : "series"));
  std::vector<pacs::Series> ct, wanted;
  std::ranges::copy_if(found, std::back_inserter(ct), [](const auto& series) { return series.modality == "CT"; });
  if (ct.empty()) throw Error(fmt::format("{}: holds no CT but {}", input, list(found)));
  std::ranges::copy_if(ct, std::back_inserter(wanted),
                       [&](const auto& series) { return may_be(series, planned.series); });
  if (!wanted.empty()) return wanted;
  throw Error(fmt::format("{}: --series {} stands for none of its series: {}", input, planned.series, list(ct)));
}

/// What the library says of a server or a file, said of a study.
std::string said_of(const std::string& study, const pacs::Server& server, const std::string& line) {
  if (line.starts_with(study)) return line;
  return line.starts_with(server.name + ":") ? study + line.substr(server.name.size()) : study + ": " + line;
}

std::vector<fs::path> objects_of(const SegmentCase& planned) {
  std::vector<fs::path> objects{planned.mask, planned.structured_report};
  for (const auto& file : objects) {
    if (fs::exists(file)) continue;
    throw Error(
        fmt::format("{}: is not there, so {} is of a run with another --format; choose another folder or say "
                    "--overwrite",
                    file.string(), planned.measurements.filename().string()));
  }
  for (const auto& file : {planned.probabilities, planned.source_copies}) {
    if (fs::exists(file)) objects.push_back(file);
  }
  return pacs::find_dicom_files(objects);
}

/// What the server took, in the form of planned.push_record. Error when it refused one.
std::string store(pacs::Archive& archive, const std::vector<fs::path>& files, const std::string& server) {
  std::string record = csv_line(std::vector<std::string>{"server", "file", "instance", "words"});
  std::vector<std::string> refused;
  archive.store(files, [&](const pacs::Answer& answer) {
    const std::string name = answer.file.filename().string();
    if (answer.outcome == Outcome::failed) refused.push_back(fmt::format("{}: {}", name, answer.words));
    if (answer.outcome == Outcome::warning) spdlog::warn("{}: {}: {}", server, name, answer.words);
    record += csv_line(std::vector{server, name, answer.instance, answer.words});
  });
  if (refused.empty()) return record;
  throw Error(fmt::format("{}: {} of {} files were not stored ({}{})", server, refused.size(), files.size(),
                          refused.front(), refused.size() > 1 ? "; …" : ""));
}

}  // namespace

FetchedFolder::FetchedFolder(fs::path folder) : folder_(std::move(folder)) {
  if (!folder_.empty()) remove_with_content(folder_);
}

FetchedFolder::FetchedFolder(FetchedFolder&& other) noexcept : folder_(std::exchange(other.folder_, {})) {}

FetchedFolder::~FetchedFolder() {
  if (!folder_.empty()) remove_with_content(folder_);
}

FetchedFolder SegmentArchives::fetch(const SegmentCase& planned, const std::stop_token& stop,
                                     const std::function<void(std::size_t, std::size_t)>& on_arrived) {
  FetchedFolder folder(planned.fetched);
  if (planned.fetched.empty()) return folder;
  const std::scoped_lock lock(one_at_a_time_);
  const pacs::Address address = address_of(planned.input.string(), options_);
  try {
    pacs::Archive archive(address.server, stop);
    for (const auto& series : find_series(archive, address, planned))
      archive.fetch(series, planned.fetched / series.uid, on_arrived);
  } catch (const Interrupted&) {
    throw;
  } catch (const Error& error) {
    throw Error(said_of(planned.input.string(), address.server, error.what()));
  }
  return folder;
}

void SegmentArchives::push(const SegmentCase& planned) {
  const std::scoped_lock lock(one_at_a_time_);
  const pacs::Server server = server_of(planned.push_to, options_);
  const auto files = objects_of(planned);
  try {
    pacs::Archive archive(server, stop_token());
    write_file(planned.push_record, store(archive, files, server.name));
  } catch (const Interrupted&) {
    throw;
  } catch (const Error& error) {
    throw Error(
        fmt::format("{}: is finished but was not pushed: {}; its files stay: `pulmoseg push` sends them, and so "
                    "does this command with --resume",
                    planned.name, error.what()));
  }
}

bool is_to_be_pushed(const SegmentCase& planned) {
  if (planned.push_to.empty()) return false;
  if (!fs::exists(planned.push_record)) return true;
  try {
    const CsvTable record = read_csv(planned.push_record);
    const std::size_t server = record.column("server");
    return std::ranges::none_of(record.rows, [&](const auto& row) { return row[server] == planned.push_to; });
  } catch (const Error&) {
    return true;  // twice does no harm
  }
}

}  // namespace pulmoseg::cli
