#include "pulmoseg/volume/dicom.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/dicom_pixels.hpp"
#include "pulmoseg/volume/dicom_stack.hpp"

namespace pulmoseg::volume {
namespace {

std::size_t pixels_of(const DicomSlice& slice) {
  return static_cast<std::size_t>(slice.file->format.rows) * static_cast<std::size_t>(slice.file->format.columns);
}

bool same_values(const DicomSlice& a, const DicomSlice& b) {
  if (pixels_of(a) != pixels_of(b)) return false;
  std::vector<double> first(pixels_of(a)), second(pixels_of(b));
  DicomPixels pixels;
  pixels.read(a, first);
  pixels.read(b, second);
  return first == second;
}

/// All values that the header of a slice allows lie from the first to the second.
std::pair<double, double> range_of(const DicomSlice& slice) {
  const PixelFormat& format = slice.file->format;
  const double count = std::ldexp(1.0, format.bits_stored);
  const double low = format.is_signed ? -count / 2 : 0;
  const double a = slice.image.slope * low + slice.image.intercept;
  const double b = slice.image.slope * (low + count - 1) + slice.image.intercept;
  return {std::min(a, b), std::max(a, b)};
}

VoxelType type_for(const std::vector<DicomSlice>& slices) {
  double low = 0, high = 0;
  for (const DicomSlice& slice : slices) {
    const bool whole = std::trunc(slice.image.slope) == slice.image.slope &&
                       std::trunc(slice.image.intercept) == slice.image.intercept;
    if (!whole) return VoxelType::float32;
    const auto [least, greatest] = range_of(slice);
    low = std::min(low, least);
    high = std::max(high, greatest);
  }
  if (low >= -0x8000 && high <= 0x7fff) return VoxelType::int16;
  if (low >= 0 && high <= 0xffff) return VoxelType::uint16;
  if (low >= -0x80000000LL && high <= 0x7fffffff) return VoxelType::int32;
  return VoxelType::float32;
}

template <class Value>
void store(std::span<const double> values, std::span<std::byte> bytes) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto value = static_cast<Value>(values[i]);
    std::memcpy(bytes.data() + i * sizeof value, &value, sizeof value);
  }
}

class DicomVoxels : public StoredVoxels {
 public:
  DicomVoxels(std::vector<DicomSlice> slices, VoxelType type, std::shared_ptr<const void> keeps)
      : slices_(std::move(slices)), type_(type), keeps_(std::move(keeps)), values_(pixels_of(slices_.front())) {}

  void read(std::span<std::byte> bytes) override {
    for (; !bytes.empty(); bytes = bytes.subspan(slice_bytes()))
      read_slice(slices_[next_++], bytes.first(slice_bytes()));
  }
  void skip(std::uint64_t bytes) override { next_ += bytes / slice_bytes(); }
  void finish() override { pixels_.close(); }
  void rewind() override { next_ = 0; }

 private:
  std::size_t slice_bytes() const { return values_.size() * size_of(type_); }

  void read_slice(const DicomSlice& slice, std::span<std::byte> bytes) {
    pixels_.read(slice, values_);
    switch (type_) {
      case VoxelType::int16: return store<std::int16_t>(values_, bytes);
      case VoxelType::uint16: return store<std::uint16_t>(values_, bytes);
      case VoxelType::int32: return store<std::int32_t>(values_, bytes);
      default: return store<float>(values_, bytes);
    }
  }

  std::vector<DicomSlice> slices_;
  VoxelType type_;
  std::shared_ptr<const void> keeps_;
  std::vector<double> values_;  // of one slice
  DicomPixels pixels_;
  std::size_t next_ = 0;
};

std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t most = 5;
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(most, names.size()));
  return fmt::format("{}{}", fmt::join(names.begin(), end, "; "), names.size() > most ? " …" : "");
}

/// What is there beside the series and was not taken.
void note_left_out(const DicomSeries& series, const std::vector<DicomSeries>& found, std::vector<Note>& notes) {
  std::vector<std::string> left_out;
  for (const DicomSeries& other : found) {
    if (&other != &series) left_out.push_back(describe(other));
  }
  if (!left_out.empty())
    notes.push_back({"series_left_out", fmt::format("{} series left out: {}", left_out.size(), some_of(left_out))});
  if (!series.left_aside.empty()) {
    const std::size_t count = series.left_aside.size();
    notes.push_back(
        {"files_left_out", fmt::format("{} left out: {}",
                                       count == 1 ? "1 file is no DICOM file and was"
                                                  : fmt::format("{} files are no DICOM files and were", count),
                                       some_of(series.left_aside))});
  }
  if (series.kind != DicomSeriesKind::volume)
    notes.push_back({"not_an_original_volume", "the series is no original CT volume: " + series.why_not});
}

void note_padding(const SourceInfo& source, std::vector<Note>& notes) {
  if (const auto padding = source.attributes.find("PixelPaddingValue"); padding != source.attributes.end()) {
    notes.push_back(
        {"pixel_padding", fmt::format("pixels outside of the scanner's field of view are stored as {} and are kept "
                                      "as the numbers that this gives",
                                      padding->second)});
  }
}

DicomFrame frame_of(const DicomSlice& slice, bool placed) {
  return {.file = slice.file->path,
          .sop_class_uid = slice.file->sop_class_uid,
          .sop_instance_uid = slice.file->sop_instance_uid,
          .frame_number = slice.image.frame_number,
          .position = placed ? *slice.image.position : Vector3{},
          .instance_number = slice.file->instance_number};
}

}  // namespace

OpenedImage open_dicom_series(const DicomSeries& series, const std::vector<DicomSeries>& found) {
  if (!series.damaged.empty()) throw Error(series.damaged.front());
  if (series.images == 0)
    throw Error(fmt::format("{}: the series {} holds no images, expected a CT series", series.shown, describe(series)));
  DicomStack stack = stack_slices(series.headers, series.shown, same_values);
  SourceInfo source;
  source.file = series.source;
  source.format = "DICOM series";
  source.stored_geometry = stack.geometry;
  source.order = canonical_order(stack.geometry);
  source.has_geometry = stack.placed;
  source.dimensions = stack.is_thick ? 3 : 2;
  source.voxel_type = type_for(stack.slices);
  source.attributes = stack.slices.front().file->attributes;
  source.notes = std::move(stack.notes);
  source.keeps = series.keeps;
  note_left_out(series, found, source.notes);
  note_padding(source, source.notes);
  for (const DicomSlice& slice : stack.slices) source.frames.push_back(frame_of(slice, stack.placed));
  auto voxels = std::make_unique<DicomVoxels>(std::move(stack.slices), source.voxel_type, series.keeps);
  return {std::move(source), std::move(voxels)};
}

}  // namespace pulmoseg::volume
