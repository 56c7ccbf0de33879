#include "pulmoseg/pacs/archive.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/pacs/connection.hpp"

namespace pulmoseg::pacs {
namespace fs = std::filesystem;
namespace {

void check(const Query& query) {
  if (query.patient_id.empty() && query.accession_number.empty() && query.study.empty() && query.study_date.empty()) {
    throw UsageError("a search needs a patient's ID, an accession number, a study or a date");
  }
  for (const auto* value : {&query.patient_id, &query.accession_number, &query.modality}) {
    if (value->find_first_of("*?\\") == std::string::npos) continue;
    throw UsageError(fmt::format("'{}': *, ? and \\ mean nothing here; give the exact value", *value));
  }
  if (query.study_date.find_first_not_of("0123456789-") != std::string::npos) {
    throw UsageError(fmt::format("'{}' is no date; expected YYYYMMDD or YYYYMMDD-YYYYMMDD", query.study_date));
  }
  for (const auto* uid : {&query.study, &query.series}) {
    if (!uid->empty() && !is_uid(*uid)) throw UsageError(fmt::format("'{}' is no UID", *uid));
  }
}

Attributes study_keys(const Query& query) {
  return {{tag::study_date, query.study_date}, {tag::accession_number, query.accession_number},
          {tag::study_description, ""},        {tag::patient_name, ""},
          {tag::patient_id, query.patient_id}, {tag::study, query.study}};
}

Attributes series_keys(const std::string& study, const Query& query) {
  return {{tag::modality, query.modality}, {tag::series_description, ""}, {tag::study, study},
          {tag::series, query.series},     {tag::series_number, ""},      {tag::series_instances, ""}};
}

bool agrees(const std::string& wanted, const std::string& found) { return wanted.empty() || wanted == found; }

/// Servers may compare more loosely than they were asked to, or not at all: another patient's scan must not slip in.
bool is_wanted_study(const Attributes& study, const Query& query) {
  return is_uid(value_of(study, tag::study)) && agrees(query.study, value_of(study, tag::study)) &&
         agrees(query.patient_id, value_of(study, tag::patient_id)) &&
         agrees(query.accession_number, value_of(study, tag::accession_number));
}

bool is_wanted_series(const Attributes& series, const Query& query) {
  return is_uid(value_of(series, tag::series)) && agrees(query.series, value_of(series, tag::series)) &&
         agrees(query.modality, value_of(series, tag::modality));
}

Series as_series(const Attributes& study, const Attributes& series) {
  return {.study = value_of(study, tag::study),
          .uid = value_of(series, tag::series),
          .modality = value_of(series, tag::modality),
          .description = value_of(series, tag::series_description),
          .number = value_of(series, tag::series_number),
          .study_date = value_of(study, tag::study_date),
          .study_description = value_of(study, tag::study_description),
          .accession_number = value_of(study, tag::accession_number),
          .patient_id = value_of(study, tag::patient_id),
          .patient_name = value_of(study, tag::patient_name),
          .instances = parse_number<int>(value_of(series, tag::series_instances))};
}

bool comes_before(const Series& a, const Series& b) {
  const auto key = [](const Series& series) {
    return std::tuple(series.study_date, series.study, parse_number<int>(series.number).value_or(0), series.uid);
  };
  return key(a) < key(b);
}

/// DICOM files in `input` or below it.
std::vector<fs::path> files_of(const fs::path& input) {
  std::error_code error;
  if (!fs::is_directory(input, error)) {
    if (!fs::exists(input, error)) throw Error(fmt::format("{}: is not there", input.string()));
    if (!read_instance(input)) throw Error(fmt::format("{}: is no DICOM file", input.string()));
    return {input};
  }
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(input)) {
    const bool hidden = entry.path().filename().string().starts_with('.');
    if (hidden || !entry.is_regular_file() || entry.path().filename() == "DICOMDIR") continue;
    if (read_instance(entry.path())) files.push_back(entry.path());
  }
  if (files.empty()) throw Error(fmt::format("{}: holds no DICOM file", input.string()));
  std::ranges::sort(files);
  return files;
}

}  // namespace

std::vector<fs::path> find_dicom_files(const std::vector<fs::path>& inputs) {
  std::vector<fs::path> files;
  for (const auto& input : inputs) {
    for (auto& file : files_of(input)) {
      if (std::ranges::find(files, file) == files.end()) files.push_back(std::move(file));
    }
  }
  return files;
}

class Archive::Implementation {
 public:
  Implementation(const Server& server, std::stop_token stop) : server_(server) {
    const bool web = server.protocol == Server::Protocol::dicomweb;
    connection_ = web ? connect_dicomweb(server, std::move(stop)) : connect_dimse(server, std::move(stop));
  }

  std::vector<Series> find(const Query& query) {
    check(query);
    std::vector<Series> found;
    for (const auto& study : connection_->find(Level::study, study_keys(query))) {
      if (!is_wanted_study(study, query)) continue;
      for (const auto& series : connection_->find(Level::series, series_keys(value_of(study, tag::study), query))) {
        if (is_wanted_series(series, query)) found.push_back(as_series(study, series));
      }
    }
    std::ranges::sort(found, comes_before);
    return found;
  }

  Fetched fetch(const Series& series, const fs::path& folder,
                const std::function<void(std::size_t, std::size_t)>& on_arrived) {
    const FolderLock lock(folder);
    remove_unfinished(folder);
    auto expected = instances_of(series);
    const auto total = expected.size();
    Inbox inbox(folder, std::move(expected), [&](std::size_t done) {
      if (on_arrived) on_arrived(done, total);
    });
    const auto missing = inbox.missing();
    if (missing.size() == total) {
      connection_->retrieve(series.study, series.uid, "", inbox);
    } else {
      retrieve_each(series, missing, inbox);
    }
    require_all(series, inbox);
    return {.instances = total, .there_before = total - missing.size()};
  }

  void store(const std::vector<fs::path>& files, const std::function<void(const Answer&)>& on_answer) {
    std::vector<InstanceFile> instances;
    for (const auto& file : files) {
      auto instance = read_instance(file);
      if (!instance) throw Error(fmt::format("{}: is no DICOM file", file.string()));
      instances.push_back(std::move(*instance));
    }
    connection_->store(instances, on_answer);
  }

 private:
  /// One that the server cannot give does not keep the others back; a server that gives none is left alone.
  void retrieve_each(const Series& series, const std::vector<std::string>& instances, Inbox& inbox) {
    constexpr int most_failures = 3;
    int failures = 0;
    for (const auto& instance : instances) {
      try {
        connection_->retrieve(series.study, series.uid, instance, inbox);
      } catch (const Interrupted&) {
        throw;
      } catch (const Error&) {
        const bool last = instance == instances.back();
        if (last || ++failures == most_failures) throw;
      }
    }
  }

  void require_all(const Series& series, const Inbox& inbox) const {
    const auto missing = inbox.missing();
    if (missing.empty()) return;
    const std::string reason = inbox.first_refusal().empty() ? "" : fmt::format(" ({})", inbox.first_refusal());
    throw Error(
        fmt::format("{}: series {}: {} of {} instances did not arrive, the first of them {}{}; run the "
                    "same again",
                    server_.name, series.uid, missing.size(), inbox.expected().size(), missing.front(), reason));
  }

  /// Instance UID to SOP class UID.
  std::map<std::string, std::string> instances_of(const Series& series) {
    const Attributes keys{
        {tag::sop_class, ""}, {tag::sop_instance, ""}, {tag::study, series.study}, {tag::series, series.uid}};
    std::map<std::string, std::string> instances;
    for (const auto& found : connection_->find(Level::instance, keys)) {
      const auto& uid = value_of(found, tag::sop_instance);
      const bool elsewhere = !agrees(value_of(found, tag::series), series.uid);  // where the server says
      if (!is_uid(uid) || elsewhere) {
        throw Error(fmt::format("{}: the list of the instances of series {} is not one", server_.name, series.uid));
      }
      instances[uid] = value_of(found, tag::sop_class);
    }
    if (instances.empty()) throw Error(fmt::format("{}: has no series {}", server_.name, series.uid));
    return instances;
  }

  Server server_;
  std::unique_ptr<Connection> connection_;
};

Archive::Archive(Server server, std::stop_token stop)
    : implementation_(std::make_unique<Implementation>(server, std::move(stop))) {}
Archive::Archive(Archive&& other) noexcept = default;
Archive& Archive::operator=(Archive&& other) noexcept = default;
Archive::~Archive() = default;

std::vector<Series> Archive::find(const Query& query) { return implementation_->find(query); }

Fetched Archive::fetch(const Series& series, const fs::path& folder,
                       const std::function<void(std::size_t, std::size_t)>& on_arrived) {
  return implementation_->fetch(series, folder, on_arrived);
}

void Archive::store(const std::vector<fs::path>& files, const std::function<void(const Answer&)>& on_answer) {
  implementation_->store(files, on_answer);
}

}  // namespace pulmoseg::pacs
