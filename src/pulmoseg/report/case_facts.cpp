#include "pulmoseg/report/case_facts.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "pulmoseg/base/number.hpp"
#include "pulmoseg/base/own_name.hpp"

namespace pulmoseg::report {
namespace {

bool all_digits(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

std::string iso_time(std::string_view tm) {
  const auto digits = tm.substr(0, tm.find('.'));
  if (digits.size() < 4 || !all_digits(digits)) return std::string(tm);
  return fmt::format("{}:{}", tm.substr(0, 2), tm.substr(2, 2));
}

std::string sex_in_words(std::string_view code) {
  return std::string(code == "M" ? "male" : code == "F" ? "female" : code == "O" ? "other" : code);
}

/// "45 years" for "045Y".
std::string age_in_words(std::string_view code) {
  if (code.size() != 4) return std::string(code);
  const auto number = parse_number<int>(code.substr(0, 3));
  const std::string_view unit = code[3] == 'Y'   ? "years"
                                : code[3] == 'M' ? "months"
                                : code[3] == 'W' ? "weeks"
                                : code[3] == 'D' ? "days"
                                                 : "";
  return number && !unit.empty() ? fmt::format("{} {}", *number, unit) : std::string(code);
}

/// "1.25 mm" for "1.250000".
std::string thickness_in_words(const std::string& ds) {
  const auto mm = parse_number<double>(ds);
  return mm ? fmt::format("{:.3g} mm", *mm) : ds;
}

std::string grid_in_words(const quantify::Measurements& measurements) {
  const auto& [columns, rows, slices] = measurements.grid.size;
  return fmt::format("{} × {} × {} voxels", columns, rows, slices);
}

std::string spacing_in_words(const quantify::Measurements& measurements) {
  const auto& [column, row, slice] = measurements.grid.spacing;
  switch (measurements.known_spacing) {
    case quantify::KnownSpacing::none: return "unknown";
    case quantify::KnownSpacing::in_plane: return fmt::format("{:.3g} × {:.3g} mm", column, row);
    case quantify::KnownSpacing::complete: return fmt::format("{:.3g} × {:.3g} × {:.3g} mm", column, row, slice);
  }
  return {};
}

class Facts {
 public:
  explicit Facts(const volume::SourceInfo& source) : source_(source) {}

  std::string value(const char* keyword) const {
    const auto found = source_.attributes.find(keyword);
    return source_.format.starts_with("DICOM") && found != source_.attributes.end() ? found->second : std::string();
  }
  void add(std::string_view what, std::string words) {
    if (!words.empty()) facts.emplace_back(what, std::move(words));
  }

  std::vector<Fact> facts;

 private:
  const volume::SourceInfo& source_;
};

std::string joined(std::string first, const std::string& second) {
  if (!first.empty() && !second.empty()) first += ' ';
  return first + second;
}

}  // namespace

std::string person_name(std::string_view pn) {
  pn.remove_prefix(std::min(pn.find_first_not_of('='), pn.size()));
  pn = pn.substr(0, pn.find('='));  // of up to three spellings the first that is there, as a rule the alphabetic one
  std::string family(pn.substr(0, pn.find('^'))), others;
  for (std::size_t at = pn.find('^'); at != std::string_view::npos;) {
    const std::size_t next = pn.find('^', at + 1);
    others = joined(others, std::string(pn.substr(at + 1, next == std::string_view::npos ? next : next - at - 1)));
    at = next;
  }
  while (others.ends_with(' ')) others.pop_back();
  while (family.ends_with(' ')) family.pop_back();
  if (family.empty() || others.empty()) return family + others;
  return family + ", " + others;
}

std::string iso_date(std::string_view da) {
  if (da.size() != 8 || !all_digits(da)) return std::string(da);
  return fmt::format("{}-{}-{}", da.substr(0, 4), da.substr(4, 2), da.substr(6, 2));
}

std::vector<Fact> case_facts(const volume::SourceInfo& source, const quantify::Measurements& measurements,
                             bool anonymous) {
  Facts facts(source);
  if (!anonymous) {
    facts.add("Patient", person_name(facts.value("PatientName")));
    facts.add("Patient ID", facts.value("PatientID"));
    facts.add("Born", iso_date(facts.value("PatientBirthDate")));
    facts.add("Sex", sex_in_words(facts.value("PatientSex")));
    facts.add("Age", age_in_words(facts.value("PatientAge")));
    facts.add("Examined", joined(iso_date(facts.value("StudyDate")), iso_time(facts.value("StudyTime"))));
    facts.add("Accession number", facts.value("AccessionNumber"));
    facts.add("Referred by", person_name(facts.value("ReferringPhysicianName")));
    facts.add("Institution", facts.value("InstitutionName"));
    facts.add("Study", facts.value("StudyDescription"));
    facts.add("Series", joined(facts.value("SeriesNumber"), facts.value("SeriesDescription")));
  }
  facts.add("Scanner", joined(facts.value("Manufacturer"), facts.value("ManufacturerModelName")));
  facts.add("Reconstruction kernel", facts.value("ConvolutionKernel"));
  facts.add("Slice thickness", thickness_in_words(facts.value("SliceThickness")));
  if (!anonymous && !source.file.empty()) facts.add("Scan", own_name(source.file));
  facts.add("Read as", source.format);
  facts.add("Grid", grid_in_words(measurements));
  facts.add("Voxel spacing", spacing_in_words(measurements));
  return facts.facts;
}

}  // namespace pulmoseg::report
