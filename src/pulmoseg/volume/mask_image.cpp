#include "pulmoseg/volume/mask_image.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <optional>
#include <utility>

#include "pulmoseg/volume/chosen_voxels.hpp"
#include "pulmoseg/volume/dicom_segmentation.hpp"
#include "pulmoseg/volume/input_bytes.hpp"
#include "pulmoseg/volume/nrrd_segments.hpp"
#include "pulmoseg/volume/segmentation_file.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;

std::optional<NrrdSegments> nrrd_segments(const fs::path& file) {
  if (!fs::is_regular_file(file)) return std::nullopt;
  std::array<std::byte, 8> begin;
  InputBytes bytes(file, 0, InputBytes::Packing::none);
  const std::span first(begin.data(), bytes.read_some(begin));
  return looks_like_nrrd(first) ? find_nrrd_segments(file) : std::nullopt;
}

void note_several(const std::vector<FoundSegment>& segments, const std::vector<std::size_t>& places, MaskKind kind,
                  std::vector<Note>& notes) {
  if (places.size() < 2) return;
  std::vector<std::string> names;
  for (const std::size_t place : places) names.push_back(fmt::format("\"{}\"", segments[place].name));
  notes.push_back(
      {several_labels, fmt::format("the {} mask is {} segments of its file together: {}",
                                   kind == MaskKind::lung ? "lung" : "lesion", names.size(), fmt::join(names, ", "))});
}

}  // namespace

OpenedImage open_mask_image(const fs::path& mask, MaskKind kind, const SourceInfo* scan,
                            const std::function<OpenedImage(const fs::path&)>& open_other) {
  const MaskName name = split_mask_name(mask);
  const auto open_segments = [&](const auto& found, const auto& open) {
    const auto places = choose_segments(found.segments, kind, name);
    OpenedImage image = open(places);
    note_several(found.segments, places, kind, image.source.notes);
    return image;
  };
  if (const auto found = find_dicom_segmentation(name.file))
    return open_segments(*found, [&](const auto& places) { return open_dicom_segmentation(*found, places, scan); });
  if (const auto found = nrrd_segments(name.file))
    return open_segments(*found, [&](const auto& places) { return open_nrrd_segments(*found, places); });
  OpenedImage image = open_other(name.file);
  if (name.choice.empty()) return image;
  std::vector<LabelInLayer> labels;
  for (const std::int64_t label : chosen_labels(name)) labels.push_back({.label = label});
  return with_chosen_labels(std::move(image), 1, std::move(labels));
}

SegmentationFile describe_segmentation(const fs::path& file) {
  if (const auto found = find_dicom_segmentation(file)) {
    const auto image = open_dicom_segmentation(*found, {}, nullptr);
    return {image.source.format, found->segments, reorder(image.source.stored_geometry, image.source.order)};
  }
  if (const auto found = nrrd_segments(file)) {
    const auto image = open_nrrd_segments(*found, {});
    return {"NRRD segmentation", found->segments, reorder(image.source.stored_geometry, image.source.order)};
  }
  return {};
}

}  // namespace pulmoseg::volume
