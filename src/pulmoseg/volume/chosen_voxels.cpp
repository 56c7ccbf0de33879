#include "pulmoseg/volume/chosen_voxels.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/label.hpp"
#include "pulmoseg/volume/voxels.hpp"

namespace pulmoseg::volume {
namespace {

class ChosenVoxels : public StoredVoxels {
 public:
  ChosenVoxels(OpenedImage image, std::int64_t layers, std::vector<LabelInLayer> chosen)
      : image_(std::move(image)), layers_(layers), chosen_(std::move(chosen)) {
    const auto& size = image_.source.stored_geometry.size;
    slice_.resize(static_cast<std::size_t>(size[0] * size[1]));
    stored_.resize(slice_.size() * bytes_of_voxel());
  }

  void read(std::span<std::byte> bytes) override {
    for (; !bytes.empty(); bytes = bytes.subspan(slice_.size())) read_slice(bytes.first(slice_.size()));
  }
  void skip(std::uint64_t bytes) override { image_.voxels->skip(bytes * bytes_of_voxel()); }
  void finish() override { image_.voxels->finish(); }
  void rewind() override { image_.voxels->rewind(); }

 private:
  std::size_t bytes_of_voxel() const { return static_cast<std::size_t>(layers_) * size_of(image_.source.voxel_type); }

  void read_slice(std::span<std::byte> labels) {
    image_.voxels->read(stored_);
    std::ranges::fill(labels, std::byte{0});
    for (std::int64_t layer = 0; layer < layers_; ++layer) read_layer(layer, labels);
  }

  void read_layer(std::int64_t layer, std::span<std::byte> labels) {
    const SliceLayout layout{.rows = 1,
                             .columns = std::ssize(slice_),
                             .start = static_cast<std::ptrdiff_t>(layer),
                             .column_step = static_cast<std::ptrdiff_t>(layers_)};
    gather(stored_, image_.source.voxel_type, layout, image_.source.slope, image_.source.intercept, slice_);
    for (std::size_t i = 0; i < slice_.size(); ++i) {
      const auto label = label_in(slice_[i]);
      if (!label) refuse(slice_[i]);
      for (const LabelInLayer& one : chosen_) {
        if (one.layer == layer && static_cast<float>(one.label) == *label)
          labels[i] = static_cast<std::byte>(std::clamp<std::int64_t>(one.label, 1, 255));
      }
    }
  }

  [[noreturn]] void refuse(float value) const {
    throw Error(
        fmt::format("{}: holds the value {}, expected labels that are whole numbers from 0 on; give a mask, not a scan "
                    "or a probability map",
                    image_.source.file.string(), value));
  }

  OpenedImage image_;
  std::int64_t layers_;
  std::vector<LabelInLayer> chosen_;
  std::vector<std::byte> stored_;  // of one slice
  std::vector<float> slice_;       // of one layer of it
};

}  // namespace

OpenedImage with_chosen_labels(OpenedImage image, std::int64_t layers, std::vector<LabelInLayer> chosen) {
  SourceInfo source = image.source;
  source.voxel_type = VoxelType::uint8;
  source.slope = 1;
  source.intercept = 0;
  auto voxels = std::make_unique<ChosenVoxels>(std::move(image), layers, std::move(chosen));
  return {std::move(source), std::move(voxels)};
}

}  // namespace pulmoseg::volume
