#include "pulmoseg/report/case_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/base/research_use.hpp"
#include "pulmoseg/report/case_facts.hpp"
#include "pulmoseg/report/figure_tables.hpp"
#include "pulmoseg/report/figure_text.hpp"
#include "pulmoseg/report/html.hpp"
#include "pulmoseg/report/slice_curve.hpp"
#include "pulmoseg/report/slice_figure.hpp"
#include "pulmoseg/report/tile.hpp"

namespace pulmoseg::report {
namespace {

std::string header_of(const CaseReport& report) {
  return fmt::format(
      "<header><div><h1>Chest CT: lung lesions</h1><p class=\"sub\">{}</p></div><div class=\"right\"><p "
      "class=\"use\">{}</p><p>pulmoseg {}</p></div></header>",
      escaped(report.name), escaped(research_use), escaped(report.provenance.version));
}

/// On each page, since pages are parted: whose it is, and when it was made.
std::string footer_of(const CaseReport& report, const std::vector<Fact>& facts, int page) {
  std::string whose = escaped(report.name);
  for (const auto& [what, words] : facts) {
    if (what == "Patient" || what == "Patient ID" || what == "Examined")
      whose += fmt::format(" · <bdi>{}</bdi>", escaped(words));
  }
  return fmt::format(
      "<footer><span>{}</span><span class=\"short\">{}</span><span class=\"short\">page {} of 2</span></footer>", whose,
      escaped(research_use), page);
}

std::string facts_of(const std::vector<Fact>& facts) {
  std::string list = "<dl class=\"facts\">";
  for (const auto& [what, words] : facts)
    list += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", what, escaped(words));
  return list + "</dl>";
}

/// What the reader must know. A page holds ten of them.
std::string notes_of(const CaseReport& report) {
  constexpr std::size_t most = 10;
  std::vector<std::string> sentences;
  if (!report.source.has_geometry)
    sentences.emplace_back("The header declares no position: left and right, up and down are assumed.");
  for (const auto& note : report.measurements.notes) sentences.push_back(note.text);
  if (sentences.empty()) return {};
  std::string list;
  for (std::size_t i = 0; i < std::min(most, sentences.size()); ++i) {
    list += fmt::format("<li>{}</li>", escaped(capitalised(sentences[i])));
  }
  if (sentences.size() > most)
    list += fmt::format("<li>{} more stand in the JSON file of this case.</li>", sentences.size() - most);
  return fmt::format(
      "<section class=\"notes\"><h2>To be known before these figures are used</h2><ul{}>{}</ul></section>",
      sentences.size() < 4   ? " class=\"few\""
      : sentences.size() > 6 ? " class=\"many\""
                             : "",
      list);
}

std::array<std::string, 2> sides_of(const CaseReport& report) {
  return report.source.has_geometry ? std::array<std::string, 2>{"R", "L"} : std::array<std::string, 2>{};
}

std::int64_t inside(const std::vector<std::uint8_t>& mask) {
  return std::ranges::count_if(mask, [](std::uint8_t pixel) { return pixel != 0; });
}

/// The one with the most lesion; without any, with the most lung.
const GallerySlice* worst_slice(const std::vector<GallerySlice>& slices) {
  const auto worst = std::ranges::max_element(
      slices, {}, [](const GallerySlice& slice) { return std::pair(inside(slice.lesion), inside(slice.lung)); });
  return worst == slices.end() ? nullptr : &*worst;
}

std::string figure(const std::string& svg, const std::string& caption, std::string_view kind = {}) {
  return fmt::format("<figure{}>{}<figcaption>{}</figcaption></figure>",
                     kind.empty() ? "" : fmt::format(" class=\"{}\"", kind), svg, caption);
}

std::string upright_figure(const UprightPlane& plane, const Window& window, const std::array<std::string, 2>& sides,
                           std::string_view name, std::string_view id) {
  const std::vector<GallerySlice> alone{plane.slice};
  return figure(slice_svg({.slice = plane.slice,
                           .part = shown_part(alone),
                           .spacing = plane.spacing,
                           .window = window,
                           .sides = sides,
                           .planes = {},
                           .description = fmt::format("{} plane with outlines of lung and lesion", name)},
                          std::string(id)),
                fmt::format("<span><b>{}</b></span><span>{}, dashed in the axial slice</span>", name,
                            inside(plane.slice.lesion) > 0 ? "through the most lesion"
                            : inside(plane.slice.lung) > 0 ? "through the most lung, no lesion"
                                                           : "through the middle"));
}

/// Upright pictures of a scan whose spacing is not known would be of no true shape.
bool has_upright_views(const CaseReport& report) {
  const auto& grid = report.measurements.grid;
  return report.views && report.measurements.known_spacing == quantify::KnownSpacing::complete &&
         !quantify::is_default_spacing(grid.spacing) && grid.size[2] > 1;
}

/// Also as a viewer of the DICOM series counts it, where that is known.
std::string slice_name(const CaseReport& report, std::int64_t index, std::string_view in_series = {}) {
  const auto& slices = report.measurements.slices;
  const auto at = static_cast<std::size_t>(index);
  const quantify::SliceMeasurements slice = at < slices.size() ? slices[at] : quantify::SliceMeasurements{};
  if (slice.frame_number) return fmt::format("slice {} (frame {}{})", index, *slice.frame_number, in_series);
  if (slice.instance_number) return fmt::format("slice {} (image {}{})", index, *slice.instance_number, in_series);
  return fmt::format("slice {}", index);
}

std::string axial_figure(const CaseReport& report, const GallerySlice& slice, const Window& window) {
  SliceFigure axial{.slice = slice,
                    .part = shown_part(report.slices),
                    .spacing = pixel_spacing(report.measurements.grid),
                    .window = window,
                    .sides = sides_of(report),
                    .planes = {},
                    .description = fmt::format("axial slice {} with outlines of lung and lesion", slice.index)};
  if (has_upright_views(report)) {
    axial.planes = {{false, static_cast<double>(report.views->coronal.slice.index)},
                    {true, static_cast<double>(report.views->sagittal.slice.index)}};
  }
  return figure(slice_svg(axial, "axial"), fmt::format("<span><b>Axial</b>, {}</span><span>{}</span>",
                                                       slice_name(report, slice.index, " of the series"),
                                                       extent(slice, report.measurements.pixel_area_mm2)));
}

std::string views_of(const CaseReport& report, const Window& window) {
  const GallerySlice* worst = worst_slice(report.slices);
  if (worst == nullptr) return {};
  std::string figures = axial_figure(report, *worst, window);
  const bool upright = has_upright_views(report);
  if (upright) {
    const auto sides = sides_of(report);
    const bool known = !sides[0].empty();
    figures += upright_figure(report.views->coronal, window, sides, "Coronal", "coronal");
    figures +=
        figure(lung_map_svg(report.views->map, sides, "lesion depth from front to back, over the lungs"),
               "<span><b>Lesion map</b>, seen from the front: depth of lesion</span>" + lung_map_legend(), "paper");
    figures += upright_figure(report.views->sagittal, window,
                              known ? std::array<std::string, 2>{"A", "P"} : std::array<std::string, 2>{}, "Sagittal",
                              "sagittal");
  }
  return fmt::format("<div class=\"views{}\">{}</div>", upright ? "" : " single", figures);
}

/// The grey of all pictures, as it is set at a workstation.
std::string window_in_words(const Window& window) {
  if (window.low != lung_window.low || window.high != lung_window.high) return "grey: smallest to largest value";
  return with_minus(
      fmt::format("window: level {:.0f}, width {:.0f} HU", (window.low + window.high) / 2, window.high - window.low));
}

std::string picture_legend(const CaseReport& report, const Window& window) {
  std::string legend = "<ul class=\"legend\"><li><i class=\"line\" style=\"background:var(--lesion)\"></i>lesion</li>";
  if (report.measurements.has_lung_mask)
    legend += "<li><i class=\"line\" style=\"background:var(--lung)\"></i>lung</li>";
  if (!report.slices.empty()) legend += fmt::format("<li>{}</li>", window_in_words(window));
  return legend + "</ul>";
}

std::string montage_of(const CaseReport& report, const Window& window) {
  if (report.slices.empty()) return {};
  const Part part = shown_part(report.slices);
  std::string tiles;
  for (const auto& slice : report.slices) {
    tiles += figure(slice_svg({.slice = slice,
                               .part = part,
                               .spacing = pixel_spacing(report.measurements.grid),
                               .window = window,
                               .sides = sides_of(report),
                               .planes = {},
                               .description = fmt::format("axial slice {} with outlines", slice.index)},
                              fmt::format("s{}", slice.index)),
                    fmt::format("<span>{}</span><b>{}</b>", slice_name(report, slice.index),
                                extent(slice, report.measurements.pixel_area_mm2)));
  }
  return fmt::format(
      "<section class=\"grow\"><div class=\"head\"><h2>Slices, from the lowest to the highest</h2>{}</div><div "
      "class=\"montage\">{}</div></section>",
      picture_legend(report, window), tiles);
}

std::string curve_of(const CaseReport& report) {
  std::vector<std::int64_t> shown;
  for (const auto& slice : report.slices) shown.push_back(slice.index);
  return "<div><h2>Lesion slice by slice</h2>" + slice_curve_svg(report.measurements, shown) + "</div>";
}

}  // namespace

std::string case_report_html(const CaseReport& report) {
  const auto& measurements = report.measurements;
  const Window window = report.slices.empty() ? lung_window : common_window(report.slices);
  const std::vector<Fact> facts = case_facts(report.source, measurements, report.anonymous);
  std::string body = "<main>\n<section class=\"page\">" + header_of(report) + facts_of(facts) +
                     headline_cards(measurements) + notes_of(report) + region_table(measurements);
  body += "<div class=\"head\"><h2>Where the lesion lies</h2>" + picture_legend(report, window) +
          "<label class=\"switch\"><input type=\"checkbox\" id=\"contours\" checked> outlines</label></div>";
  body += views_of(report, window) + footer_of(report, facts, 1) + "</section>\n<section class=\"page\">" +
          montage_of(report, window);
  body += "<div class=\"two\">" + curve_of(report) + "<div>" + size_table(measurements) + density_table(measurements) +
          "</div></div>";
  body += all_figures(measurements) + provenance_lines(report.provenance, report.anonymous) +
          footer_of(report, facts, 2) + "</section>\n</main>\n";
  return html_page(fmt::format("{} – chest CT, lung lesions – pulmoseg", report.name), body);
}

void write_case_report(const CaseReport& report, const std::filesystem::path& html) {
  write_file(html, case_report_html(report));
}

}  // namespace pulmoseg::report
