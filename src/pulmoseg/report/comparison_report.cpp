// A comparison as JSON, CSV and a table for a terminal.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/research_use.hpp"
#include "pulmoseg/report/comparison.hpp"
#include "pulmoseg/report/comparison_words.hpp"
#include "pulmoseg/report/json_values.hpp"

namespace pulmoseg::report {
namespace {

using Json = nlohmann::ordered_json;

Json case_json(const ComparedCase& compared) {
  Json codes = Json::array();
  for (const auto& note : compared.notes) codes.push_back(note.code);
  return {{"file", compared.file.filename().string()},
          {"image", or_null(compared.image)},
          {"date", or_null(compared.study.date)},
          {"time", or_null(compared.study.time)},
          {"study_instance_uid", or_null(compared.study.study_instance_uid)},
          {"series_instance_uid", or_null(compared.study.series_instance_uid)},
          {"models", compared.models},
          {"severity", or_null(compared.severity)},
          {"notes", codes}};
}

std::string line(const std::string& label, const std::string& earlier, const std::string& later,
                 const std::string& change, const std::string& relative = {}) {
  return fmt::format("{:<22}{:>14}{:>14}{:>16}{:>11}\n", label, earlier, later, change, relative);
}

}  // namespace

std::string comparison_json(const Comparison& comparison, const std::string& version) {
  Json list = Json::array(), notes = Json::array();
  for (const auto& figure : comparison.figures) {
    list.push_back({{"figure", figure.key},
                    {"unit", or_null(figure.unit)},
                    {"earlier", or_null(figure.earlier)},
                    {"later", or_null(figure.later)},
                    {"change", or_null(figure.change())},
                    {"relative_change_percent", or_null(figure.relative_change_percent())}});
  }
  for (const auto& note : comparison.notes) notes.push_back({{"code", note.code}, {"text", note.text}});
  const Json json{{"schema", "pulmoseg.comparison/1"},
                  {"research_use", research_use},
                  {"pulmoseg_version", version},
                  {"earlier", case_json(comparison.earlier)},
                  {"later", case_json(comparison.later)},
                  {"days", or_null(comparison.days)},
                  {"figures", list},
                  {"notes", notes}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string comparison_csv(const Comparison& comparison) {
  std::string text =
      csv_line(std::vector<std::string>{"figure", "unit", "earlier", "later", "change", "relative_change_percent"});
  const auto cell = [](std::optional<double> value) { return value ? fmt::format("{}", *value) : std::string(); };
  for (const auto& figure : comparison.figures) {
    text += csv_line(std::vector<std::string>{figure.key, figure.unit, cell(figure.earlier), cell(figure.later),
                                              cell(figure.change()), cell(figure.relative_change_percent())});
  }
  return text;
}

std::string comparison_text(const Comparison& comparison) {
  const auto &a = comparison.earlier, &b = comparison.later;
  const auto known = [](const std::string& text) { return text.empty() ? std::string("unknown") : text; };
  std::string text = line("", "earlier", "later", "change");
  text += line("date", known(a.study.date), known(b.study.date), days_in_words(comparison));
  text += line("severity", known(a.severity), known(b.severity), "");
  std::string group;
  for (const auto& figure : comparison.figures) {
    if (!figure.earlier && !figure.later) continue;
    if (figure.group != group) text += figure.group + "\n";
    group = figure.group;
    const auto [earlier, later, change, relative] = in_words(figure);
    text += line(fmt::format("  {}", figure.label), earlier, later, change, relative);
  }
  for (const auto& note : comparison.notes) text += fmt::format("note: {}\n", note.text);
  for (const auto& [which, sentence] : notes_of_scans(comparison))
    text += fmt::format("noted of {}: {}\n", which, sentence);
  text += fmt::format("{}\n", one_patient);
  return text + std::string(research_use) + "\n";
}

}  // namespace pulmoseg::report
