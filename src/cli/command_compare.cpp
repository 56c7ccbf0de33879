// pulmoseg compare: two scans of one patient side by side.

#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "commands.hpp"
#include "common.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/report/comparison.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* manual = R"(  pulmoseg compare april/scan.json may/scan.json
  pulmoseg compare RESULTS_OF_APRIL RESULTS_OF_MAY --out FOLDER

EARLIER and LATER are measurements (NAME.json) that segment or quantify wrote, or folders that hold those of one
scan. Each figure is given for both dates with its change: later minus earlier, of percentages in percentage
points, of ml, g and counts also relative to the earlier. That both are of one patient you must know: measurements
hold no name. Notes say what stands in the way of reading a change: dates that are unknown or in the wrong order,
different models or settings, lungs that were not measured whole, other lung volumes, slices, voxels, kernels or
contrast medium, and how much of a change may be the model's error.

With --out, FOLDER gets comparison.html, a page to read and print, comparison.json and comparison.csv; it must be
another folder than those of the results, which `pulmoseg cohort` reads.

Research use only. Not a medical device.)";

struct Arguments {
  fs::path earlier, later, out;
  bool json = false, overwrite = false;
};

void write(const report::Comparison& comparison, const std::string& json, const Arguments& arguments) {
  const FolderLock lock(arguments.out);
  for (const auto* compared : {&comparison.earlier, &comparison.later}) {
    if (fs::equivalent(fs::absolute(compared->file).parent_path(), arguments.out))
      throw UsageError(fmt::format("{}: holds results; choose another folder for --out", arguments.out.string()));
  }
  const fs::path json_file = arguments.out / "comparison.json", csv_file = arguments.out / "comparison.csv",
                 page = arguments.out / "comparison.html";
  for (const auto& file : {json_file, csv_file, page}) {
    if (!arguments.overwrite && fs::exists(file))
      throw Error(fmt::format("{}: is there already; choose another folder or add --overwrite", file.string()));
  }
  write_file(csv_file, report::comparison_csv(comparison));
  write_file(page, report::comparison_html(comparison, PULMOSEG_VERSION));
  write_file(json_file, json);
}

void run(const Arguments& arguments) {
  const report::Comparison comparison = report::compare_cases(arguments.earlier, arguments.later);
  const std::string json = report::comparison_json(comparison, PULMOSEG_VERSION);
  if (!arguments.out.empty()) write(comparison, json, arguments);
  std::string text = arguments.json ? json : report::comparison_text(comparison);
  text.pop_back();
  print_line(text);
}

}  // namespace

void add_compare_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("compare", "Compare the measurements of two dates, figure by figure");
  command->footer(manual);
  command->add_option("EARLIER", arguments->earlier, "measurements of the first date")->required();
  command->add_option("LATER", arguments->later, "measurements of the second date")->required();
  command->add_option("-o,--out", arguments->out, "folder for comparison.html, comparison.json and comparison.csv");
  command->add_flag("--overwrite", arguments->overwrite, "replace a comparison that is there already");
  command->add_flag("--json", arguments->json, "print the comparison as JSON");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace pulmoseg::cli
