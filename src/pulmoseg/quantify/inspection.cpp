#include "pulmoseg/quantify/inspection.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "pulmoseg/quantify/quality.hpp"
#include "pulmoseg/volume/volume_reader.hpp"

namespace pulmoseg::quantify {
namespace {

constexpr double padding_below_hu = -1100;  // air is −1000, with noise

/// Measurements have notes of their own for these: what they leave out for it. Padding does them no harm.
void add_what_measurements_say_otherwise(Inspection& found) {
  if (!found.source.has_geometry) {
    found.warnings.push_back(
        {"no_geometry", "the header declares no position in the patient; left and right, up and down are assumed"});
  }
  if (is_default_spacing(found.geometry.spacing)) {
    found.warnings.push_back(
        {"spacing_is_default",
         "the spacing is 1 x 1 x 1 mm, as headers without a true spacing say; volumes in ml may be wrong"});
  }
  const auto& intensities = found.intensities;
  if (intensities.scale == IntensityScale::hounsfield && intensities.minimum < padding_below_hu) {
    found.warnings.push_back(
        {"padding",
         fmt::format("values down to {:g} HU: padding outside of the scanner's field of view", intensities.minimum)});
  }
}

}  // namespace

Inspection inspect_volume(const std::filesystem::path& file_or_dicom_folder, const volume::OpenOptions& options) {
  auto reader = volume::VolumeReader::open(file_or_dicom_folder, options);
  QualityChecker quality(reader.geometry(), reader.source());
  IntensityAccumulator intensities;
  volume::AxialSlice slice;
  while (reader.next(slice)) {
    intensities.add_slice(slice.index, slice.pixels);
    quality.add({slice.index, slice.rows, slice.columns, slice.pixels, {}, {}});
  }
  Inspection found{reader.geometry(), reader.source(), intensities.finish(), reader.source().notes};
  std::ranges::move(quality.finish(found.intensities), std::back_inserter(found.warnings));
  add_what_measurements_say_otherwise(found);
  return found;
}

}  // namespace pulmoseg::quantify
