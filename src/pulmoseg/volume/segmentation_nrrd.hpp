#pragma once
// Writes masks as a segmentation that 3D Slicer opens (.seg.nrrd), with names, colours and codes.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "pulmoseg/volume/segment.hpp"
#include "pulmoseg/volume/source.hpp"

namespace pulmoseg::volume {

/// One or two segments, each in a layer of its own, for a lung includes its lesions: NRRD with the layers as its first axis
/// (kind "list") and the fields "Segment0_Name" … of 3D Slicer's vtkMRMLSegmentationStorageNode; in each layer 1 is inside.
///
/// Memory, errors and threads as VolumeWriter.
class SegmentationNrrd {
 public:
  SegmentationNrrd(const std::filesystem::path& file, const SourceInfo& like, const std::vector<Segment>& segments);
  SegmentationNrrd(SegmentationNrrd&&) noexcept;
  SegmentationNrrd& operator=(SegmentationNrrd&&) noexcept;
  ~SegmentationNrrd();

  /// Rows x columns of canonical slice `index` for the first segment and, unless there is one only, the second.
  void write(std::int64_t index, std::span<const std::uint8_t> first, std::span<const std::uint8_t> second = {});

  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pulmoseg::volume
