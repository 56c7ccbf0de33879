#include "train_run.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <optional>

#include "common.hpp"
#ifdef PULMOSEG_IMAGING
#include "pulmoseg/report/chart.hpp"
#endif

namespace pulmoseg::cli {
namespace {

void describe_split(const dataset::Split& split, const dataset::Dataset& dataset) {
  const auto slices = [&](dataset::Part part) { return split.rows(part).size(); };
  spdlog::info("{} slices of {}x{}, split by {}: {} training, {} validation, {} test", dataset.size(), dataset.rows(),
               dataset.columns(), split.kind, slices(dataset::Part::training), slices(dataset::Part::validation),
               slices(dataset::Part::test));
  if (dataset.info().unrelated_slices) {
    spdlog::warn(
        "the patients of these slices are not known: the same ones may stand in training and in validation "
        "or test, so figures may flatter");
  } else if (split.patients_leak(dataset)) {
    spdlog::warn(
        "slices of the same patient stand in training and in validation or test, so figures will flatter; "
        "--split patient keeps them apart");
  }
}

void draw_history([[maybe_unused]] const training::TrainingResult& result, [[maybe_unused]] const std::string& caption,
                  [[maybe_unused]] const std::filesystem::path& run) {
#ifdef PULMOSEG_IMAGING
  report::Series training{.label = "training", .x = {}, .y = {}}, validation{.label = "validation", .x = {}, .y = {}};
  for (const auto& record : result.history) {
    const auto epoch = static_cast<double>(record.epoch);
    training.x.push_back(epoch), training.y.push_back(record.training_loss);
    validation.x.push_back(epoch), validation.y.push_back(record.validation_loss);
  }
  report::Chart chart;
  chart.title = "Loss by epoch";
  chart.x_label = "epoch", chart.y_label = "loss";
  chart.series = {training, validation};
  chart.whole_x = true;
  chart.mark = report::ChartMark{
      .x = static_cast<double>(result.best.epoch),
      .label = fmt::format("best epoch: {}, validation {:.4f}", result.best.epoch, result.best.validation_loss)};
  chart.caption = caption;
  report::draw_chart(chart, run / "history.png");
#endif
}

void log_epoch(const training::EpochRecord& record, std::int64_t epochs) {
  spdlog::info("epoch {}/{}: training loss {:.4f}, validation loss {:.4f}{}, {:.2f} samples/s, {}", record.epoch,
               epochs, record.training_loss, record.validation_loss, describe_dice(record), record.samples_per_second,
               describe_duration(record.seconds));
}

}  // namespace

std::string describe_dice(const training::EpochRecord& record) {
  return record.validation_dice ? fmt::format(", pooled Dice {:.4f}", *record.validation_dice) : "";
}

training::TrainingResult train_and_show(const dataset::Dataset& dataset, const dataset::Split& split,
                                        const std::filesystem::path& run, const training::TrainingOptions& options,
                                        training::ProcessGroup& group) {
  describe_split(split, dataset);
  if (group.ranks() > 1) spdlog::info("{} ranks, {} of them on this machine", group.ranks(), group.ranks_here());
  const std::string caption = fmt::format("pulmoseg " PULMOSEG_VERSION ", recipe {}, seed {}, data {}, {}-wise split",
                                          options.recipe, options.seed, own_name(dataset.folder()), split.kind);

  std::optional<Progress> progress;  // of the epoch under way
  training::TrainingCallbacks callbacks;
  callbacks.stop = stop_token();
  callbacks.on_step = [&](const training::StepRecord& step) {
    if (!progress) progress.emplace(fmt::format("epoch {}/{}", step.epoch, step.epochs), step.batches);
    progress->update(step.batch,
                     fmt::format("batches, loss {:.4f}, {:.2f} samples/s, {} left in the run, in the epoch",
                                 step.training_loss, step.samples_per_second, describe_duration(step.seconds_left)));
  };
  callbacks.on_epoch = [&](const training::TrainingResult& so_far) {
    progress.reset();
    log_epoch(so_far.history.back(), options.epochs);
    draw_history(so_far, caption, run);
  };
  return training::train(dataset, split, run, options, callbacks, &group);
}

}  // namespace pulmoseg::cli
