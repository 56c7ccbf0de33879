#pragma once
// Lesion and lung slice by slice as an <svg> (inside of report/ only).

#include <cstdint>
#include <span>
#include <string>

#include "pulmoseg/quantify/measurements.hpp"

namespace pulmoseg::report {

/// Areas in cm², or in pixels where their size is not known. `pictured`: slices of the montage, which get a mark.
std::string slice_curve_svg(const quantify::Measurements& measurements, std::span<const std::int64_t> pictured);

}  // namespace pulmoseg::report
