#pragma once
// How reports write a figure (inside of report/ only): one way for all tables. What is not 0 never looks like 0.

#include <optional>
#include <string>

namespace pulmoseg::report {

/// Three digits that count, whole numbers from 100 on.
std::string digits(double value);

/// With the decimals that `scale` has in digits(): of figures that stand beside each other.
std::string digits_like(double scale, double value);

/// "12.3 %", or "unknown".
std::string percent_text(const std::optional<double>& percent);

/// With minus signs instead of hyphens.
std::string with_minus(std::string text);

/// As a sentence begins.
std::string capitalised(std::string text);

}  // namespace pulmoseg::report
