#include "pulmoseg/report/figure_tables.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "pulmoseg/base/own_name.hpp"
#include "pulmoseg/quantify/caution.hpp"
#include "pulmoseg/report/figure_text.hpp"
#include "pulmoseg/report/html.hpp"

namespace pulmoseg::report {
namespace {

using quantify::Measurements;
using Number = std::optional<double>;

std::string with_unit(const Number& value, std::string_view unit) {
  return value ? fmt::format("{} {}", digits(*value), unit) : std::string("unknown");
}

std::string cell(const Number& value) { return value ? digits(*value) : std::string("–"); }

std::string card(std::string_view title, const std::string& value, const std::string& below) {
  return fmt::format("<div class=\"card\"><span>{}</span><b>{}</b><span>{}</span></div>", title, value, below);
}

/// Of a hundred, with marks at the quarters.
std::string bar(const Number& part, std::string_view colour = "#e69f00") {
  return fmt::format(
      "<td class=\"bar\"><svg viewBox=\"0 0 100 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><path "
      "fill=\"#e9eef3\" d=\"M0 0h100v10H0z\"/><path fill=\"{}\" d=\"M0 0h{:.2f}v10H0z\"/><path class=\"quarter\" "
      "d=\"M25 0v10M50 0v10M75 0v10\"/></svg></td>",
      colour, std::clamp(part.value_or(0), 0.0, 100.0));
}

std::string volume(std::int64_t voxels, const Number& ml) {
  return ml ? fmt::format("{} ml", digits(*ml)) : fmt::format("{} voxels", voxels);
}

std::string sides_in_words(const Measurements& measurements) {
  std::string words;
  for (const auto& side : measurements.sides)
    words += fmt::format("{}{} {}", words.empty() ? "" : ", ", escaped(side.name), percent_text(side.percent_affected));
  return words;
}

std::string region_rows(const std::vector<quantify::RegionMeasurements>& regions, std::string_view what) {
  std::string rows;
  for (const auto& region : regions) {
    rows += fmt::format(
        "<tr><th scope=\"row\">{} {}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td "
        "class=\"n\">{}</td>{}</tr>",
        escaped(region.name), what, volume(region.lung_voxels, region.lung_ml),
        volume(region.lesion_voxels, region.lesion_ml), percent_text(region.percent_affected),
        bar(region.percent_affected));
  }
  return rows;
}

std::string region_half(const std::string& rows, std::string_view first) {
  if (rows.empty()) return {};
  return fmt::format(
      "<table><thead><tr><th scope=\"col\">{}</th><th scope=\"col\" class=\"n\">lung</th><th scope=\"col\" "
      "class=\"n\">lesion</th><th scope=\"col\" class=\"n\">affected</th><th scope=\"col\">0 to 100 "
      "%</th></tr></thead><tbody>{}</tbody></table>",
      first, rows);
}

std::string range(double from, const Number& to, std::string_view unit) {
  const bool no_end = !to || std::isinf(*to), no_start = std::isinf(from) || (from == 0 && unit == "ml");
  return with_minus(no_end     ? fmt::format("≥ {} {}", from, unit)
                    : no_start ? fmt::format("&lt; {} {}", *to, unit)
                               : fmt::format("{} to {} {}", from, *to, unit));
}

using Row = std::pair<std::string, std::string>;

std::vector<Row> lesion_rows(const Measurements& m) {
  std::vector<Row> rows{{"Lung affected", percent_text(m.percent_affected)},
                        {"Lesion volume", with_unit(m.lesion_ml, "ml")},
                        {"Lesion voxels", fmt::format("{}", m.lesion_voxels)},
                        {"Slices with lesion", fmt::format("{} of {}", m.lesion_slices, m.grid.size[2])}};
  if (!m.lesion_parts.empty()) {
    rows.emplace_back("Parts of the lesion", fmt::format("{}", m.lesion_parts.size()));
    rows.emplace_back("Largest part", volume(m.lesion_parts.front().voxels, m.lesion_parts.front().ml));
  }
  if (m.lesion_outside_lung_voxels)
    rows.emplace_back("Lesion outside of the lung", volume(*m.lesion_outside_lung_voxels, m.lesion_outside_lung_ml));
  if (m.expected_dice) rows.emplace_back("Expected Dice of the lesion mask", fmt::format("{:.2f}", *m.expected_dice));
  return rows;
}

std::vector<Row> lung_rows(const Measurements& m) {
  std::vector<Row> rows{
      {"Lung volume", with_unit(m.lung_ml, "ml")},
      {"Lung voxels", m.lung_voxels ? fmt::format("{}", *m.lung_voxels) : std::string("unknown")},
      {"Voxel volume",
       m.voxel_volume_ml ? fmt::format("{:.4g} mm³", *m.voxel_volume_ml * 1000) : std::string("unknown")},
      {"Pixel area", m.pixel_area_mm2 ? fmt::format("{:.4g} mm²", *m.pixel_area_mm2) : std::string("unknown")}};
  if (m.density) {
    const auto hu = [](const Number& value) {
      return value ? with_minus(fmt::format("{:.0f} HU", *value)) : std::string("unknown");
    };
    rows.emplace_back("Mean density of the lung", hu(m.density->mean_hu));
    rows.emplace_back("… of its lesion", hu(m.density->mean_hu_of_lesion));
    rows.emplace_back("… without its lesion", hu(m.density->mean_hu_without_lesion));
    rows.emplace_back("Mass of the lung", with_unit(m.density->mass_g, "g"));
  }
  return rows;
}

std::string table_of(const std::vector<Row>& rows) {
  std::string table =
      "<table><thead><tr><th scope=\"col\">figure</th><th scope=\"col\" class=\"n\">value</th></tr></thead><tbody>";
  for (const auto& [what, value] : rows)
    table += fmt::format("<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td></tr>", what, value);
  return table + "</tbody></table>";
}

}  // namespace

std::string headline_cards(const Measurements& m) {
  std::string cards = card("Lung affected", m.percent_affected ? percent_text(m.percent_affected) : "unknown",
                           !m.sides.empty()     ? sides_in_words(m)
                           : m.percent_affected ? std::string("of the volume of both lungs")
                                                : std::string("no lung mask"));
  if (m.severity) cards += card("Severity", escaped(m.severity->grade), escaped(m.severity->meaning));
  cards += card("Lesion", volume(m.lesion_voxels, m.lesion_ml),
                fmt::format("in {} of {} slices", m.lesion_slices, m.grid.size[2]));
  cards += m.lung_voxels ? card("Lung", volume(*m.lung_voxels, m.lung_ml), "lesion included")
                         : card("Lung", "unknown", "no lung mask");
  if (!m.severity && m.expected_dice)
    cards += card("Expected Dice", fmt::format("{:.2f}", *m.expected_dice), "by the network's own probabilities");
  else if (!m.severity)
    cards += card("Parts of the lesion", fmt::format("{}", m.lesion_parts.size()), "connected in space");
  const auto caution = quantify::caution(m.notes);
  const std::string above =
      caution ? fmt::format("<p class=\"caution\"><b>Caution:</b> {}.</p>", escaped(*caution)) : std::string();
  return fmt::format("{}<div class=\"cards\">{}</div>", above, cards);
}

std::string region_table(const Measurements& m) {
  const std::string sides = region_half(region_rows(m.sides, "lung"), "side"),
                    thirds = region_half(region_rows(m.thirds, "third"), "height");
  if (sides.empty() && thirds.empty()) return {};
  return fmt::format(
      "<section class=\"regions\"><h2>Parts of the lungs</h2><div "
      "class=\"two\"{}><div>{}</div><div>{}</div></div></section>",
      " style=\"margin-top:0\"", sides, thirds);
}

std::string size_table(const Measurements& m) {
  if (m.lesion_sizes.empty()) return {};
  std::string rows;
  for (const auto& size : m.lesion_sizes) {
    rows +=
        fmt::format("<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td>{}</tr>",
                    range(size.from_ml, size.to_ml, "ml"), size.parts, cell(size.ml),
                    bar(m.lesion_ml && size.ml && *m.lesion_ml > 0 ? Number(*size.ml / *m.lesion_ml * 100) : Number()));
  }
  return fmt::format(
      "<h2>Parts of the lesion by size</h2><table><thead><tr><th scope=\"col\">each of</th><th scope=\"col\" "
      "class=\"n\">parts</th><th scope=\"col\" class=\"n\">ml</th><th scope=\"col\">of the "
      "lesion</th></tr></thead><tbody>{}</tbody></table>",
      rows);
}

std::string density_table(const Measurements& m) {
  if (!m.density || m.density->bands.empty()) return {};
  std::vector<quantify::HounsfieldBand> bands = m.density->bands;
  if (m.density->below.voxels > 0) bands.insert(bands.begin(), m.density->below);
  if (m.density->above.voxels > 0) bands.push_back(m.density->above);
  std::string rows;
  for (const auto& band : bands) {
    rows += fmt::format("<tr><th scope=\"row\">{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td>{}</tr>",
                        range(band.from_hu, band.to_hu, "HU"), cell(band.ml), percent_text(band.percent_of_lung),
                        bar(band.percent_of_lung, "#0072b2"));
  }
  return fmt::format(
      "<h2 style=\"margin-top:8px\">Density of the lung</h2><table><thead><tr><th scope=\"col\">from, "
      "to below</th><th scope=\"col\" class=\"n\">ml</th><th scope=\"col\" class=\"n\">of lung</th><th "
      "scope=\"col\">0 to 100 %</th></tr></thead><tbody>{}</tbody></table>",
      rows);
}

std::string all_figures(const Measurements& m) {
  std::string text = fmt::format(
      "<section><h2>Figures</h2><div class=\"two\" style=\"margin-top:0\"><div>{}</div><div>{}</div></div><p "
      "class=\"small\"><b>Lung affected</b> = |lesion ∩ lung| / |lung|; the lung includes its lesions, lesion outside "
      "of it "
      "takes no part. Volumes = voxels × voxel volume. Slices are numbered from 0, the lowest.",
      table_of(lesion_rows(m)), table_of(lung_rows(m)));
  if (m.expected_dice)
    text +=
        " <b>Expected Dice</b>: the overlap with the truth that the mask has if the network's own probabilities are "
        "right.";
  if (m.severity) text += fmt::format(" <b>Severity</b> by {}.", escaped(m.severity->source));
  return text + "</p></section>";
}

std::string provenance_lines(const Provenance& provenance, bool anonymous) {
  std::string text = "<p class=\"small\">";
  if (provenance.model.empty()) {
    text += "<b>Masks</b> were there already and were measured.";
  } else {
    text += fmt::format("<b>Model</b> {}, SHA-256 {:.16}…", escaped(own_name(provenance.model)),
                        escaped(provenance.model_sha256));
    for (const auto& [file, sha256] : provenance.further_models)
      text += fmt::format(", averaged with {} ({:.16}…)", escaped(own_name(file)), escaped(sha256));
    if (provenance.mirrors) text += ", averaged over mirrored slices";
    if (!provenance.precision.empty()) text += fmt::format(", computed in {}", escaped(provenance.precision));
    const auto licence = provenance.model_metadata.find("pulmoseg.licence");
    if (licence != provenance.model_metadata.end()) text += fmt::format(", licence {}", escaped(licence->second));
    text += '.';
  }
  if (!anonymous && !provenance.lesion_mask.empty()) {
    text += fmt::format(" <b>Lesion mask</b> {}", escaped(own_name(provenance.lesion_mask)));
    if (!provenance.lung_mask.empty())
      text += fmt::format(", <b>lung mask</b> {}", escaped(own_name(provenance.lung_mask)));
    text += '.';
  }
  return text + fmt::format(" <b>pulmoseg</b> {}.</p>", escaped(provenance.version));
}

}  // namespace pulmoseg::report
