// pulmoseg cohort: the table of many cases.

#include <fmt/format.h>

#include <memory>

#include "commands.hpp"
#include "common.hpp"
#include "pulmoseg/base/error.hpp"
#include "segment_cohort.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* manual = R"(  pulmoseg cohort RESULTS
  pulmoseg cohort RESULTS_A RESULTS_B --out all.csv

Reads the measurements (NAME.json) that segment or quantify wrote into each FOLDER, and writes one line a case,
by name, and beside it a page (.html) to sort and search, with distributions and links to the reports: what
`segment` writes by itself when it works alone, here for the results of --shard. The measurements are all that
is asked, so the table is right whatever was killed or done again.)";

struct Arguments {
  std::vector<fs::path> folders;
  fs::path out;
};

void run(const Arguments& arguments) {
  for (const auto& folder : arguments.folders) {
    if (!fs::is_directory(folder)) throw Error(fmt::format("{}: is no folder of results", folder.string()));
  }
  const fs::path file = arguments.out.empty() ? arguments.folders.front() / "cohort.csv" : arguments.out;
  const Gathered gathered = gather_cohort(arguments.folders, file);
  if (gathered.cases > 0) print_line(fmt::format("{}: {} cases", file.string(), gathered.cases));
  if (gathered.failed > 0) throw Error(fmt::format("{} files could not be read as measurements", gathered.failed));
  if (gathered.cases == 0) {
    throw Error(fmt::format("{}: holds no measurements (NAME.json of segment or quantify), so no table was written",
                            arguments.folders.front().string()));
  }
}

}  // namespace

void add_cohort_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("cohort", "Make one table of the measurements of many cases");
  command->footer(manual);
  command->add_option("FOLDER", arguments->folders, "results of segment or quantify")->required();
  command->add_option("-o,--out", arguments->out, "the table (default: cohort.csv in the first folder)");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace pulmoseg::cli
