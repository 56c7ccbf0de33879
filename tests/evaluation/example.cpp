#include "example.hpp"

#include <utility>

#include "pulmoseg/dataset/dataset_writer.hpp"
#include "pulmoseg/volume/volume_writer.hpp"

namespace pulmoseg::test {

void write_example_dataset(const std::filesystem::path& folder, bool unrelated_slices) {
  struct Slice {
    const char *case_name, *patient;
    std::int64_t slice;
    std::size_t bright, begin, end;
  };
  constexpr Slice slices[] = {{"a", "p1", 3, 100, 0, 100},
                              {"a", "p1", 4, 100, 50, 150},
                              {"a", "p1", 5, 0, 0, 0},
                              {"b", "p1", 0, 40, 0, 0},
                              {"c", "p2", 7, 30, 0, 120}};
  dataset::DatasetWriter writer(folder, {.preprocessing = {.size = example_size}});
  for (const Slice& slice : slices) {
    const std::int64_t row = writer.add_slice(slice.case_name, slice.patient, slice.slice, false);
    std::vector<float> image(example_size * example_size, 0.1F);
    std::vector<std::uint8_t> labels(image.size());
    for (std::size_t i = 0; i < slice.bright; ++i) image[i] = 0.9F;
    for (std::size_t i = slice.begin; i < slice.end; ++i) labels[i] = 2;
    writer.write_image(row, image);
    writer.write_labels(row, labels);
    writer.write_lung_mask(row, std::vector<std::uint8_t>(image.size()));
  }
  dataset::DatasetInfo info;
  info.unrelated_slices = unrelated_slices;
  writer.commit(std::move(info));
}

void write_mask(const std::filesystem::path& file, const volume::Geometry& stored, const std::vector<float>& labels,
                bool with_position) {
  volume::SourceInfo like;
  like.format = "NIfTI-1";
  like.voxel_type = volume::VoxelType::float32;
  like.stored_geometry = stored;
  like.order = volume::canonical_order(stored);
  like.has_geometry = with_position;
  // The writer takes canonical slices, so the stored voxels are put where their axes say.
  const volume::Geometry canonical = volume::reorder(stored, like.order);
  volume::VolumeWriter writer(file, like, volume::VoxelType::float32);
  const auto& size = canonical.size;
  for (std::int64_t k = 0; k < size[2]; ++k) {
    std::vector<float> slice;
    for (std::int64_t j = 0; j < size[1]; ++j) {
      for (std::int64_t i = 0; i < size[0]; ++i) {
        const std::array<std::int64_t, 3> at{i, j, k};
        std::array<std::int64_t, 3> index{};
        for (std::size_t c = 0; c < 3; ++c)
          index[like.order.axis[c]] = like.order.flipped[c] ? size[c] - 1 - at[c] : at[c];
        slice.push_back(
            labels[static_cast<std::size_t>((index[2] * stored.size[1] + index[1]) * stored.size[0] + index[0])]);
      }
    }
    writer.write(k, slice);
  }
  writer.commit();
}

}  // namespace pulmoseg::test
