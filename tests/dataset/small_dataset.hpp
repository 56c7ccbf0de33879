#pragma once
// A dataset of a few tiny slices, for tests that need one.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "pulmoseg/dataset/dataset_writer.hpp"

namespace pulmoseg::test {

struct SmallCase {
  std::string name, patient;
  std::int64_t slices = 1;
};

/// Pixel values of row r: image r / 100 everywhere, label r % 3 in the first pixel, no lung mask.
inline void write_small_dataset(const std::filesystem::path& folder, const std::vector<SmallCase>& cases,
                                std::int64_t size = 4) {
  dataset::DatasetWriter writer(folder, {.preprocessing = {.size = size}, .overwrite = false});
  const auto pixels = static_cast<std::size_t>(size * size);
  for (const auto& one : cases) {
    for (std::int64_t k = 0; k < one.slices; ++k) {
      const std::int64_t row = writer.add_slice(one.name, one.patient, k, false);
      std::vector<std::uint8_t> labels(pixels, 0);
      labels[0] = static_cast<std::uint8_t>(row % 3);
      writer.write_image(row, std::vector(pixels, static_cast<float>(row) / 100));
      writer.write_labels(row, labels);
    }
  }
  writer.commit({});
}

}  // namespace pulmoseg::test
