// A comparison as a page for people.

#include <fmt/format.h>

#include <array>
#include <span>

#include "pulmoseg/base/research_use.hpp"
#include "pulmoseg/report/comparison.hpp"
#include "pulmoseg/report/comparison_words.hpp"
#include "pulmoseg/report/figure_text.hpp"
#include "pulmoseg/report/html.hpp"

namespace pulmoseg::report {
namespace {

std::string examined(const ComparedCase& one) {
  if (one.study.date.empty()) return "";
  return fmt::format("{} {:.5}", one.study.date, one.study.time);  // without seconds
}

std::string thickness_of(const ComparedCase& one) {
  const auto& mm = one.study.slice_thickness_mm;
  return mm ? fmt::format("{:.3g} mm", *mm) : std::string();
}

std::string masks_of(const ComparedCase& one) {
  if (one.models.empty()) return "were there already";
  return fmt::format("model {:.12}…{}{}", one.models.front(),
                     one.models.size() > 1 ? fmt::format(" and {} more", one.models.size() - 1) : "",
                     one.precision.empty() ? "" : fmt::format(", {}", one.precision));
}

/// What both are of; a line of which nothing is known is left out.
std::string scans_table(const Comparison& comparison) {
  std::string rows;
  const auto row = [&](std::string_view what, const std::string& earlier, const std::string& later) {
    if (earlier.empty() && later.empty()) return;
    const auto known = [](const std::string& text) { return text.empty() ? "unknown" : escaped(text); };
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>", what, known(earlier), known(later));
  };
  const auto &a = comparison.earlier, &b = comparison.later;
  row("Examined", examined(a), examined(b));
  row("Scan", a.image, b.image);
  row("Series", a.study.series_description, b.study.series_description);
  row("Reconstruction kernel", a.study.convolution_kernel, b.study.convolution_kernel);
  row("Slice thickness", thickness_of(a), thickness_of(b));
  row("Voxel spacing", spacing_in_words(a), spacing_in_words(b));
  row("Severity", a.severity, b.severity);
  row("Masks", masks_of(a), masks_of(b));
  row("Measured by pulmoseg", a.version, b.version);
  return fmt::format(
      "<table><thead><tr><th scope=\"col\"></th><th scope=\"col\">earlier</th><th "
      "scope=\"col\">later</th></tr></thead><tbody>{}</tbody></table>",
      rows);
}

std::string card(std::string_view title, const std::string& value, const std::string& below) {
  return fmt::format("<div class=\"card\"><span>{}</span><b>{}</b><span>{}</span></div>", title, with_minus(value),
                     below);
}

std::string figure_card(const ComparedFigure& figure, std::string_view title) {
  const auto [earlier, later, change, relative] = in_words(figure);
  return card(
      title, change,
      fmt::format("{} → {}{}", earlier, later, relative.empty() ? "" : with_minus(fmt::format(" ({})", relative))));
}

std::string cards_of(const Comparison& comparison) {
  return fmt::format(
      "<div class=\"cards\">{}{}{}{}</div>",
      card("Interval", days_in_words(comparison), comparison.days ? "from the earlier to the later" : ""),
      figure_card(comparison.figure("percent_affected"), "Lung affected"),
      figure_card(comparison.figure("lesion_ml"), "Lesion"), figure_card(comparison.figure("lung_ml"), "Lung"));
}

std::string notes_of(const Comparison& comparison) {
  std::string list;
  for (const auto& note : comparison.notes) list += fmt::format("<li>{}</li>", escaped(capitalised(note.text)));
  return fmt::format(
      "<section class=\"notes\"><h2>To be known before a change is read</h2><ul "
      "class=\"few\">{}<li>{}</li></ul></section>",
      list, one_patient);
}

std::string scan_notes(const Comparison& comparison) {
  std::string list;
  for (const auto& [which, text] : notes_of_scans(comparison))
    list += fmt::format("<p class=\"small\"><b>Noted of {}</b>: {}</p>", which, escaped(text));
  return list;
}

/// Figures that are known of one scan at least.
std::string group_rows(const Comparison& comparison, std::string_view group) {
  std::string rows;
  const auto cell = [](const std::string& text) { return fmt::format("<td class=\"n\">{}</td>", with_minus(text)); };
  for (const auto& figure : comparison.figures) {
    if (figure.group != group || (!figure.earlier && !figure.later)) continue;
    const auto [earlier, later, change, relative] = in_words(figure);
    rows += fmt::format("<tr><th scope=\"row\">{}</th>{}{}{}{}</tr>", with_minus(figure.label), cell(earlier),
                        cell(later), cell(change), cell(relative));
  }
  return rows;
}

std::string figures_table(const Comparison& comparison, std::span<const std::string_view> groups) {
  std::string rows;
  for (const std::string_view group : groups) {
    const std::string of_group = group_rows(comparison, group);
    if (of_group.empty()) continue;
    rows += fmt::format("<tr class=\"group\"><th colspan=\"5\" scope=\"rowgroup\">{}</th></tr>{}", group, of_group);
  }
  return fmt::format(
      "<table class=\"compared\"><thead><tr><th scope=\"col\">figure</th><th scope=\"col\" class=\"n\">earlier</th><th "
      "scope=\"col\" class=\"n\">later</th><th scope=\"col\" class=\"n\">change</th><th scope=\"col\" "
      "class=\"n\">relative</th></tr></thead><tbody>{}</tbody></table>",
      rows);
}

}  // namespace

std::string comparison_html(const Comparison& comparison, const std::string& version) {
  constexpr std::array<std::string_view, 4> lungs{"Both lungs", "Left lung", "Right lung", "Thirds of the lungs"};
  constexpr std::array<std::string_view, 2> lesion{"Parts of the lesion", "Density of the lung"};
  const std::string body = fmt::format(
      "<main><section class=\"page flow\"><header><div><h1>Chest CT: lung lesions, two dates</h1><p "
      "class=\"sub\">change = later − earlier; of percentages in percentage points</p></div><div class=\"right\"><p "
      "class=\"use\">{0}</p><p>pulmoseg {1}</p></div></header>{2}{3}{4}<div "
      "class=\"two\"><div>{5}</div><div>{6}</div></div>{7}<footer><span>{0}</span></footer></section></main>\n",
      escaped(research_use), escaped(version), cards_of(comparison), notes_of(comparison), scans_table(comparison),
      figures_table(comparison, lungs), figures_table(comparison, lesion), scan_notes(comparison));
  return html_page("Chest CT, lung lesions, two dates – pulmoseg", body);
}

}  // namespace pulmoseg::report
