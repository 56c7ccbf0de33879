#pragma once
// A scan at a glance: a montage of axial slices with the outlines of lesion and lung, slice numbers and percent affected.
//
// Slices are canonical: row 0 is anterior, column 0 is the patient's right, as on every radiologist's screen.
// Errors: Error naming the file when it cannot be written.
// Threads: one at a time for a SliceGallery; draw_montage any number.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pulmoseg/report/image.hpp"

namespace pulmoseg::report {

struct GallerySlice {
  std::int64_t index = 0, rows = 0, columns = 0;
  std::vector<float> pixels;
  std::vector<std::uint8_t> lesion, lung;  ///< not zero = inside; lung is empty when there is none
};

/// Chooses the slices of a montage while a scan streams by, and keeps only those: the slices with the most lesion, and
/// slices evenly spaced through the scan. Memory: (most_affected + evenly_spaced) slices. The choice does not depend on
/// the order in which slices are offered.
class SliceGallery {
 public:
  explicit SliceGallery(std::int64_t slices_of_scan, std::int64_t most_affected = 6, std::int64_t evenly_spaced = 6);

  void offer(std::int64_t index, std::int64_t rows, std::int64_t columns, std::span<const float> pixels,
             std::span<const std::uint8_t> lesion, std::span<const std::uint8_t> lung = {});

  /// By index. When fewer slices have lesion than `most_affected`, evenly spaced ones take the free places as far as kept.
  std::vector<GallerySlice> finish() const;

 private:
  struct Candidate {
    std::int64_t lesion_pixels;
    GallerySlice slice;
  };
  std::int64_t slices_of_scan_, most_affected_, evenly_spaced_;
  std::map<std::int64_t, Candidate> even_;      // by index
  std::vector<Candidate> affected_;             // most lesion first
};

struct Montage {
  std::string title;
  std::vector<std::string> facts;      ///< one line below the title, e.g. {"lesion 182 ml", "12.3 % of the lung"}
  std::vector<GallerySlice> slices;    ///< drawn row by row in this order
  std::int64_t slices_of_scan = 0;     ///< for "slice 12 of 159"; 0: "slice 12"
  PixelSpacing spacing;
  std::optional<Window> window;        ///< default: display_window of all slices together
  bool one_window_per_slice = false;   ///< for files whose slices have different windows
  std::string caption;
};

void draw_montage(const Montage& montage, const std::filesystem::path& png);

}  // namespace pulmoseg::report
