#include "pulmoseg/volume/dicom_segmentation.hpp"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>
#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/volume/dicom_pixels.hpp"
#include "pulmoseg/volume/dicom_series.hpp"
#include "pulmoseg/volume/dicom_values.hpp"
#include "pulmoseg/volume/frame_grid.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;

[[noreturn]] void refuse(const DicomSegmentation& found, std::string_view what, std::string_view expected) {
  throw Error(fmt::format("{}: is a DICOM Segmentation that {}, expected {}", found.file->name, what, expected));
}

std::optional<double> positive(const std::string& text) {
  const auto number = parse_number<double>(text);
  return number && *number > 0 ? number : std::nullopt;
}

Code code(DcmItem* segment, const DcmTagKey& sequence) {
  DcmItem* const item = first_item(segment, sequence);
  return {.value = text_of(item, DCM_CodeValue),
          .scheme = text_of(item, DCM_CodingSchemeDesignator),
          .meaning = text_of(item, DCM_CodeMeaning)};
}

std::vector<FoundSegment> segments_of(DcmItem& data_set) {
  std::vector<FoundSegment> found;
  DcmSequenceOfItems* sequence = nullptr;
  if (data_set.findAndGetSequence(DCM_SegmentSequence, sequence).bad() || !sequence) return found;
  DcmObject* object = nullptr;
  while ((object = sequence->nextInContainer(object)) != nullptr) {
    auto* const item = static_cast<DcmItem*>(object);
    const auto number = parse_number<std::int64_t>(text_of(item, DCM_SegmentNumber));
    if (!number || *number < 1) continue;  // a label map may describe its background, 0
    found.push_back({.number = *number,
                     .name = text_of(item, DCM_SegmentLabel),
                     .type = code(item, DCM_SegmentedPropertyTypeCodeSequence)});
  }
  return found;
}

void read_type(DcmItem& data_set, DicomSegmentation& found) {
  const std::string type = text_of(&data_set, DCM_SegmentationType);
  found.is_label_map = type == "LABELMAP" || found.file->sop_class_uid == "1.2.840.10008.5.1.4.1.1.66.7";
  if (found.is_label_map || type == "BINARY") return;
  const auto most = positive(text_of(&data_set, DCM_MaximumFractionalValue));
  if (type != "FRACTIONAL" || !most)
    refuse(found, fmt::format("has the SegmentationType \"{}\"{}", type, most ? "" : " and no MaximumFractionalValue"),
           "BINARY, FRACTIONAL (with that value) or LABELMAP");
  found.least_inside = *most / 2;
}

void read_attributes(DcmDataset& data_set, DicomSegmentation& found) {
  if (data_set.tagExists(DCM_SpecificCharacterSet)) data_set.convertToUTF8();
  read_type(data_set, found);
  found.segments = segments_of(data_set);
  DcmItem* groups = first_item(&data_set, DCM_SharedFunctionalGroupsSequence);
  if (!first_item(groups, DCM_PixelMeasuresSequence))
    groups = first_item(&data_set, DCM_PerFrameFunctionalGroupsSequence);
  found.spacing_between_slices =
      positive(text_of(first_item(groups, DCM_PixelMeasuresSequence), DCM_SpacingBetweenSlices));
  found.referenced_series = text_of(first_item(&data_set, DCM_ReferencedSeriesSequence), DCM_SeriesInstanceUID);
}

void check(const DicomSegmentation& found) {
  const PixelFormat& format = found.file->format;
  const bool numbers = format.is_grey || (found.is_label_map && format.samples == 1);  // a label map may have a palette
  if (found.file->images.empty() || !numbers)
    refuse(found, "has no frames that can be read", "frames of 1, 8 or 16 bits; export it again");
  if (found.segments.empty()) refuse(found, "describes no segments", "its SegmentSequence; export it again");
  for (const DicomImage& frame : found.file->images) {
    const auto is_its = [&](const FoundSegment& segment) { return segment.number == frame.segment; };
    if (found.is_label_map || std::ranges::any_of(found.segments, is_its)) continue;
    refuse(found, fmt::format("does not describe the segment of its frame {}", frame.frame_number),
           "a ReferencedSegmentNumber of its SegmentSequence; export it again");
  }
}

/// The file was found to be one that DCMTK can be given.
void read_again(DicomSegmentation& found) {
  constexpr Uint32 most_bytes_held = 4096;
  DcmFileFormat format;
  try {
    if (format
            .loadFileUntilTag(found.file->path.c_str(), EXS_Unknown, EGL_noChange, most_bytes_held, ERM_autoDetect,
                              DcmTagKey(0x7fe0, 0x0000))
            .bad())
      refuse(found, "is damaged", "a whole one; export it again");
    read_attributes(*format.getDataset(), found);
  } catch (const std::logic_error&) {  // DCMTK cuts a text of wrong length at a place that it does not have
    refuse(found, "is damaged", "a whole one; export it again");
  }
  check(found);
}

/// Of all segments in one place.
struct Plane {
  std::vector<DicomSlice> frames;
};

class SegmentationVoxels : public StoredVoxels {
 public:
  SegmentationVoxels(const DicomSegmentation& found, std::vector<Plane> planes, std::vector<std::int64_t> chosen)
      : found_(found), planes_(std::move(planes)), chosen_(std::move(chosen)) {
    const PixelFormat& format = found_.file->format;
    values_.resize(static_cast<std::size_t>(format.rows) * static_cast<std::size_t>(format.columns));
  }

  void read(std::span<std::byte> bytes) override {
    for (; !bytes.empty(); bytes = bytes.subspan(values_.size())) read_plane(bytes.first(values_.size()));
  }
  void skip(std::uint64_t bytes) override { next_ += bytes / values_.size(); }
  void finish() override { pixels_.close(); }
  void rewind() override { next_ = 0; }

 private:
  bool is_chosen(std::int64_t number) const { return std::ranges::find(chosen_, number) != chosen_.end(); }

  void read_plane(std::span<std::byte> labels) {
    std::ranges::fill(labels, std::byte{0});
    for (const DicomSlice& frame : planes_[next_].frames) {
      if (!found_.is_label_map && !is_chosen(frame.image.segment)) continue;
      pixels_.read(frame, values_);
      for (std::size_t i = 0; i < values_.size(); ++i) add(values_[i], frame.image.segment, labels[i]);
    }
    ++next_;
  }

  void add(double value, std::int64_t segment, std::byte& label) const {
    const std::int64_t number = found_.is_label_map ? static_cast<std::int64_t>(value) : segment;
    const bool inside = found_.is_label_map ? is_chosen(number) : value >= found_.least_inside;
    if (inside) label = static_cast<std::byte>(std::min<std::int64_t>(number, 255));
  }

  DicomSegmentation found_;
  std::vector<Plane> planes_;
  std::vector<std::int64_t> chosen_;
  std::vector<double> values_;  // of one frame
  DicomPixels pixels_;
  std::size_t next_ = 0;
};

void check_frame_of_reference(const DicomSegmentation& found, const SourceInfo& scan) {
  const auto other = scan.attributes.find("FrameOfReferenceUID");
  const std::string own = found.file->attribute("FrameOfReferenceUID");
  if (own.empty() || other == scan.attributes.end() || own == other->second) return;
  refuse(found, fmt::format("has another frame of reference than {}", scan.file.string()),
         "one of this scan; give the scan that it was drawn on");
}

std::vector<Plane> sort_into_planes(const DicomSegmentation& found, const FrameGrid& grid) {
  std::vector<Plane> planes(static_cast<std::size_t>(grid.geometry.size[2]));
  for (std::size_t i = 0; i < grid.plane_of_frame.size(); ++i)
    planes[static_cast<std::size_t>(grid.plane_of_frame[i])].frames.push_back({found.file, found.file->images[i]});
  return planes;
}

}  // namespace

std::optional<DicomSegmentation> find_dicom_segmentation(const fs::path& path) {
  if (!fs::is_directory(path) && !may_hold_dicom(path)) return std::nullopt;
  const auto series = find_dicom_series(path);
  DicomSegmentation found;
  found.source = path;
  for (const DicomSeries& one : series) {
    for (const auto& header : one.headers) {
      if (!header->is_segmentation()) continue;
      if (!one.damaged.empty()) throw Error(one.damaged.front());
      if (found.file) {
        throw Error(
            fmt::format("{}: holds several DICOM Segmentations, among them {} and {}; name the file that is meant",
                        path.string(), found.file->name, header->name));
      }
      found.file = header;
      found.keeps = one.keeps;
    }
  }
  if (!found.file) return std::nullopt;
  read_again(found);
  return found;
}

OpenedImage open_dicom_segmentation(const DicomSegmentation& found, const std::vector<std::size_t>& places,
                                    const SourceInfo* scan) {
  if (scan) check_frame_of_reference(found, *scan);
  const bool is_of_scan = scan && scan->attributes.contains("SeriesInstanceUID") &&
                          scan->attributes.at("SeriesInstanceUID") == found.referenced_series;
  const FrameGrid grid = grid_of_frames(*found.file, found.spacing_between_slices, scan, is_of_scan);
  std::vector<std::int64_t> chosen;
  for (const std::size_t place : places) chosen.push_back(found.segments[place].number);
  SourceInfo source;
  source.file = found.source;
  source.format = "DICOM Segmentation";
  source.stored_geometry = grid.geometry;
  source.order = canonical_order(grid.geometry);
  source.attributes = found.file->attributes;
  source.keeps = found.keeps;
  auto voxels = std::make_unique<SegmentationVoxels>(found, sort_into_planes(found, grid), std::move(chosen));
  return {std::move(source), std::move(voxels)};
}

}  // namespace pulmoseg::volume
