#include "segment_volumes.hpp"

#include <future>
#include <optional>
#include <vector>

#include "common.hpp"
#include "pulmoseg/dicom/segmentation_writer.hpp"
#include "pulmoseg/volume/segmentation_nrrd.hpp"
#include "pulmoseg/volume/volume_writer.hpp"

namespace pulmoseg::cli {
namespace {

void write_mask(auto& writer, const masks::RunMask& mask, std::span<const std::int64_t> order) {
  for (const std::int64_t index : order) {
    stop_if_asked();
    writer.write(index, mask.pixels(index));
  }
}

std::vector<volume::Segment> segments_of(const SegmentCase& planned) {
  std::vector segments{volume::lesion_segment()};
  if (!planned.lung.empty()) segments.push_back(volume::lung_segment());
  return segments;
}

}  // namespace

struct ResultVolumes::State {
  State(const SegmentCase& planned, const dicom::Case& of) {
    using dicom::SegmentationKind, volume::VoxelType;
    if (planned.format == "dicom-seg") {
      segmentation.emplace(planned.mask, of, segments_of(planned), SegmentationKind::binary);
      if (!planned.probabilities.empty()) {
        likelihood.emplace(planned.probabilities, of, std::vector{volume::lesion_segment()},
                           SegmentationKind::probability);
      }
      return;
    }
    if (planned.format == "seg.nrrd") {
      layers.emplace(planned.mask, of.source, segments_of(planned));
    } else {
      mask.emplace(planned.mask, of.source, VoxelType::uint8);
      if (!planned.lung.empty()) lung.emplace(planned.lung, of.source, VoxelType::uint8);
    }
    if (!planned.probabilities.empty()) probabilities.emplace(planned.probabilities, of.source, VoxelType::float32);
    if (!planned.uncertainty.empty()) uncertainty.emplace(planned.uncertainty, of.source, VoxelType::float32);
  }

  std::optional<volume::VolumeWriter> mask, lung, probabilities, uncertainty;
  std::optional<volume::SegmentationNrrd> layers;
  std::optional<dicom::SegmentationWriter> segmentation, likelihood;
};

ResultVolumes::ResultVolumes(const SegmentCase& planned, const dicom::Case& of)
    : state_(std::make_unique<State>(planned, of)) {}
ResultVolumes::~ResultVolumes() = default;

bool ResultVolumes::has_uncertainty() const { return state_->uncertainty.has_value(); }

void ResultVolumes::write_probability(std::int64_t index, std::span<const float> lesion) {
  if (state_->probabilities) state_->probabilities->write(index, lesion);
  if (state_->likelihood) state_->likelihood->write(index, lesion);
}

void ResultVolumes::write_uncertainty(std::int64_t index, std::span<const float> entropy) {
  state_->uncertainty->write(index, entropy);
}

void ResultVolumes::write_masks(const masks::RunMask& lesion, const masks::RunMask* lung,
                                std::span<const std::int64_t> order) {
  State& to = *state_;
  if (to.segmentation) {
    write_mask(*to.segmentation, lesion, order);
    if (lung) write_mask(*to.segmentation, *lung, order);
  } else if (to.layers) {
    for (const std::int64_t index : order) {
      stop_if_asked();
      to.layers->write(index, lesion.pixels(index), lung ? lung->pixels(index) : std::vector<std::uint8_t>());
    }
  } else {
    auto of_lung = std::async(parallel, [&] {
      if (to.lung) write_mask(*to.lung, *lung, order);
    });
    write_mask(*to.mask, lesion, order);
    of_lung.get();
  }
}

void ResultVolumes::commit() {
  const auto commit_all = [](auto&... files) { ((files ? files->commit() : void()), ...); };
  State& all = *state_;
  commit_all(all.mask, all.lung, all.layers, all.segmentation, all.likelihood, all.probabilities, all.uncertainty);
}

const dicom::SegmentationName* ResultVolumes::segmentation() const {
  return state_->segmentation ? &state_->segmentation->name() : nullptr;
}

}  // namespace pulmoseg::cli
