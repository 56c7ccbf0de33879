#include "pulmoseg/training/trainer.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cmath>
#include <mutex>
#include <utility>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/model/batch_norm.hpp"
#include "pulmoseg/model/weights.hpp"
#include "pulmoseg/training/device.hpp"
#include "pulmoseg/training/loss.hpp"
#include "pulmoseg/training/operating_point.hpp"
#include "pulmoseg/training/random.hpp"
#include "pulmoseg/training/sampling.hpp"
#include "pulmoseg/training/schedule.hpp"

namespace pulmoseg::training {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

bool is_better(const EpochRecord& record, const EpochRecord& best) {
  return record.size != best.size ? record.size > best.size : record.validation_loss < best.validation_loss;
}

}  // namespace

Trainer::Trainer(Network network, const dataset::Dataset& dataset, const dataset::Split& split, RunFolder run,
                 const TrainingOptions& options, torch::Device device, const TrainingCallbacks& callbacks,
                 ProcessGroup& group)
    : network_(std::move(network)),
      dataset_(dataset),
      run_(std::move(run)),
      options_(options),
      callbacks_(callbacks),
      group_(group),
      device_(device),
      classes_(dataset::ClassMap::parse(options.classes)),
      training_rows_(split.rows(dataset::Part::training)),
      validation_rows_(split.rows(dataset::Part::validation)),
      optimiser_(placed(*network_.module, device_), options.learning_rate),
      smallest_batch_(smallest_batch(options, group.ranks())),
      batches_an_epoch_(std::ssize(make_batches(training_rows_, options.batch_size, smallest_batch_))) {
  if (std::ssize(training_rows_) < smallest_batch_ || validation_rows_.empty()) {
    throw Error(
        fmt::format("{}: has {} slices for training and {} for validation, expected at least {} and 1; prepare more "
                    "slices or split otherwise",
                    dataset.folder().string(), training_rows_.size(), validation_rows_.size(), smallest_batch_));
  }
  for (const Rows* rows : {&training_rows_, &validation_rows_}) check_targets(*rows);
  for (const auto& slice : dataset.slices()) patients_.push_back(slice.patient);
  if (options_.weight_average > 0) average_.emplace(*network_.module, options_.weight_average);
}

void Trainer::check_targets(const Rows& rows) const {
  for (const std::int64_t row : rows) {
    const auto& slice = dataset_.slices().at(static_cast<std::size_t>(row));
    if (classes_.knows_targets(slice)) continue;
    throw Error(fmt::format(
        "{}: slice {} of case {} has no lung mask, which the classes {} need; prepare the dataset with lung "
        "masks, or train --classes lesion",
        dataset_.folder().string(), slice.slice, slice.case_name, classes_.text()));
  }
}

TrainingResult Trainer::run() {
  begin_together();
  while (state_.epoch < options_.epochs) {
    const bool is_whole = train_epoch();
    {
      std::optional<WeightAverage::InNetwork> averaged;
      if (average_) averaged.emplace(*average_);
      record_epoch(validate(), is_whole);
    }
    if (time_is_up()) {
      warn_of_a_cut_schedule();
      break;
    }
  }
  return result();
}

TrainingResult Trainer::result() const { return {.history = history_, .best = state_.best.value_or(EpochRecord{})}; }

void Trainer::begin_together() {
  if (group_.ranks() == 1) return;
  if (device_.is_cuda()) group_.join_gpus();
  state_ = state_from_json(group_.broadcast(to_json(state_)));
  history_ = state_.history;
  const model::StateDict moments = optimiser_.state_dict();
  for (const auto& [name, tensor] : moments) group_.broadcast(tensor);
  optimiser_.load_state_dict(moments, "rank 0");
  if (average_) {
    for (const auto& [name, tensor] : average_->averaged()) group_.broadcast(tensor);
  }
  for (const auto& buffer : network_.module->buffers()) group_.broadcast(buffer);
  group_.average_gradients_of(network_.module->parameters());
}

/// False when the time limit came before its end.
bool Trainer::train_epoch() {
  network_.module->train();
  const auto batches = batches_left();
  BatchLoader loader(
      dataset_, options_, pieces_of(batches, group_.rank(), group_.ranks()), state_.epoch,
      [this, first = state_.batch](std::size_t batch) { return image_size(first + static_cast<std::int64_t>(batch)); });
  auto step_start = Clock::now();
  for (const Rows& rows : batches) {
    const std::int64_t samples = std::ssize(rows);
    state_.loss_sum += train_step(loader.next().value()) * static_cast<double>(samples);
    state_.samples += samples;
    if (average_) average_->update(state_.epoch * batches_an_epoch_ + state_.batch);
    state_.batch += 1;
    state_.training_seconds += seconds_since(std::exchange(step_start, Clock::now()));
    report_step();
    stop_if_asked();
    if (time_is_up() && &rows != &batches.back()) return false;
    if (seconds_since(last_checkpoint_) > 60 * options_.checkpoint_minutes) save_checkpoint();
  }
  return true;
}

/// Of this epoch. Its position is a number of samples: how many batches these made depends on how many ranks there were.
std::vector<Rows> Trainer::batches_left() const {
  Rows rows = sampled(training_rows_, patients_, options_.balance, options_.seed, state_.epoch);
  rows.erase(rows.begin(), rows.begin() + state_.samples);
  if (std::ssize(rows) < smallest_batch_) return {};
  return make_batches(rows, options_.batch_size, smallest_batch_);
}

/// The loss of the whole batch, of which `piece` is this rank's.
double Trainer::train_step(const Batch& piece) {
  set_batch_norm_mode();
  optimiser_.zero_gradients();  // before the forward pass, whose activations take their memory
  seed_dropout();
  const torch::Tensor sums = group_.total(loss_sums(logits(piece), piece.targets.to(device_), options_.focal_loss));
  const torch::Tensor loss = segmentation_loss(sums, options_.dice_loss);
  const double value = require_number(loss.item<double>(), "training");
  group_.backward(loss);
  optimiser_.set_learning_rate(rate_of_batch(state_.batch));
  optimiser_.step();
  return value;
}

void Trainer::set_batch_norm_mode() {
  const bool frozen = is_batch_norm_frozen_at(progress(static_cast<double>(state_.batch)), options_);
  if (frozen) model::freeze_batch_norm(*network_.module);
}

Trainer::Validation Trainer::validate() {
  const torch::NoGradGuard no_gradients;
  network_.module->eval();
  for (const auto& buffer : network_.module->buffers())
    group_.broadcast(buffer);  // BatchNorm's, where not synchronised
  const auto start = Clock::now();
  torch::Tensor sums = torch::zeros({static_cast<std::int64_t>(classes_.size()), 2}, torch::kFloat64);
  LesionMargins margins(classes_.lesion());
  const auto batches = make_batches(validation_rows_, options_.batch_size);
  BatchLoader loader(dataset_, options_, pieces_of(batches, group_.rank(), group_.ranks()), std::nullopt,
                     [size = image_size(state_.batch - 1)](std::size_t) { return size; });
  while (const auto batch = loader.next()) {
    if (batch->size() > 0) {
      const torch::Tensor found = logits(*batch), targets = batch->targets.to(device_);
      sums += loss_sums(found, targets, options_.focal_loss).cpu();
      margins.add(found, targets);
    }
    stop_if_asked();
  }
  group_.sum(sums);
  margins.sum_over(group_);
  const double shift = options_.operating_point ? margins.best_shift() : 0;
  validation_seconds_ = seconds_since(start);
  return {.loss = require_number(segmentation_loss(sums, options_.dice_loss).item<double>(), "validation"),
          .dice = metrics::dice(margins.counts(shift)),
          .shift = shift};
}

torch::Tensor Trainer::logits(const Batch& batch) const {
  const Autocast autocast(options_.precision == Precision::bf16, device_.type());
  return network_.forward(batch.images.to(device_)).to(torch::kFloat32);
}

/// The share of the run's steps that are done after so many batches of this epoch.
double Trainer::progress(double batches_of_epoch) const {
  const double epochs = static_cast<double>(state_.epoch) + batches_of_epoch / static_cast<double>(batches_an_epoch_);
  return epochs / static_cast<double>(options_.epochs);
}

/// Of the n-th batch of this epoch.
double Trainer::rate_of_batch(std::int64_t batch) const {
  return learning_rate_at(progress(static_cast<double>(batch) + 0.5), options_);
}

/// Of the n-th batch of this epoch.
std::int64_t Trainer::image_size(std::int64_t batch) const {
  return image_size_at(progress(static_cast<double>(batch)), dataset_.rows(), options_);
}

/// The files of an epoch, each whole: results first, then the checkpoint that counts the epoch as done. Whatever is missing
/// after a kill in between is written again by the resumed run.
void Trainer::record_epoch(const Validation& validation, bool is_whole) {
  const auto samples = static_cast<double>(state_.samples);
  const EpochRecord record{.epoch = state_.epoch + 1,
                           .size = image_size(state_.batch - 1),
                           .training_loss = state_.loss_sum / samples,
                           .validation_loss = validation.loss,
                           .validation_dice = validation.dice,
                           .learning_rate = rate_of_batch(state_.batch - 1),
                           .seconds = state_.training_seconds + validation_seconds_,
                           .samples_per_second = samples / state_.training_seconds};
  history_.push_back(record);
  if (!state_.best || is_better(record, *state_.best)) {
    state_.best = record;
    if (group_.is_first()) write_best(validation.shift);
  }
  if (group_.is_first()) model::write_weights(model::state_dict(*network_.module), run_.last_weights());
  if (is_whole) {  // else the time limit ended it, and --resume goes on within it
    state_.history = history_;
    state_.epoch += 1;
    state_.batch = state_.samples = 0;
    state_.loss_sum = state_.training_seconds = 0;
  }
  save_checkpoint();
  if (group_.is_first()) write_history(history_, run_.history());
  if (callbacks_.on_epoch) callbacks_.on_epoch(result());
}

/// Training itself goes on unshifted.
void Trainer::write_best(double shift) {
  const ShiftedBias shifted(network_.logit_bias, classes_.lesion(), shift);
  model::write_weights(model::state_dict(*network_.module), run_.best_weights());
  network_.write_onnx(run_.onnx());
}

void Trainer::warn_of_a_cut_schedule() const {
  const double done = progress(static_cast<double>(state_.batch));
  if (done >= 1 || !depends_on_length(options_) || !group_.is_first()) return;
  spdlog::warn(
      "{}: the time limit came after {:.0f} % of the {} epochs that the learning rate and the image sizes follow; go "
      "on "
      "with --resume, or train anew with fewer --epochs",
      run_.folder.string(), 100 * done, options_.epochs);
}

void Trainer::save_checkpoint() {
  if (!group_.is_first()) return;
  run_.checkpoints().save({.state = state_,
                           .network = average_ ? average_->trained() : model::state_dict(*network_.module),
                           .optimiser = optimiser_.state_dict(),
                           .average = average_ ? average_->averaged() : model::StateDict{},
                           .file = {}});
  last_checkpoint_ = Clock::now();
}

void Trainer::resume(const Checkpoint& checkpoint) {
  state_ = checkpoint.state;
  history_ = state_.history;
  model::load_state_dict(*network_.module, checkpoint.network, checkpoint.file.string());
  optimiser_.load_state_dict(checkpoint.optimiser, checkpoint.file.string());
  if (average_) average_->load_averaged(checkpoint.average, checkpoint.file.string());
  if (!history_.empty()) write_history(history_, run_.history());
}

/// Dropout draws other numbers in every step and on every rank, and the same ones again in a resumed run.
void Trainer::seed_dropout() {
  Random random(RandomUse::dropout,
                {options_.seed, static_cast<std::uint64_t>(state_.epoch), static_cast<std::uint64_t>(state_.batch),
                 static_cast<std::uint64_t>(group_.rank())});
  at::Generator generator = at::globalContext().defaultGenerator(device_);
  const std::scoped_lock lock(generator.mutex());
  generator.set_current_seed(random.next());
}

void Trainer::stop_if_asked() {
  if (group_.sum(callbacks_.stop.stop_requested() ? 1.0 : 0.0) == 0) return;
  save_checkpoint();
  if (!group_.is_first()) throw Interrupted("");  // rank 0 says it for all
  throw Interrupted(fmt::format("{}: stopped in epoch {} of {} after {} of its {} training slices; go on with --resume",
                                run_.folder.string(), state_.epoch + 1, options_.epochs, state_.samples,
                                training_rows_.size()));
}

bool Trainer::time_is_up() const {
  if (!options_.max_minutes) return false;
  const bool up = group_.is_first() && seconds_since(start_) > 60 * *options_.max_minutes;
  return group_.sum(up ? 1.0 : 0.0) > 0;
}

double Trainer::require_number(double loss, std::string_view part) const {
  if (std::isfinite(loss)) return loss;
  throw Error(fmt::format(
      "{}: the {} loss became {} in epoch {} after {} batches; the last checkpoint is kept: train anew "
      "with a smaller --learning-rate or with --precision fp32, or see whether pulmoseg inspect DATASET warns of "
      "not_finite",
      run_.folder.string(), part, loss, state_.epoch + 1, state_.batch));
}

void Trainer::report_step() const {
  if (!callbacks_.on_step) return;
  const double rate = static_cast<double>(state_.samples) / state_.training_seconds;
  const auto epochs_left = static_cast<double>(options_.epochs - state_.epoch);
  // Before the first validation: forward only, about a third of a training step.
  const double validation =
      validation_seconds_ > 0 ? validation_seconds_ : static_cast<double>(validation_rows_.size()) / rate / 3;
  const double samples_left =
      epochs_left * static_cast<double>(training_rows_.size()) - static_cast<double>(state_.samples);
  double left = samples_left / rate + epochs_left * validation;
  if (options_.max_minutes) left = std::min(left, 60 * *options_.max_minutes - seconds_since(start_) + validation);
  callbacks_.on_step({.epoch = state_.epoch + 1,
                      .epochs = options_.epochs,
                      .batch = state_.batch,
                      .batches = batches_an_epoch_,
                      .training_loss = state_.loss_sum / static_cast<double>(state_.samples),
                      .samples_per_second = rate,
                      .seconds_left = std::max(left, 0.0)});
}

}  // namespace pulmoseg::training
