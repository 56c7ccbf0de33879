#pragma once
// Line charts as PNG: training curves, ROC curves.
//
// Errors: Error naming the file when it cannot be written or has no room for the axes.
// The file appears whole or not at all.
// The same chart gives the same bytes on one machine. Threads: any number, each with its own chart and file.
// Colours: Okabe & Ito, Color Universal Design (2008), told apart by colour-blind readers; dashes tell
// them apart in grey.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace pulmoseg::report {

/// Points with a coordinate that is not finite (on a log axis: not positive) are left out, and the line breaks there.
struct Series {
  std::string label{};
  std::vector<double> x{}, y{};
};

struct AxisRange {
  double low, high;
};

/// A vertical line with an entry in the legend, e.g. {14, "best epoch: 14"}.
struct ChartMark {
  double x;
  std::string label;
};

struct Chart {
  std::string title{};
  std::string x_label{}, y_label{};
  std::vector<Series> series{};        ///< none, or with no point: the axes and the words "no data"
  std::optional<AxisRange> x_range{};  ///< default: what the points need, with round ends
  std::optional<AxisRange> y_range{};
  bool log_y = false;
  bool whole_x = false;   ///< ticks at whole numbers only (epochs)
  bool diagonal = false;  ///< the line y = x: chance level of a ROC curve
  bool square = false;    ///< a square plot area
  std::optional<ChartMark> mark{};
  std::string caption{};  ///< small line below: provenance; wrapped when long; research_use follows by itself
  double width = 800, height = 500;  ///< points; the picture has `scale` pixels a point
  double scale = 2;
};

void draw_chart(const Chart& chart, const std::filesystem::path& png);

}  // namespace pulmoseg::report
