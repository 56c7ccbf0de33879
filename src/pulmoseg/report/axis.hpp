#pragma once
// The scale of a chart's axis: round ends, round ticks, the text beside them (inside of report/ only).
//
// Pure values; safe from any thread.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pulmoseg/report/chart.hpp"

namespace pulmoseg::report {

struct Tick {
  double value;
  std::string text;  ///< empty: a fine grid line without a number
};

struct Axis {
  double low = 0, high = 1;  ///< finite, low < high
  bool logarithmic = false;
  std::vector<Tick> ticks;  ///< ascending, within low…high

  /// 0 at `low`, 1 at `high`.
  double position(double value) const;
};

struct AxisRequest {
  std::optional<AxisRange> range{};
  bool logarithmic = false;
  bool whole_numbers = false;
  int most_ticks = 6;
};

/// An axis that shows all of `values` (those that are finite, and positive when logarithmic) or exactly the range asked
/// for. A range that is not finite, empty or, on a logarithmic axis, not positive is ignored.
Axis make_axis(std::span<const double> values, const AxisRequest& request);

}  // namespace pulmoseg::report
