#pragma once
// A histogram as an <svg> (inside of report/ only).

#include <span>
#include <string>

namespace pulmoseg::report {

/// Of finite values, in twenty bins between round ends; a bin holds its lower end, the last one both.
std::string histogram_svg(std::span<const double> values, const std::string& label);

}  // namespace pulmoseg::report
