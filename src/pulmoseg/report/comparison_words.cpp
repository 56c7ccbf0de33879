#include "pulmoseg/report/comparison_words.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "pulmoseg/report/figure_text.hpp"

namespace pulmoseg::report {

FigureInWords in_words(const ComparedFigure& figure) {
  const double scale = std::max(std::abs(figure.earlier.value_or(0)), std::abs(figure.later.value_or(0)));
  const auto words = [&](const std::optional<double>& value, std::string_view unit, std::string_view plus = "") {
    if (!value) return std::string("unknown");
    const std::string number = figure.unit.empty() ? fmt::format("{:.0f}", *value) : digits_like(scale, *value);
    return fmt::format("{}{}{}{}", *value > 0 ? plus : "", number, unit.empty() ? "" : " ", unit);
  };
  const auto relative = figure.relative_change_percent();
  return {words(figure.earlier, figure.unit), words(figure.later, figure.unit),
          words(figure.change(), figure.unit == "%" ? "points" : figure.unit, "+"),
          relative ? fmt::format("{}{} %", *relative > 0 ? "+" : "", digits(*relative)) : std::string()};
}

std::string spacing_in_words(const ComparedCase& compared) {
  return compared.spacing ? fmt::format("{:.3g} mm", fmt::join(*compared.spacing, " × ")) : std::string();
}

std::string days_in_words(const Comparison& comparison) {
  const auto& days = comparison.days;
  return days ? fmt::format("{} day{}", *days, std::abs(*days) == 1 ? "" : "s") : std::string("unknown");
}

std::vector<std::pair<std::string, std::string>> notes_of_scans(const Comparison& comparison) {
  const auto &earlier = comparison.earlier.notes, &later = comparison.later.notes;
  const auto is_in = [](const std::vector<Note>& notes, const Note& note) {
    return std::ranges::find(notes, note.text, &Note::text) != notes.end();
  };
  std::vector<std::pair<std::string, std::string>> noted;
  for (const Note& note : earlier) noted.emplace_back(is_in(later, note) ? "both" : "the earlier", note.text);
  for (const Note& note : later) {
    if (!is_in(earlier, note)) noted.emplace_back("the later", note.text);
  }
  return noted;
}

}  // namespace pulmoseg::report
