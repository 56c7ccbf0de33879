#include "pulmoseg/dataset/split.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>
#include <numeric>
#include <random>
#include <ranges>
#include <set>
#include <utility>

#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/dataset/fold.hpp"

namespace pulmoseg::dataset {
namespace {

constexpr std::string_view part_names[] = {"training", "validation", "test"};

using Generator = std::mt19937_64;

/// A whole number in [0, bound), each equally likely. std::uniform_int_distribution differs between standard libraries.
std::uint64_t below(std::uint64_t bound, Generator& generator) {
  const std::uint64_t largest = Generator::max();
  const std::uint64_t accepted = largest - (largest % bound + 1) % bound;
  std::uint64_t drawn = generator();
  while (drawn > accepted) drawn = generator();
  return drawn % bound;
}

template <class T>
void shuffle(std::vector<T>& items, Generator& generator) {
  for (std::size_t left = items.size(); left > 1; --left) std::swap(items[left - 1], items[below(left, generator)]);
}

struct Patient {
  std::string name;
  std::uint64_t slices = 0;
  int fold = 0;  ///< 0-based
};

/// In random order.
std::vector<Patient> shuffled_patients(const Dataset& dataset, Generator& generator) {
  std::map<std::string, std::uint64_t> counts;  // sorted by name: the order of the files does not matter
  for (const auto& slice : dataset.slices()) ++counts[slice.patient];
  std::vector<Patient> patients;
  for (const auto& [patient, slices] : counts) patients.push_back({patient, slices});
  shuffle(patients, generator);
  return patients;
}

void put_into_folds(std::vector<Patient>& patients, int folds) {
  std::ranges::stable_sort(patients, std::ranges::greater{},
                           [](const Patient& patient) { return std::bit_width(patient.slices); });
  std::vector<std::uint64_t> slices(static_cast<std::size_t>(folds), 0);
  for (auto& patient : patients) {
    const auto emptiest = std::ranges::min_element(slices);
    *emptiest += patient.slices;
    patient.fold = static_cast<int>(emptiest - slices.begin());
  }
}

/// Of two folds, which patients of the one that is not tested are for validation: at random as many as fit into 15 % of
/// its slices, or its smallest.
std::set<std::string> validation_share(std::vector<Patient> patients, int test_fold, Generator& generator) {
  std::erase_if(patients, [&](const Patient& patient) { return patient.fold == test_fold; });
  shuffle(patients, generator);
  std::uint64_t total = 0, taken = 0;
  for (const auto& patient : patients) total += patient.slices;
  std::set<std::string> names;
  for (const auto& patient : patients) {
    if ((taken + patient.slices) * 100 > total * 15) continue;
    names.insert(patient.name);
    taken += patient.slices;
  }
  if (names.empty()) names.insert(std::ranges::min(patients, {}, &Patient::slices).name);
  return names;
}

std::string dataset_name(const Dataset& dataset) { return dataset.folder().string(); }

}  // namespace

std::string_view name(Part part) { return part_names[static_cast<std::size_t>(part)]; }

std::optional<Part> parse_part(std::string_view name) {
  const auto found = std::ranges::find(part_names, name);
  if (found == std::end(part_names)) return std::nullopt;
  return static_cast<Part>(found - std::begin(part_names));
}

std::vector<std::int64_t> Split::rows(Part part) const {
  std::vector<std::int64_t> found;
  for (std::size_t row = 0; row < parts.size(); ++row) {
    if (parts[row] == part) found.push_back(static_cast<std::int64_t>(row));
  }
  return found;
}

bool Split::patients_leak(const Dataset& dataset) const {
  std::map<std::string_view, Part> seen;
  return std::ranges::any_of(dataset.slices(), [&](const SliceRecord& slice) {
    const Part part = parts.at(static_cast<std::size_t>(slice.row));
    return seen.emplace(slice.patient, part).first->second != part;
  });
}

Split split_by_slice(const Dataset& dataset, std::uint64_t seed) {
  const auto count = static_cast<std::size_t>(dataset.size());
  if (count < 3) {
    throw Error(fmt::format("{}: has {} slice{}, expected at least 3 to split into training, validation and test",
                            dataset_name(dataset), count, count == 1 ? "" : "s"));
  }
  const std::size_t training = (70 * count + 50) / 100;
  const std::size_t validation = std::max<std::size_t>((15 * count + 50) / 100, 1);
  const std::size_t test = std::max<std::size_t>(count - std::min(count, training + validation), 1);

  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  Generator generator(seed);
  shuffle(order, generator);
  Split split{.kind = "slice", .seed = seed, .parts = std::vector(count, Part::training)};
  for (std::size_t i = 0; i < validation; ++i) split.parts[order[i]] = Part::validation;
  for (std::size_t i = 0; i < test; ++i) split.parts[order[validation + i]] = Part::test;
  return split;
}

Split split_by_patient(const Dataset& dataset, std::uint64_t seed, int fold, int folds) {
  if (folds < 2 || fold < 1 || fold > folds) {
    throw UsageError(
        fmt::format("fold {}/{} does not exist, expected k/n with n at least 2 and k from 1 to n", fold, folds));
  }
  Generator generator(seed);
  auto patients = shuffled_patients(dataset, generator);
  if (patients.size() < 3 || std::cmp_less(patients.size(), folds)) {
    throw Error(fmt::format("{}: has {} patient{}, expected at least {} for {} folds", dataset_name(dataset),
                            patients.size(), patients.size() == 1 ? "" : "s", std::max(folds, 3), folds));
  }
  put_into_folds(patients, folds);

  const int test_fold = fold - 1, next_fold = fold % folds;
  std::set<std::string> validation_names;
  if (folds == 2) validation_names = validation_share(patients, test_fold, generator);
  std::map<std::string_view, Part> part_of;
  for (const auto& patient : patients) {
    const bool validates = folds == 2 ? validation_names.contains(patient.name) : patient.fold == next_fold;
    part_of[patient.name] = patient.fold == test_fold ? Part::test : validates ? Part::validation : Part::training;
  }
  Split split{.kind = "patient", .seed = seed, .fold = fold, .folds = folds, .parts = {}};
  for (const auto& slice : dataset.slices()) split.parts.push_back(part_of.at(slice.patient));
  if (split.rows(Part::training).empty()) {
    throw Error(fmt::format("{}: fold {}/{} leaves no patient for training; choose more folds", dataset_name(dataset),
                            fold, folds));
  }
  return split;
}

void write_split(const Split& split, const Dataset& dataset, const std::filesystem::path& file) {
  const std::string fold = split.folds > 0 ? fmt::format("{}/{}", split.fold, split.folds) : "";
  std::string text = "row,case,patient,slice,part,kind,seed,fold,dataset\n";
  for (const auto& slice : dataset.slices()) {
    const Part part = split.parts.at(static_cast<std::size_t>(slice.row));
    text += csv_line(std::vector<std::string>{fmt::to_string(slice.row), slice.case_name, slice.patient,
                                              fmt::to_string(slice.slice), std::string(name(part)), split.kind,
                                              fmt::to_string(split.seed), fold, dataset.fingerprint()});
  }
  write_file(file, text);
}

namespace {

/// kind, seed and fold: the same in every line, taken from the first.
Split read_split_facts(const CsvTable& table) {
  const auto& first = table.rows.front();
  const std::string_view kind = first[table.column("kind")], seed_text = first[table.column("seed")],
                         fold_text = first[table.column("fold")];
  const auto seed = parse_number<std::uint64_t>(seed_text);
  const auto fold = parse_fold(fold_text);
  const bool known = kind == "slice" ? fold_text.empty() : kind == "patient" && fold;
  if (!known || !seed) {
    throw Error(fmt::format("{}: says kind '{}', seed '{}', fold '{}', expected what pulmoseg train writes",
                            table.file.string(), kind, seed_text, fold_text));
  }
  const auto [number, folds] = fold.value_or(std::pair(0, 0));
  return {.kind = std::string(kind), .seed = *seed, .fold = number, .folds = folds, .parts = {}};
}

}  // namespace

Split read_split(const std::filesystem::path& file, const Dataset& dataset) {
  const CsvTable table = read_csv(file);
  const auto row = table.column("row"), case_name = table.column("case"), patient = table.column("patient"),
             slice = table.column("slice"), part = table.column("part"), fingerprint = table.column("dataset");
  if (std::ssize(table.rows) != dataset.size()) {
    throw Error(fmt::format("{}: has {} slices, expected the {} of {}; it was made for another dataset", file.string(),
                            table.rows.size(), dataset.size(), dataset_name(dataset)));
  }
  Split split = read_split_facts(table);
  for (const auto& record : dataset.slices()) {
    const auto& cells = table.rows[static_cast<std::size_t>(record.row)];
    const bool same = cells[row] == fmt::to_string(record.row) && cells[case_name] == record.case_name &&
                      cells[patient] == record.patient && cells[slice] == fmt::to_string(record.slice);
    if (!same || cells[fingerprint] != dataset.fingerprint()) {
      throw Error(fmt::format(
          "{}: row {} is slice {} of case {} (dataset {}), expected slice {} of case {} (dataset {}) as in {}; "
          "it was made for another dataset",
          file.string(), record.row, cells[slice], cells[case_name], cells[fingerprint], record.slice, record.case_name,
          dataset.fingerprint(), dataset_name(dataset)));
    }
    const auto known = parse_part(cells[part]);
    if (!known) {
      throw Error(fmt::format("{}: row {} says part '{}', expected training, validation or test", file.string(),
                              record.row, cells[part]));
    }
    split.parts.push_back(*known);
  }
  return split;
}

}  // namespace pulmoseg::dataset
