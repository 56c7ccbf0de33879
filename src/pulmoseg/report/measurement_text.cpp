// Measurements for a terminal and for the line above a montage.

#include <fmt/format.h>

#include "pulmoseg/quantify/caution.hpp"
#include "pulmoseg/report/figure_text.hpp"
#include "pulmoseg/report/measurement_report.hpp"

namespace pulmoseg::report {
namespace {

std::string percents_text(const char* label, const std::vector<quantify::RegionMeasurements>& regions) {
  std::string text;
  for (const auto& region : regions) {
    if (!text.empty()) text += ", ";
    text += region.name + (region.percent_affected ? fmt::format(" {:.2f} %", *region.percent_affected) : " no lung");
  }
  return text.empty() ? text : fmt::format("{:<18}{}\n", label, text);
}

/// Severity, sides, thirds, parts, densities: what of them is known.
std::string details_text(const quantify::Measurements& measurements) {
  std::string text;
  if (const auto& severity = measurements.severity)
    text += fmt::format("severity          {}: {} (MosMedData's cut-offs)\n", severity->grade, severity->meaning);
  text += percents_text("by side", measurements.sides);
  text += percents_text("by third", measurements.thirds);
  if (const auto& parts = measurements.lesion_parts; !parts.empty()) {
    const auto& largest = parts.front();
    text += fmt::format("lesion parts      {}, the largest {}\n", parts.size(),
                        largest.ml ? fmt::format("{:.1f} ml", *largest.ml) : fmt::format("{} voxels", largest.voxels));
  }
  if (const auto& density = measurements.density; density && density->mean_hu) {
    text += fmt::format("lung density      {:.0f} HU on average", *density->mean_hu);
    text += density->mass_g ? fmt::format(", {:.0f} g\n", *density->mass_g) : "\n";
  }
  return text;
}

std::string volume_text(std::int64_t voxels, const std::optional<double>& ml) {
  return ml ? fmt::format("{:.1f} ml ({} voxels)", *ml, voxels) : fmt::format("{} voxels", voxels);
}

}  // namespace

std::string measurements_text(const quantify::Measurements& measurements) {
  std::string text = fmt::format("lesion            {} in {} of {} slices\n",
                                 volume_text(measurements.lesion_voxels, measurements.lesion_ml),
                                 measurements.lesion_slices, measurements.grid.size[2]);
  text += measurements.lung_voxels
              ? fmt::format("lung              {}\n", volume_text(*measurements.lung_voxels, measurements.lung_ml))
              : std::string("lung              unknown\n");
  text += measurements.percent_affected ? fmt::format("percent affected  {:.2f} %\n", *measurements.percent_affected)
                                        : std::string("percent affected  unknown\n");
  if (const auto caution = quantify::caution(measurements.notes))
    text += fmt::format("CAUTION           {}\n", *caution);
  text += details_text(measurements);
  if (measurements.expected_dice)
    text += fmt::format("expected Dice     {:.2f} (by the network's own probabilities)\n", *measurements.expected_dice);
  for (const auto& note : measurements.notes) text += fmt::format("note              {}\n", note.text);
  return text;
}

std::vector<std::string> measurement_facts(const quantify::Measurements& measurements) {
  std::vector<std::string> facts;
  if (measurements.percent_affected)
    facts.push_back(percent_text(measurements.percent_affected) + " of the lung affected");
  facts.push_back(fmt::format("lesion {} in {} of {} slices",
                              measurements.lesion_ml ? fmt::format("{:.1f} ml", *measurements.lesion_ml)
                                                     : fmt::format("{} voxels", measurements.lesion_voxels),
                              measurements.lesion_slices, measurements.grid.size[2]));
  if (measurements.lung_ml) facts.push_back(fmt::format("lung {:.0f} ml", *measurements.lung_ml));
  for (const auto& note : measurements.notes) {
    if (note.code == "spacing_is_default") facts.push_back("spacing 1 x 1 x 1 mm may not be true");
  }
  return facts;
}

}  // namespace pulmoseg::report
