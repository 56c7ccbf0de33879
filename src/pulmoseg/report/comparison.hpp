#pragma once
// Two scans of one patient side by side: each figure of their measurements, and how it changed.
//
// It reads what segment or quantify wrote (schema "pulmoseg.measurements/1"), also of earlier versions, and gives schema
// "pulmoseg.comparison/1" (docs/schemas.md). A change is a difference of two measurements and no finding; what stands in the way
// of reading it is said in the notes. Whether both are of one patient the measurements do not tell: they hold no person.
// Pure functions on files: safe from any thread.
// Errors: Error naming the file when it is no such JSON, or a damaged one.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pulmoseg/base/note.hpp"
#include "pulmoseg/report/measurement_report.hpp"

namespace pulmoseg::report {

struct ComparedFigure {
  std::string group;  ///< "Lungs", "Left lung" … "Density of the lung"
  std::string key;    ///< for machines: "percent_affected" …
  std::string label;  ///< for people
  std::string unit;   ///< "ml", "%", "HU", "g"; empty: a number
  std::optional<double> earlier, later;

  std::optional<double> change() const;  ///< later − earlier; of percentages in percentage points
  /// Of volumes, masses and counts; nullopt where the earlier one is 0.
  std::optional<double> relative_change_percent() const;
};

struct ComparedCase {
  std::filesystem::path file;
  std::string image;  ///< name of the scan
  Study study;
  std::optional<std::vector<double>> spacing;  ///< mm, along columns, rows and slices; nullopt: not known
  std::vector<std::string> models;             ///< SHA-256; empty: the masks were there already
  std::string recipe, classes;                 ///< of the model, as it says itself
  std::string precision;                       ///< of its arithmetic; empty: not known
  bool mirrors = false;                        ///< of slices, averaged too
  std::string version;                         ///< of the pulmoseg that measured
  std::string severity;                        ///< grade; empty: not known
  bool has_density = false;
  std::vector<Note> notes;  ///< what was noted of this scan by itself

  bool has_note(std::string_view code) const;
};

struct Comparison {
  ComparedCase earlier, later;
  bool same_content = false;  ///< of both files
  std::optional<int> days;    ///< from the earlier study to the later; nullopt: a date is not known
  std::vector<ComparedFigure> figures;
  std::vector<Note> notes;  ///< what stands in the way of reading a change

  const ComparedFigure& figure(std::string_view key) const;  ///< Error when there is none of that name
};

/// Each is a NAME.json or a folder that holds the measurements of one scan.
Comparison compare_cases(const std::filesystem::path& earlier, const std::filesystem::path& later);

std::string comparison_json(const Comparison& comparison, const std::string& version);
std::string comparison_csv(
    const Comparison& comparison);  ///< figure, unit, earlier, later, change, relative_change_percent
std::string comparison_text(const Comparison& comparison);  ///< a table for a terminal
std::string comparison_html(const Comparison& comparison,
                            const std::string& version);  ///< one page, made as a case's report (case_report.hpp)

}  // namespace pulmoseg::report
