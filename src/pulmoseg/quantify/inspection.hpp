#pragma once
// A scan looked at before it is trusted: what it is, where it lies, what its numbers are, what looks wrong.
//
// Reads the whole file once, slice by slice. Errors: those of volume/ (a file that cannot be read is refused there).

#include <filesystem>
#include <vector>

#include "pulmoseg/quantify/intensity.hpp"
#include "pulmoseg/quantify/measurements.hpp"
#include "pulmoseg/volume/geometry.hpp"
#include "pulmoseg/volume/source.hpp"

namespace pulmoseg::quantify {

struct Inspection {
  volume::Geometry geometry;  ///< canonical
  volume::SourceInfo source;
  IntensityStatistics intensities;
  std::vector<Note> warnings;  ///< codes in docs/schemas.md
};

Inspection inspect_volume(const std::filesystem::path& file_or_dicom_folder, const volume::OpenOptions& options = {});

}  // namespace pulmoseg::quantify
