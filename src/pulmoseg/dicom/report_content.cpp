#include "pulmoseg/dicom/report_content.hpp"

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "pulmoseg/base/research_use.hpp"
#include "pulmoseg/dicom/attributes.hpp"

namespace pulmoseg::dicom {
namespace {

using volume::Code;

const Code volume_name{"118565006", "SCT", "Volume"}, mass_name{"118538004", "SCT", "Mass"},
    attenuation{"112031", "DCM", "Attenuation Coefficient"}, number_of_lesions{"246206008", "SCT", "Number of lesions"},
    percent_affected{"PERCENT_AFFECTED", own_scheme, "Percentage of lung that is lesion"},
    lesion_in_lung{"LESION_IN_LUNG", own_scheme, "Volume of lesion inside of lung"},
    lesion_outside_lung{"LESION_OUTSIDE", own_scheme, "Volume of lesion outside of lung"},
    severity{"SEVERITY", own_scheme, "Severity class by percentage of lung affected"},
    comment{"121106", "DCM", "Comment"};

const Code mean{"373098007", "SCT", "Mean"}, standard_deviation{"386136009", "SCT", "Standard Deviation"};

const Code millilitre{"ml", "UCUM", "milliliter"}, percent{"%", "UCUM", "percent"}, gram{"g", "UCUM", "gram"},
    hounsfield{"[hnsf'U]", "UCUM", "Hounsfield unit"}, none{"1", "UCUM", "no units"};

class Figures {
 public:
  Figures& add(const Code& name, const std::optional<double>& value, const Code& unit,
               const std::optional<Code>& derivation = {}) {
    if (value) figures_.push_back({name, *value, unit, derivation});
    return *this;
  }
  std::vector<Figure> take() { return std::move(figures_); }

 private:
  std::vector<Figure> figures_;
};

FigureGroup lesion_group(const quantify::Measurements& m) {
  Figures figures;
  figures.add(volume_name, m.lesion_ml, millilitre)
      .add(lesion_outside_lung, m.lesion_outside_lung_ml, millilitre)
      .add(number_of_lesions, static_cast<double>(m.lesion_parts.size()), none);
  // The mean is of the lesion inside of the lung: of the segment, where none of it is outside.
  if (m.density && m.lesion_outside_lung_voxels == 0)
    figures.add(attenuation, m.density->mean_hu_of_lesion, hounsfield, mean);
  return {.name = "Lesion", .finding = volume::lesion_segment().type, .segment = 0, .figures = figures.take()};
}

Code band_name(const quantify::HounsfieldBand& band) {
  return {fmt::format("HU_{:g}_{:g}", band.from_hu, band.to_hu), own_scheme,
          fmt::format("Percentage of lung from {:g} to {:g} HU", band.from_hu, band.to_hu)};
}

FigureGroup lung_group(const quantify::Measurements& m, bool is_segment) {
  Figures figures;
  figures.add(volume_name, m.lung_ml, millilitre).add(percent_affected, m.percent_affected, percent);
  if (m.density) {
    figures.add(attenuation, m.density->mean_hu, hounsfield, mean)
        .add(attenuation, m.density->standard_deviation_hu, hounsfield, standard_deviation)
        .add(mass_name, m.density->mass_g, gram);
    for (const auto& band : m.density->bands) figures.add(band_name(band), band.percent_of_lung, percent);
  }
  return {.name = "Lung",
          .finding = volume::lung_code,
          .segment = is_segment ? std::optional<std::size_t>(1) : std::nullopt,
          .figures = figures.take()};
}

FigureGroup part_of_lung(const quantify::RegionMeasurements& region, std::string name) {
  Figures figures;
  figures.add(volume_name, region.lung_ml, millilitre)
      .add(lesion_in_lung, region.lesion_ml, millilitre)
      .add(percent_affected, region.percent_affected, percent);
  return {.name = std::move(name), .finding = volume::lung_code, .figures = figures.take()};
}

}  // namespace

std::vector<FigureGroup> report_figures(const quantify::Measurements& m, bool lung_is_segment) {
  std::vector<FigureGroup> groups{lesion_group(m), lung_group(m, lung_is_segment)};
  for (const auto& region : m.sides) {
    groups.push_back(part_of_lung(region, region.name + " lung"));
    groups.back().side = region.name == "left" ? Side::left : Side::right;
  }
  for (const auto& region : m.thirds) {
    groups.push_back(part_of_lung(region, region.name + " third of lungs"));
    groups.back().part = Code{"THIRD_" + region.name, own_scheme, region.name + " third of the height of the lungs"};
  }
  std::erase_if(groups, [](const FigureGroup& group) { return group.figures.empty(); });
  return groups;
}

std::vector<Remark> report_remarks(const quantify::Measurements& m, bool codes_only) {
  std::vector<Remark> remarks{{comment, std::string(research_use)}};
  if (m.severity)
    remarks.push_back(
        {severity, ascii(fmt::format("{}: {} ({})", m.severity->grade, m.severity->meaning, m.severity->source))});
  for (const auto& note : m.notes) remarks.push_back({comment, codes_only ? note.code : ascii(note.text)});
  return remarks;
}

}  // namespace pulmoseg::dicom
