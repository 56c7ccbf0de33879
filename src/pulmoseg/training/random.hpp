#pragma once
// Random numbers that depend on nothing but a key: the same on every machine, in every thread, after every resume.

#include <cstdint>
#include <initializer_list>

namespace pulmoseg::training {

/// What a random sequence is for: part of its key, so that no two share one.
enum class RandomUse : std::uint64_t {
  shuffle = 1,
  augmentation = 2,
  dropout = 3,
  deformation = 4,
  appearance = 5,
  noise = 6
};

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014), started from a hash of
/// its key, e.g. the use and {seed, epoch, row}.
class Random {
 public:
  Random(RandomUse use, std::initializer_list<std::uint64_t> key) : state_(static_cast<std::uint64_t>(use)) {
    for (const std::uint64_t part : key) state_ = next() ^ part;
  }

  std::uint64_t next() {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }

  /// In [0, 1).
  double uniform() { return static_cast<double>(next() >> 11) * 0x1p-53; }

  /// In 0 … bound-1. The bias of the modulo is below bound / 2^64.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }

 private:
  std::uint64_t state_;
};

}  // namespace pulmoseg::training
