#include "pulmoseg/training/operating_point.hpp"

#include <torch/types.h>

#include <cmath>
#include <vector>

namespace pulmoseg::training {
namespace {

constexpr double step = 0.05;
constexpr std::int64_t half = 60, bins = 2 * half;  // bin b: margins above (b - half) * step, up to one step more
constexpr std::int64_t farthest = 40;               // shift, in steps

torch::Tensor classes_where(const dataset::Region& lesion, bool in_it) {
  std::vector<std::int64_t> classes;
  for (std::size_t c = 0; c < lesion.has.size(); ++c) {
    if (lesion.has[c] == in_it) classes.push_back(static_cast<std::int64_t>(c));
  }
  return torch::tensor(classes, torch::kInt64);
}

}  // namespace

LesionMargins::LesionMargins(const dataset::Region& lesion)
    : lesion_(classes_where(lesion, true)),
      others_(classes_where(lesion, false)),
      is_lesion_(torch::zeros({std::ssize(lesion.has)}, torch::kInt64).index_fill_(0, lesion_, 1)),
      pixels_(torch::zeros({2, bins}, torch::kFloat64)) {}

void LesionMargins::add(const torch::Tensor& logits, const torch::Tensor& targets) {
  const torch::Tensor here = logits.cpu();
  const torch::Tensor margins = here.index_select(1, lesion_).amax(1) - here.index_select(1, others_).amax(1);
  // NaN has no bin; of it the loss tells.
  const torch::Tensor bin = ((margins.nan_to_num() / step).ceil() - 1).clamp(-half, half - 1).to(torch::kInt64) + half;
  const torch::Tensor truth = is_lesion_.take(targets.cpu());
  pixels_ += (truth * bins + bin).flatten().bincount({}, 2 * bins).view({2, bins});
}

void LesionMargins::sum_over(const ProcessGroup& group) { group.sum(pixels_); }

metrics::ConfusionCounts LesionMargins::counts(double shift) const {
  const std::int64_t first = half - std::lround(shift / step);  // bin that is called lesion
  const auto count = [&](std::int64_t truth, std::int64_t begin, std::int64_t end) {
    return static_cast<std::uint64_t>(pixels_[truth].slice(0, begin, end).sum().item<double>());
  };
  return {.true_positive = count(1, first, bins),
          .false_positive = count(0, first, bins),
          .false_negative = count(1, 0, first),
          .true_negative = count(0, 0, first)};
}

double LesionMargins::best_shift() const {
  double best = 0, best_dice = metrics::dice(counts()).value_or(0);
  if (!counts().truth_has_lesion()) return best;
  for (std::int64_t steps = 1; steps <= farthest; ++steps) {
    for (const double shift : {step * static_cast<double>(steps), -step * static_cast<double>(steps)}) {
      const double dice = metrics::dice(counts(shift)).value_or(0);
      if (dice <= best_dice) continue;
      best = shift;
      best_dice = dice;
    }
  }
  return best;
}

ShiftedBias::ShiftedBias(torch::Tensor bias, const dataset::Region& lesion, double shift)
    : bias_(bias.detach()), before_(bias_.clone()) {
  const torch::Tensor classes = classes_where(lesion, true).to(bias_.device());
  bias_.index_add_(0, classes, torch::full_like(classes, shift, bias_.options()));
}

ShiftedBias::~ShiftedBias() { bias_.copy_(before_); }

}  // namespace pulmoseg::training
