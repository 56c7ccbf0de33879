#pragma once
// A scan at a glance: a montage of axial slices with outlines of lesion and lung, slice numbers and percent affected.
//
// Slices are canonical: row 0 is anterior, column 0 is the patient's right, as on a radiologist's screen.
// Errors: Error naming the file when it cannot be written.
// Threads: one at a time for a SliceGallery; draw_montage any number.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pulmoseg/report/image.hpp"

namespace pulmoseg::report {

struct GallerySlice {
  std::int64_t index = 0, rows = 0, columns = 0;
  std::vector<float> pixels{};
  std::vector<std::uint8_t> lesion{}, lung{};  ///< not zero = inside; lung is empty when there is none
};

/// Chooses the slices of a montage while a scan streams by, and keeps only those. The scan is cut into `places` bands
/// of equal height; of each band the slice with the most lesion is kept (without lesion: the middle one). So the worst
/// slice of the scan is always there, and every level of the lung too. The order of the slices does not matter.
class SliceGallery {
 public:
  explicit SliceGallery(std::int64_t slices_of_scan, std::int64_t places = 12);

  /// Error when the spans are not rows·columns long or the index is outside of the scan.
  void offer(std::int64_t index, std::int64_t rows, std::int64_t columns, std::span<const float> pixels,
             std::span<const std::uint8_t> lesion, std::span<const std::uint8_t> lung = {});

  /// The kept slices by index, from the lowest to the highest.
  std::vector<GallerySlice> finish() const;

 private:
  struct Place {
    std::int64_t lesion_pixels = -1;  // -1: nothing offered yet
    GallerySlice slice;
  };
  std::size_t band_of(std::int64_t index) const;
  bool is_better(std::int64_t index, std::int64_t lesion_pixels) const;  ///< than what its band has

  std::int64_t slices_of_scan_;
  std::vector<Place> places_;
};

struct Montage {
  std::string title{};
  std::vector<std::string> facts{};    ///< below the title, e.g. {"lesion 182 ml", "12.3 % of the lung"}
  std::vector<GallerySlice> slices{};  ///< drawn row by row in this order
  PixelSpacing spacing{};
  std::optional<double> pixel_area_mm2{};  ///< known: slices without lung show their lesion area
  std::optional<Window> window{};          ///< default: display_window of all slices together
  bool orientation_known = true;           ///< false: no R and L beside the picture
  std::string caption{};                   ///< small line below; research_use follows by itself
};

void draw_montage(const Montage& montage, const std::filesystem::path& png);

/// The bytes of that file, which is not written; errors name it all the same.
std::string montage_png(const Montage& montage, const std::filesystem::path& png);

}  // namespace pulmoseg::report
