#pragma once
// What a case's report shows of the scan beside its axial slices: coronal and sagittal planes, and where in the lungs the lesion
// lies, gathered while the slices stream by.
//
// Memory: 24 planes either way, of at most 512 pixels across and 768 slices (thinned out beyond), 5 bytes a pixel: up to 95 MB
// however large the scan, 40 MB for 300 slices of 512 x 512. Threads: one at a time.

#include <cstdint>
#include <vector>

#include "pulmoseg/quantify/measurements.hpp"
#include "pulmoseg/report/overlay.hpp"
#include "pulmoseg/volume/geometry.hpp"

namespace pulmoseg::report {

/// A plane upright in the patient: row 0 is superior. Coronal: column 0 is the patient's right; sagittal: anterior.
struct UprightPlane {
  GallerySlice slice{};  ///< index: the row (coronal) or column (sagittal) of the axial slices that it cuts through
  PixelSpacing spacing{};
};

/// The lungs seen from the front, as on a chest radiograph: row 0 is superior, column 0 the patient's right.
struct LungMap {
  std::int64_t rows = 0, columns = 0;
  PixelSpacing spacing{};
  std::vector<std::uint8_t> lung{};   ///< 1: lung lies behind
  std::vector<float> lesion_depth{};  ///< how much lesion lies there from front to back, in mm
};

struct UprightViews {
  UprightPlane coronal, sagittal;
  LungMap map;
};

class CaseViews {
 public:
  explicit CaseViews(const volume::Geometry& grid);

  /// Each slice of the grid, in any order. Error when it is not of this grid.
  void add(const quantify::MeasuredSlice& slice);

  /// Of the planes that were kept, those with the most lesion; without lesion those with the most lung; else the middle ones.
  UprightViews finish() const;

 private:
  /// Parallel planes of one direction: planes x rows x columns, row 0 the lowest slice.
  struct Planes {
    std::int64_t extent = 0;  ///< of the scan along their normal, in pixels
    std::int64_t count = 0, rows = 0, columns = 0;
    std::vector<float> pixels;
    std::vector<std::uint8_t> inside;        ///< 1: lesion, 2: lung
    std::vector<std::int64_t> lesion, lung;  ///< pixels of each plane

    Planes(std::int64_t extent, std::int64_t rows, std::int64_t columns);
    std::int64_t position(std::int64_t plane) const;
    UprightPlane best(PixelSpacing spacing) const;
  };

  void add_line(Planes& planes, std::int64_t row, const quantify::MeasuredSlice& slice, bool coronal) const;
  void add_depths(const quantify::MeasuredSlice& slice);

  volume::Geometry grid_;
  std::int64_t slice_step_, column_step_, row_step_;
  Planes coronal_, sagittal_;
  std::vector<std::uint8_t> lung_seen_;
  std::vector<std::uint32_t> lesion_seen_;  ///< voxels, over all pixels and slices of a place of the map
};

}  // namespace pulmoseg::report
