#include "pulmoseg/report/figure_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace pulmoseg::report {

std::string digits(double value) { return digits_like(value, value); }

std::string digits_like(double scale, double value) {
  const double size = std::abs(scale);
  if (size >= 1e7) return fmt::format("{:.3g}", value);  // of a wrong spacing: tables keep their width
  int decimals = size >= 99.5 || scale == 0 ? 0 : size >= 9.95 ? 1 : 2;
  if (value != 0 && std::abs(value) < std::pow(10, -decimals) / 2)
    decimals = std::min(9, static_cast<int>(-std::floor(std::log10(std::abs(value)))));
  return fmt::format("{:.{}f}", value, decimals);
}

std::string percent_text(const std::optional<double>& percent) {
  if (!percent) return "unknown";
  const bool is_small = *percent > 0 && *percent < 0.05;
  return is_small ? fmt::format("{} %", digits(*percent)) : fmt::format("{:.1f} %", *percent);
}

std::string with_minus(std::string text) {
  for (std::size_t at = 0; (at = text.find('-', at)) != std::string::npos;) text.replace(at, 1, "−");
  return text;
}

std::string capitalised(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text;
}

}  // namespace pulmoseg::report
