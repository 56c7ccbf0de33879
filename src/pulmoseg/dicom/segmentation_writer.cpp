#include "pulmoseg/dicom/segmentation_writer.hpp"

#include <dcmtk/dcmdata/dctk.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/dicom/anonymise.hpp"
#include "pulmoseg/dicom/segmentation_attributes.hpp"
#include "pulmoseg/volume/stored_order.hpp"

namespace pulmoseg::dicom {
namespace {

namespace fs = std::filesystem;

/// An object names its source by these, and each slice by its own.
void check_uids(const volume::SourceInfo& source) {
  const auto refuse = [](const fs::path& file, std::string_view what) {
    throw Error(fmt::format("{}: {}, so a DICOM segmentation cannot name its source; export the series again",
                            file.string(), what));
  };
  for (const char* uid : {"StudyInstanceUID", "SeriesInstanceUID"}) {
    if (!source.attributes.contains(uid)) refuse(source.frames.front().file, fmt::format("has no {}", uid));
  }
  std::map<std::string, fs::path> files;
  for (const auto& frame : source.frames) {
    if (frame.sop_instance_uid.empty()) refuse(frame.file, "has no SOPInstanceUID");
    const auto& [uid, file] = *files.emplace(frame.sop_instance_uid, frame.file).first;
    if (file != frame.file) refuse(frame.file, fmt::format("has the SOPInstanceUID of {} too", file.string()));
  }
}

void check(const volume::SourceInfo& source) {
  if (source.frames.empty()) {
    throw Error(fmt::format("{}: is {}, expected a DICOM series, on which a DICOM segmentation lies",
                            source.file.string(), source.format));
  }
  if (!source.has_geometry) {
    throw Error(
        fmt::format("{}: does not say where in the patient it lies, so a DICOM segmentation cannot say it either",
                    source.file.string()));
  }
  check_uids(source);
}

/// Bytes of Pixel Data, padded to an even number (PS3.5, 7.1.1).
std::uint32_t pixel_bytes(const volume::SourceInfo& source, std::size_t segments, SegmentationKind kind) {
  const auto& size = source.stored_geometry.size;
  const auto voxels = static_cast<std::uint64_t>(size[0] * size[1] * size[2]) * segments;
  const std::uint64_t bytes = kind == SegmentationKind::binary ? (voxels + 7) / 8 : voxels;
  if (bytes < std::numeric_limits<std::uint32_t>::max() - 1) return static_cast<std::uint32_t>(bytes + bytes % 2);
  throw Error(fmt::format("{}: a DICOM segmentation of it would hold {} bytes, more than the 4 GB that there can be",
                          source.file.string(), bytes));
}

/// Bits of voxels, the first one lowest, across the borders of frames (PS3.5, 8.1.1).
class BitPacker {
 public:
  /// The bytes that are full then.
  std::vector<std::byte> add(std::span<const std::byte> voxels) {
    std::vector<std::byte> full;
    for (const std::byte voxel : voxels) {
      if (voxel != std::byte{0}) byte_ |= std::byte{1} << bits_;
      if (++bits_ == 8) full.push_back(take());
    }
    return full;
  }
  bool has_rest() const { return bits_ > 0; }
  std::byte take() {
    bits_ = 0;
    return std::exchange(byte_, std::byte{0});
  }

 private:
  std::byte byte_{0};
  int bits_ = 0;
};

}  // namespace

struct SegmentationWriter::State {
  State(const fs::path& path, const Case& of, std::vector<volume::Segment> described, SegmentationKind of_kind)
      : file(path.string()), source(of.source), segments(std::move(described)), kind(of_kind), out(path) {
    check(source);
    const std::uint32_t length = pixel_bytes(source, segments.size(), kind);
    name = {.series_uid = new_uid(), .sop_instance_uid = new_uid(), .tracking_uids = {}};
    for (std::size_t i = 0; i < segments.size(); ++i) name.tracking_uids.push_back(new_uid());
    const auto made = segmentation_attributes(of, segments, kind, name);
    anonymise(*made->getDataset(), of.anonymity, of.algorithm.version);
    const OFCondition saved = made->saveFile(out.temporary_path().c_str(), EXS_LittleEndianExplicit);
    if (saved.bad()) throw Error(fmt::format("{}: cannot be written ({})", file, saved.text()));
    written = fs::file_size(out.temporary_path());
    begin_pixels(length);
    begin_segment();
  }

  /// PS3.5, 7.1.2: tag, VR, two bytes of nothing, length; no element follows.
  void begin_pixels(std::uint32_t length) {
    const std::array<std::uint8_t, 8> head{0xe0, 0x7f, 0x10, 0x00, 'O', 'B', 0, 0};
    std::array<std::uint8_t, 4> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(length >> (8 * i));
    append(std::as_bytes(std::span(head)));
    append(std::as_bytes(std::span(bytes)));
    end = written + length;
  }

  void append(std::span<const std::byte> bytes) {
    out.write_at(written, bytes);
    written += bytes.size();
  }

  void begin_segment() {
    slices_left = source.stored_geometry.size[static_cast<std::size_t>(source.order.axis[2])];
    voxels.emplace(file, source.stored_geometry, source.order, volume::VoxelType::uint8,
                   [this](std::span<const std::byte> bytes) {
                     if (kind == SegmentationKind::binary)
                       append(packer.add(bytes));
                     else
                       append(bytes);
                   });
  }

  template <class Pixel>
  void write(std::int64_t index, std::span<const Pixel> pixels) {
    if (segments_done == segments.size()) throw Error(fmt::format("{}: has all of its slices already", file));
    voxels->write(index, pixels);
    if (--slices_left > 0) return;
    voxels->finish();
    if (++segments_done < segments.size()) begin_segment();
  }

  void commit() {
    if (segments_done < segments.size()) voxels->finish();  // says which slice is missing
    if (packer.has_rest()) append(std::array{packer.take()});
    if (written < end) append(std::array{std::byte{0}});
    out.commit();
  }

  std::string file;
  volume::SourceInfo source;
  std::vector<volume::Segment> segments;
  SegmentationKind kind;
  OutputFile out;
  SegmentationName name;
  std::size_t written = 0, end = 0;  // bytes of the file; where it ends
  BitPacker packer;
  std::optional<volume::StoredOrder> voxels;  // of the segment in hand
  std::int64_t slices_left = 0;
  std::size_t segments_done = 0;
};

SegmentationWriter::SegmentationWriter(const fs::path& file, const Case& of, std::vector<volume::Segment> segments,
                                       SegmentationKind kind)
    : state_(std::make_unique<State>(file, of, std::move(segments), kind)) {}
SegmentationWriter::SegmentationWriter(SegmentationWriter&&) noexcept = default;
SegmentationWriter& SegmentationWriter::operator=(SegmentationWriter&&) noexcept = default;
SegmentationWriter::~SegmentationWriter() = default;

void SegmentationWriter::write(std::int64_t index, std::span<const std::uint8_t> mask) {
  if (state_->kind != SegmentationKind::binary) throw Error(state_->file + ": takes probabilities, not masks");
  state_->write(index, mask);
}

void SegmentationWriter::write(std::int64_t index, std::span<const float> probabilities) {
  if (state_->kind != SegmentationKind::probability) throw Error(state_->file + ": takes masks, not probabilities");
  std::vector<float> bytes(probabilities.size());
  std::ranges::transform(probabilities, bytes.begin(), [](float p) { return std::clamp(p, 0.0F, 1.0F) * 255; });
  state_->write(index, std::span<const float>(bytes));
}

const SegmentationName& SegmentationWriter::name() const { return state_->name; }

void SegmentationWriter::commit() { state_->commit(); }

}  // namespace pulmoseg::dicom
