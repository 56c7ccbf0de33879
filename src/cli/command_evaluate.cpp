// pulmoseg evaluate: a model over the slices of a dataset, with figures, curves and pictures.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <numeric>
#include <optional>
#include <set>

#include "commands.hpp"
#include "common.hpp"
#include "evaluation_origin.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/dataset/split.hpp"
#include "pulmoseg/evaluation/evaluate.hpp"
#include "pulmoseg/evaluation/picture_choice.hpp"
#include "pulmoseg/report/chart.hpp"
#include "pulmoseg/report/metrics_report.hpp"
#include "pulmoseg/report/panels.hpp"
#include "results_folder.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* manual =
    R"(MODEL is the folder of a training run, whose split.csv says which slices are kept for testing, or an
.onnx file with --split RUN/split.csv. Without a split only --part all (every slice) can be measured.

Each figure is given by its convention: pooled over all pixels; mean per slice, where an empty slice
that was predicted empty scores 1; mean per slice with lesion; mean per case, with a 95 % bootstrap
interval; outlines of slices in pixels (normalised surface Dice within --tolerance, 95 % Hausdorff
distance); and how each case's percentage of lesion in the lung agrees with the truth's (Bland-Altman,
ICC), where the dataset has lung masks. A slice-wise split has slices of the same patients in training
and test: such figures flatter, and the terminal, metrics.json and the pictures say so.

DIR gets metrics.json, slices.csv, cases.csv, roc.png and figures/*.png: CT, truth and prediction of
the best, median and worst slices by Dice and of a random sample of the rest. With --part given more
than once, each part gets a folder of its own in DIR.)";

constexpr const char* roc_name = "roc.png";

struct Arguments {
  fs::path model, dataset, out, split;
  std::vector<std::string> parts;
  std::int64_t figures = 12;
  std::uint64_t seed = 0;
  inference::EngineOptions engine;
  double tolerance = 2;
  bool json = false, overwrite = false;
};

/// The split that names the parts; nothing where every slice is wanted and no split belongs to the dataset.
std::optional<dataset::Split> find_split(const Arguments& arguments, const dataset::Dataset& dataset) {
  const bool needed = std::ranges::any_of(arguments.parts, [](const auto& part) { return part != "all"; });
  if (!arguments.split.empty()) return dataset::read_split(arguments.split, dataset);
  if (!fs::is_directory(arguments.model)) {
    if (!needed) return std::nullopt;
    throw UsageError(fmt::format("{}: comes without a split; add --split RUN/split.csv, or --part all for every slice",
                                 arguments.model.string()));
  }
  try {
    return dataset::read_split(arguments.model / "split.csv", dataset);
  } catch (const Error& error) {
    if (needed) throw;
    spdlog::warn("measured without a split: {}", error.what());
    return std::nullopt;
  }
}

std::vector<std::int64_t> rows_of(const std::string& part, const std::optional<dataset::Split>& split,
                                  const dataset::Dataset& dataset) {
  if (part != "all") return split->rows(*dataset::parse_part(part));
  std::vector<std::int64_t> rows(static_cast<std::size_t>(dataset.size()));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

std::string caption_of(const std::string& part, const report::EvaluationProvenance& provenance) {
  std::string caption = fmt::format("model {}, data {}, part {}", provenance.model, provenance.dataset, part);
  if (provenance.split) caption += fmt::format(" of a {}-wise split", provenance.split->kind);
  for (const std::string& warning : report::evaluation_warnings(part, provenance)) caption += ". Note: " + warning;
  return caption;
}

void draw_roc(const evaluation::Evaluation& evaluation, const std::string& caption, const fs::path& png) {
  const auto& auc = evaluation.roc.auc;
  report::Chart chart{.title = fmt::format("ROC over all pixels, part {}", evaluation.figures.part),
                      .x_label = "false positive rate (1 - specificity)",
                      .y_label = "true positive rate (recall)",
                      .series = {},
                      .x_range = report::AxisRange{0, 1},
                      .y_range = report::AxisRange{0, 1},
                      .diagonal = true,
                      .square = true,
                      .mark = {},
                      .caption = caption};
  report::Series curve{.label = auc ? fmt::format("lesion, AUC {:.4f}", *auc) : "AUC undefined", .x = {}, .y = {}};
  for (const auto& point : evaluation.roc.points) {
    curve.x.push_back(point.false_positive_rate);
    curve.y.push_back(point.true_positive_rate);
  }
  chart.series.push_back(std::move(curve));
  report::draw_chart(chart, png);
}

/// A run with --overwrite that is stopped leaves no figures beside pictures of another model.
void remove_old_figures(const fs::path& folder) {
  report::remove_metrics(folder);
  fs::remove(folder / roc_name);
}

/// Pictures of an earlier run with --overwrite would stand beside figures that are not theirs.
void remove_old_pictures(const fs::path& folder, const std::set<std::string>& keep) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const bool ours = std::ranges::any_of(std::array{"best_", "median_", "worst_", "sample_"},
                                          [&](const char* group) { return name.starts_with(group); });
    if (ours && name.ends_with(".png") && !keep.contains(name)) fs::remove(entry.path());
  }
}

void draw_picture(const dataset::Dataset& dataset, const evaluation::PictureChoice& choice,
                  const metrics::SliceResult& slice, const std::vector<std::uint8_t>& prediction,
                  const std::string& caption, const fs::path& png) {
  report::draw_panels(
      {.rows = dataset.rows(),
       .columns = dataset.columns(),
       .image = dataset.image(slice.row),
       .truth = dataset.lesion_mask(slice.row),
       .prediction = prediction,
       .spacing = {},
       .window = {},
       .title = fmt::format("{} {}: {}, slice {}", choice.group, choice.rank, slice.case_name, slice.slice),
       .dice = metrics::dice(slice.counts),
       .iou = metrics::iou(slice.counts),
       .caption = caption},
      png);
}

void draw_pictures(inference::Engine& engine, const dataset::Dataset& dataset, const evaluation::Evaluation& evaluation,
                   const Arguments& arguments, const std::string& caption, const fs::path& folder) {
  const auto choices = evaluation::choose_pictures(evaluation.slices, arguments.figures, arguments.seed);
  if (!choices.empty()) fs::create_directories(folder);
  evaluation::Predictor predictor(engine, dataset);
  Progress progress("pictures", static_cast<std::int64_t>(choices.size()));
  std::set<std::string> names;
  for (const auto& choice : choices) {
    stop_if_asked();
    const metrics::SliceResult& slice = evaluation.slices[choice.slice];
    const auto prediction = predictor.predict(std::array{slice.row});
    const std::string name = evaluation::picture_name(choice, slice);
    draw_picture(dataset, choice, slice, evaluation::mask_of(prediction.front().classes, engine.classes().lesion()),
                 caption, folder / name);
    names.insert(name);
    progress.update(static_cast<std::int64_t>(names.size()));
  }
  if (fs::is_directory(folder)) remove_old_pictures(folder, names);
}

evaluation::Evaluation measure(inference::Engine& engine, const dataset::Dataset& dataset, const std::string& part,
                               const std::optional<dataset::Split>& split, double tolerance) {
  const auto rows = rows_of(part, split, dataset);
  Progress progress(part, static_cast<std::int64_t>(rows.size()));
  return evaluation::evaluate(engine, dataset, rows, part,
                              {.on_progress = [&](std::int64_t done, std::int64_t) { progress.update(done); },
                               .stop = stop_token(),
                               .tolerance = tolerance});
}

void run(Arguments& arguments) {
  if (arguments.parts.empty()) arguments.parts = {"test"};
  const auto folder_of = [&](const std::string& part) {
    return arguments.parts.size() == 1 ? arguments.out : arguments.out / part;
  };
  for (const std::string& part : arguments.parts) refuse_dataset(folder_of(part));
  inference::Engine engine(inference::find_model(arguments.model), arguments.engine);
  const auto dataset = dataset::Dataset::open(arguments.dataset);
  const auto split = find_split(arguments, dataset);
  const auto provenance = provenance_of(engine, dataset, split);
  const FolderLock lock(arguments.out);
  for (const std::string& part : arguments.parts) {
    if (!arguments.overwrite) report::refuse_existing_metrics(folder_of(part));
  }
  auto parts = nlohmann::ordered_json::object();
  for (const std::string& part : arguments.parts) {
    const auto evaluation = measure(engine, dataset, part, split, arguments.tolerance);
    const fs::path folder = folder_of(part);
    fs::create_directories(folder);
    const std::string caption = caption_of(part, provenance);
    remove_old_figures(folder);
    draw_pictures(engine, dataset, evaluation, arguments, caption, folder / "figures");
    draw_roc(evaluation, caption, folder / roc_name);
    report::write_metrics(evaluation.figures, evaluation.slices, provenance, folder);
    parts[part] = nlohmann::ordered_json::parse(report::metrics_json(evaluation.figures, provenance));
    if (arguments.json) continue;
    print_line(report::metrics_text(evaluation.figures, provenance));
    print_line(fmt::format("{}: metrics.json, slices.csv, cases.csv, roc.png{}\n", folder.string(),
                           arguments.figures > 0 ? ", figures/*.png" : ""));
  }
  if (!arguments.json) return;
  if (arguments.parts.size() == 1) return print_json(parts[arguments.parts.front()]);
  print_json({{"schema", "pulmoseg.evaluate/1"}, {"research_use", research_use}, {"parts", parts}});
}

/// The names in the order in which they were given, each once.
void keep_first(std::vector<std::string>& names) {
  std::set<std::string> seen;
  std::erase_if(names, [&](const std::string& name) { return !seen.insert(name).second; });
}

}  // namespace

void add_evaluate_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("evaluate", "Measure a model on the slices of a dataset");
  command->footer(manual);
  command->add_option("MODEL", arguments->model, "folder of a training run, or an .onnx file")->required();
  command->add_option("DATASET", arguments->dataset, "dataset made by pulmoseg prepare")->required();
  command->add_option("-o,--out", arguments->out, "folder for the results")->required();
  command->add_option("--part", arguments->parts, "test (default), validation, training or all; repeat for more")
      ->allow_extra_args(false)
      ->check(CLI::IsMember({"test", "validation", "training", "all"}));
  command->add_option("--split", arguments->split, "split.csv of the run that trained the model");
  command->add_option("--figures", arguments->figures, "number of pictures of slices")
      ->capture_default_str()
      ->check(CLI::Range(0, 100000));
  command->add_option("--seed", arguments->seed, "seed of the random sample among the pictures")->capture_default_str();
  command->add_option("--tolerance", arguments->tolerance, "of the surface Dice, in pixels")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--precision", arguments->engine.precision, "of the network's arithmetic: fp32, bf16, int8 or auto")
      ->capture_default_str();
  command->add_flag("--tta", arguments->engine.mirror, "average over the slice and its mirror image (left and right)");
  command->add_option("--threads", arguments->engine.threads, "processor threads; 0 takes all")
      ->capture_default_str()
      ->check(CLI::Range(0, 1024));
  command->add_flag("--overwrite", arguments->overwrite, "replace results that are there already, file by file");
  command->add_flag("--json", arguments->json, "print metrics.json instead of a table");
  command->callback([arguments] {
    keep_first(arguments->parts);
    run(*arguments);
  });
}

}  // namespace pulmoseg::cli
