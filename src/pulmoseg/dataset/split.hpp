#pragma once
// Which slices train, which choose the best epoch, and which are kept for the figures in the end.
//
// The same dataset, seed and options give the same split on every machine and compiler: the shuffle is our own
// (Fisher-Yates over the 64-bit Mersenne Twister, unbiased by rejection).

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pulmoseg/dataset/dataset.hpp"

namespace pulmoseg::dataset {

enum class Part { training, validation, test };

std::string_view name(Part part);
std::optional<Part> parse_part(std::string_view name);

struct Split {
  std::string kind;  ///< "slice" or "patient"
  std::uint64_t seed = 0;
  int fold = 0, folds = 0;  ///< of a patient-wise split, 1-based; 0/0 for a slice-wise one
  std::vector<Part> parts;  ///< one for each row of the dataset

  std::vector<std::int64_t> rows(Part part) const;  ///< in ascending order

  /// Whether slices of one patient stand on both sides, so that figures flatter.
  bool patients_leak(const Dataset& dataset) const;

  bool operator==(const Split&) const = default;
};

/// Slices at random: of n slices, validation gets floor(0.15 n + 0.5), training floor(0.70 n + 0.5), test the rest;
/// each part gets at least one, taken from training. Neighbouring slices of a patient fall on both sides. Error when
/// the dataset has fewer than 3 slices.
Split split_by_slice(const Dataset& dataset, std::uint64_t seed);

/// Patients as a whole. The patients are put into `folds` folds of about the same number of slices: larger patients
/// first (in classes of a factor two, at random within a class), each into the fold with the fewest slices so far. Fold
/// `fold` (1-based) is the test part, so over all folds every patient is tested once. Validation is the fold after it
/// (after the last comes the first); of two folds, as many patients of the other one, at random, as fit into 15 % of
/// its slices, or its smallest. `folds` equal to the number of patients leaves one patient out at a time. Error when
/// there are fewer patients than folds or fewer than 3, or when none is left for training; UsageError when fold/folds
/// is no fold.
Split split_by_patient(const Dataset& dataset, std::uint64_t seed, int fold, int folds);

/// split.csv: row,case,patient,slice,part,kind,seed,fold,dataset (its fingerprint), one line a slice. Atomic.
void write_split(const Split& split, const Dataset& dataset, const std::filesystem::path& file);

/// Reads what write_split() wrote. Error when it belongs to another dataset or names another slice, or no part, in a
/// row.
Split read_split(const std::filesystem::path& file, const Dataset& dataset);

}  // namespace pulmoseg::dataset
