#include "segment_cohort.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common.hpp"
#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/report/cohort_page.hpp"
#include "pulmoseg/report/measurement_report.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;

/// In one piece, so that whoever is killed meanwhile leaves all of it or a cut line, and flushed. All or nothing on a full disk.
void append(const fs::path& file, const std::string& line) {
  const auto old_size = static_cast<off_t>(fs::file_size(file));
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  const ssize_t written = descriptor < 0 ? -1 : ::write(descriptor, line.data(), line.size());
  if (written >= 0 && written < std::ssize(line)) errno = ENOSPC;
  const bool done = written == std::ssize(line) && ::fsync(descriptor) == 0;
  const std::string reason = std::strerror(errno);
  const bool clean = done || written < 0 || ::ftruncate(descriptor, old_size) == 0;
  if (descriptor >= 0) ::close(descriptor);
  if (done) return;
  throw Error(fmt::format("{}: cannot be written: {}{}", file.string(), reason,
                          clean ? "" : "; its last line is cut, `pulmoseg cohort` makes it anew"));
}

}  // namespace

CohortTable::CohortTable(fs::path file) : file_(std::move(file)) {
  if (!fs::exists(file_)) return;
  const std::string text = read_file(file_);
  if (const auto last = text.rfind('\n'); last + 1 < text.size()) write_file(file_, text.substr(0, last + 1));
  const CsvTable table = read_csv(file_);
  if (table.columns != report::cohort_columns()) {
    throw Error(
        fmt::format("{}: has other columns than this version writes, as those of earlier versions have; `pulmoseg "
                    "cohort {}` makes it anew from the results beside it, or choose another folder",
                    file_.string(), file_.parent_path().string()));
  }
  for (const auto& row : table.rows) names_.insert(row.front());
}

void CohortTable::add(const std::vector<std::string>& row) {
  const bool is_first = names_.empty() && !fs::exists(file_);
  if (is_first) write_file(file_, csv_line(report::cohort_columns()));
  if (names_.insert(row.front()).second)
    append(file_, csv_line(row));
  else
    replace(row);
}

void CohortTable::replace(const std::vector<std::string>& row) {
  std::string text = csv_line(report::cohort_columns());
  for (const auto& old : read_csv(file_).rows) text += csv_line(old.front() == row.front() ? row : old);
  write_file(file_, text);
}

Gathered gather_cohort(const std::vector<fs::path>& folders, const fs::path& file) {
  std::vector<std::vector<std::string>> rows;
  Gathered gathered;
  for (const auto& folder : folders) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      const bool hidden = entry.path().filename().string().starts_with('.');  // half-written, by a run that is at work
      if (hidden || entry.path().extension() != ".json") continue;
      try {
        rows.push_back(report::read_case(entry.path()).row);
      } catch (const Error& error) {
        spdlog::error("{}", error.what());
        ++gathered.failed;
      }
    }
  }
  gathered.cases = rows.size();
  if (rows.empty()) return gathered;
  std::ranges::sort(rows);
  for (std::size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].front() == rows[i - 1].front())
      spdlog::warn("{}: is the name of several cases; the page links to none of their reports", rows[i].front());
  }
  std::string text = csv_line(report::cohort_columns());
  for (const auto& row : rows) text += csv_line(row);
  write_file(file, text);
  report::write_cohort_page(file, folders);
  return gathered;
}

}  // namespace pulmoseg::cli
