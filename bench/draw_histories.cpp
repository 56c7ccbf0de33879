// Draws the pooled validation Dice of training runs over their wall time.
//   bench_draw_histories OUT.png CAPTION LABEL=RUN …

#include <fmt/format.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "program.hpp"
#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/report/chart.hpp"

namespace {

using namespace pulmoseg;

report::Series read_history(const std::string& label, const std::filesystem::path& run) {
  const CsvTable table = read_csv(run / "history.csv");
  const std::size_t seconds = table.column("seconds"), dice = table.column("validation_dice");
  report::Series series{.label = label};
  double minutes = 0;
  for (const auto& row : table.rows) {
    minutes += parse_number<double>(row[seconds]).value() / 60;
    const auto value = parse_number<double>(row[dice]);
    if (!value) continue;
    series.x.push_back(minutes);
    series.y.push_back(*value);
  }
  return series;
}

void draw(const std::vector<std::string>& arguments) {
  report::Chart chart;
  chart.title = "Validation Dice by time";
  chart.x_label = "minutes of training and validation";
  chart.y_label = "Dice of the lesion, pooled over all pixels of the part";
  chart.caption = arguments.at(1);
  chart.y_range = report::AxisRange{0, 1};
  for (std::size_t i = 2; i < arguments.size(); ++i) {
    const auto equals = arguments[i].find('=');
    if (equals == arguments[i].npos) throw std::invalid_argument(arguments[i] + ": expected LABEL=RUN");
    chart.series.push_back(read_history(arguments[i].substr(0, equals), arguments[i].substr(equals + 1)));
  }
  report::draw_chart(chart, arguments.at(0));
}

}  // namespace

int main(int count, char** arguments) {
  return pulmoseg::bench::run(count, arguments, "bench_draw_histories OUT.png CAPTION LABEL=RUN ...", draw);
}
