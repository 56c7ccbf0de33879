#include "pulmoseg/training/augment.hpp"

#include "pulmoseg/training/random.hpp"

namespace pulmoseg::training {

Orientation draw_orientation(const TrainingOptions& options, std::int64_t epoch, std::int64_t row) {
  Random random(RandomUse::augmentation,
                {options.seed, static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(row)});
  Orientation orientation;
  orientation.flipped = random.uniform() < options.flip_probability;
  const int turns = static_cast<int>(random.below(4));
  if (options.quarter_turns) orientation.quarter_turns = turns;
  return orientation;
}

}  // namespace pulmoseg::training
