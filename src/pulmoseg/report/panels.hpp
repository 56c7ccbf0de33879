#pragma once
// One slice judged: CT, truth and prediction side by side, with its Dice and IoU.
//
// The truth is drawn over the CT in one colour; the prediction shows where it is right (true positive), where it claims
// too much (false positive) and where it misses (false negative), in colours that colour-blind readers tell apart.
// Mask pixels keep their edges: they are enlarged without interpolation. Pixels that are not square are drawn as they
// lie in the patient.
// Errors: Error naming the file when it cannot be written, or when the spans are not rows·columns long.

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "pulmoseg/report/image.hpp"

namespace pulmoseg::report {

struct Panels {
  std::int64_t rows = 0, columns = 0;
  std::span<const float> image{};                       ///< CT, any unit
  std::span<const std::uint8_t> truth{}, prediction{};  ///< not zero = lesion
  PixelSpacing spacing{};
  std::optional<Window> window{};       ///< default: display_window(image)
  std::string title{};                  ///< e.g. "coronacases_001, slice 85"
  std::optional<double> dice{}, iou{};  ///< absent: a dash
  std::string caption{};                ///< small line below: model, data; research_use follows by itself
};

void draw_panels(const Panels& panels, const std::filesystem::path& png);

}  // namespace pulmoseg::report
