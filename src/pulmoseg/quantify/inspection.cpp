#include "pulmoseg/quantify/inspection.hpp"

#include <fmt/format.h>

#include "pulmoseg/quantify/quality.hpp"
#include "pulmoseg/volume/volume_reader.hpp"

namespace pulmoseg::quantify {
namespace {

constexpr double padding_below_hu = -1100;  // air is −1000, with noise

}  // namespace

Inspection inspect_volume(const std::filesystem::path& file_or_dicom_folder) {
  auto reader = volume::VolumeReader::open(file_or_dicom_folder);
  QualityChecker quality(reader.geometry(), reader.source());
  volume::AxialSlice slice;
  while (reader.next(slice)) quality.add({slice.index, slice.rows, slice.columns, slice.pixels, {}, {}});
  Inspection found{reader.geometry(), reader.source(), quality.intensities(), quality.finish()};
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
  return found;
}

}  // namespace pulmoseg::quantify
