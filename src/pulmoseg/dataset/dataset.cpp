#include "pulmoseg/dataset/dataset.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <optional>
#include <string_view>

#include "pulmoseg/base/csv.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"

namespace pulmoseg::dataset {
namespace {

namespace fs = std::filesystem;

const fs::path& existing(const fs::path& folder) {
  if (!fs::is_directory(folder)) {
    throw Error(
        fmt::format("{}: is not a folder, expected a dataset; make one with pulmoseg prepare", folder.string()));
  }
  for (const char* name : {info_name, slices_name, images_name, lesion_masks_name, labels_name, lung_masks_name}) {
    if (fs::exists(folder / name)) continue;
    throw Error(fmt::format("{}: holds no {}, so it is no whole dataset; make it with pulmoseg prepare",
                            folder.string(), name));
  }
  return folder;
}

std::vector<SliceRecord> read_slices(const fs::path& file) {
  const CsvTable table = read_csv(file);
  const auto row = table.column("row"), name = table.column("case"), patient = table.column("patient"),
             slice = table.column("slice"), lesion = table.column("has_lesion"), lung = table.column("has_lung_mask");
  std::vector<SliceRecord> slices;
  slices.reserve(table.rows.size());
  for (const auto& cells : table.rows) {
    const auto line = static_cast<std::int64_t>(slices.size());
    const auto number = [&](std::size_t column, std::optional<std::int64_t> only, std::int64_t largest) {
      const auto value = parse_number<std::int64_t>(cells[column]);
      if (value && *value >= 0 && *value <= largest && (!only || *value == *only)) return *value;
      throw Error(fmt::format("{}: row {} says {} = '{}', expected {}; prepare the dataset again", file.string(), line,
                              table.columns[column], cells[column],
                              only           ? fmt::to_string(*only)
                              : largest == 1 ? "0 or 1"
                                             : "a whole number"));
    };
    constexpr auto any = std::numeric_limits<std::int64_t>::max();
    slices.push_back({.row = number(row, line, any),
                      .case_name = cells[name],
                      .patient = cells[patient],
                      .slice = number(slice, {}, any),
                      .has_lesion = number(lesion, {}, 1) == 1,
                      .has_lung_mask = number(lung, {}, 1) == 1});
  }
  return slices;
}

std::string fingerprint_of(const std::vector<SliceRecord>& slices) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const auto& slice : slices) {
    const std::vector<std::string> cells{fmt::to_string(slice.row), slice.case_name, slice.patient,
                                         fmt::to_string(slice.slice)};
    for (const char c : csv_line(cells)) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace

Dataset Dataset::open(const fs::path& folder) { return Dataset(existing(folder)); }

Dataset::Dataset(const fs::path& folder)
    : folder_(folder),
      info_(read_dataset_info(folder / info_name)),
      images_(NpyFile::open(folder / images_name)),
      lesion_masks_(NpyFile::open(folder / lesion_masks_name)),
      labels_(NpyFile::open(folder / labels_name)),
      lung_masks_(NpyFile::open(folder / lung_masks_name)),
      slices_(read_slices(folder / slices_name)),
      fingerprint_(fingerprint_of(slices_)) {
  check_agreement();
}

void Dataset::check_agreement() const {
  const auto fail = [](const fs::path& file, const std::string& found, const std::string& expected) {
    throw Error(fmt::format("{}: has {}, expected {}; prepare the dataset again", file.string(), found, expected));
  };
  if (slices_.empty()) fail(folder_ / slices_name, "no row", "one for each slice");
  images_.floats();  // throws when the file holds another type
  const std::vector<std::int64_t> shape{size(), info_.preprocessing.size, info_.preprocessing.size};
  for (const NpyFile* array : {&images_, &lesion_masks_, &labels_, &lung_masks_}) {
    if (array != &images_) array->bytes();
    if (array->shape() == shape) continue;
    fail(array->file(), fmt::format("shape ({})", fmt::join(array->shape(), ", ")),
         fmt::format("({}) as {} and {} say", fmt::join(shape, ", "), slices_name, info_name));
  }
  std::map<std::string_view, std::int64_t> counted;
  for (const auto& slice : slices_) ++counted[slice.case_name];
  for (const auto& one : info_.cases) {
    if (counted[one.name] == one.slices) continue;
    fail(folder_ / slices_name, fmt::format("{} slices of case {}", counted[one.name], one.name),
         fmt::format("{} as {} says", one.slices, info_name));
  }
  if (counted.size() != info_.cases.size()) {
    fail(folder_ / slices_name, fmt::format("{} cases", counted.size()),
         fmt::format("{} as {} says", info_.cases.size(), info_name));
  }
}

}  // namespace pulmoseg::dataset
