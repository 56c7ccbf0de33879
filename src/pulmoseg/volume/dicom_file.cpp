#include "pulmoseg/volume/dicom_file.hpp"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcrledrg.h>
#include <dcmtk/dcmdata/dcspchrs.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/dcmjpls/djdecode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <mutex>
#include <string_view>
#include <utility>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/base/text.hpp"
#include "pulmoseg/volume/dcmtk_log.hpp"
#include "pulmoseg/volume/dicom_danger.hpp"
#include "pulmoseg/volume/matrix3.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;

constexpr int most_pixels_a_side = 16384;  // a header that lies shall not take all memory
constexpr Uint32 most_bytes_held = 4096;   // of a value; longer ones stay in the file until asked for

const std::array<std::pair<const char*, DcmTagKey>, 36>& wanted_attributes() {
  static const std::array<std::pair<const char*, DcmTagKey>, 36> wanted{{
      {"ImageType", DCM_ImageType},
      {"SOPClassUID", DCM_SOPClassUID},
      {"StudyDate", DCM_StudyDate},
      {"StudyTime", DCM_StudyTime},
      {"SeriesDate", DCM_SeriesDate},
      {"SeriesTime", DCM_SeriesTime},
      {"AcquisitionDate", DCM_AcquisitionDate},
      {"AcquisitionTime", DCM_AcquisitionTime},
      {"AcquisitionNumber", DCM_AcquisitionNumber},
      {"TemporalPositionIdentifier", DCM_TemporalPositionIdentifier},
      {"AccessionNumber", DCM_AccessionNumber},
      {"Modality", DCM_Modality},
      {"Manufacturer", DCM_Manufacturer},
      {"ManufacturerModelName", DCM_ManufacturerModelName},
      {"ReferringPhysicianName", DCM_ReferringPhysicianName},
      {"StudyDescription", DCM_StudyDescription},
      {"SeriesDescription", DCM_SeriesDescription},
      {"PatientName", DCM_PatientName},
      {"PatientID", DCM_PatientID},
      {"PatientBirthDate", DCM_PatientBirthDate},
      {"PatientSex", DCM_PatientSex},
      {"PatientAge", DCM_PatientAge},
      {"ContrastBolusAgent", DCM_ContrastBolusAgent},
      {"BodyPartExamined", DCM_BodyPartExamined},
      {"SliceThickness", DCM_SliceThickness},
      {"KVP", DCM_KVP},
      {"GantryDetectorTilt", DCM_GantryDetectorTilt},
      {"ConvolutionKernel", DCM_ConvolutionKernel},
      {"PatientPosition", DCM_PatientPosition},
      {"StudyInstanceUID", DCM_StudyInstanceUID},
      {"SeriesInstanceUID", DCM_SeriesInstanceUID},
      {"StudyID", DCM_StudyID},
      {"SeriesNumber", DCM_SeriesNumber},
      {"FrameOfReferenceUID", DCM_FrameOfReferenceUID},
      {"PixelPaddingValue", DCM_PixelPaddingValue},
      {"RescaleType", DCM_RescaleType},
  }};
  return wanted;
}

/// Nothing where it is missing, or longer than any value that is wanted here: a length that lies would be given memory first.
DcmElement* element(DcmItem& item, const DcmTagKey& tag) {
  constexpr Uint32 longest = 1 << 16;
  DcmElement* found = nullptr;
  return item.findAndGetElement(tag, found).good() && found && found->getLengthField() <= longest ? found : nullptr;
}

/// Without what a terminal would take for an order: these texts stand in messages.
std::string printable(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return text;
}

/// As it is encoded in the file; "" where it is missing. Padding of either kind (PS3.5, 6.2) is taken off.
std::string encoded_text(DcmItem& item, const DcmTagKey& tag) {
  OFString value;
  DcmElement* const found = element(item, tag);
  if (!found || found->getOFStringArray(value).bad()) return "";
  std::string_view view(value.c_str(), value.length());
  constexpr std::string_view padding(" \0", 2);
  const auto first = view.find_first_not_of(' ');
  if (first == std::string_view::npos) return "";
  view.remove_prefix(first);
  return std::string(view.substr(0, view.find_last_not_of(padding) + 1));
}

std::string text(DcmItem& item, const DcmTagKey& tag) { return printable(encoded_text(item, tag)); }

/// PS3.5, 6.2: a DS may be padded with spaces and begin with a plus.
std::optional<double> decimal(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto number = parse_number<double>(text);
  return number && std::isfinite(*number) ? number : std::nullopt;
}

template <std::size_t count>
std::optional<std::array<double, count>> decimals(const std::string& value) {
  const auto texts = split(value, '\\');
  if (texts.size() != count) return std::nullopt;
  std::array<double, count> numbers{};
  for (std::size_t i = 0; i < count; ++i) {
    const auto number = decimal(texts[i]);
    if (!number) return std::nullopt;
    numbers[i] = *number;
  }
  return numbers;
}

/// The first item of a sequence, or nothing.
DcmItem* first_item(DcmItem* item, const DcmTagKey& sequence) {
  DcmItem* found = nullptr;
  return item && item->findAndGetSequenceItem(sequence, found, 0).good() ? found : nullptr;
}

/// Where the values of an image stand.
struct Places {
  DcmItem* frame = nullptr;
  DcmItem* shared = nullptr;
  DcmItem& data_set;

  std::string value(const DcmTagKey& functional_group, const DcmTagKey& tag) const {
    for (DcmItem* groups : {frame, shared}) {
      DcmItem* const group = first_item(groups, functional_group);
      if (!group) continue;
      if (std::string found = text(*group, tag); !found.empty()) return found;
    }
    return text(data_set, tag);
  }
};

/// Two perpendicular unit vectors, or nothing. Their decimals are few: what is nearly so counts.
std::optional<std::array<Vector3, 2>> unit_axes(const std::string& orientation) {
  const auto numbers = decimals<6>(orientation);
  if (!numbers) return std::nullopt;
  std::array<Vector3, 2> axes{};
  for (std::size_t i = 0; i < 6; ++i) axes[i / 3][i % 3] = (*numbers)[i];
  for (Vector3& axis : axes) {
    const double length = norm(axis);
    if (!(std::abs(length - 1) < 0.01)) return std::nullopt;
    for (double& component : axis) component /= length;
  }
  return std::abs(dot(axes[0], axes[1])) < 0.01 ? std::optional(axes) : std::nullopt;
}

/// `damage` is set where a number cannot be read that stands there.
DicomImage read_image(const Places& places, std::string& damage) {
  DicomImage image;
  image.position = decimals<3>(places.value(DCM_PlanePositionSequence, DCM_ImagePositionPatient));
  image.axes = unit_axes(places.value(DCM_PlaneOrientationSequence, DCM_ImageOrientationPatient));
  if (const auto spacing = decimals<2>(places.value(DCM_PixelMeasuresSequence, DCM_PixelSpacing)))
    image.spacing = {(*spacing)[1], (*spacing)[0]};  // PS3.3, 10.7.1.3: between rows comes first
  const auto rescale = [&](const DcmTagKey& tag, double& number) {
    const std::string value = places.value(DCM_PixelValueTransformationSequence, tag);
    if (value.empty()) return;
    image.is_rescaled = true;
    const auto found = decimal(value);
    if (!found) damage = fmt::format("has the {} \"{}\"", DcmTag(tag).getTagName(), value);
    number = found.value_or(number);
  };
  rescale(DCM_RescaleSlope, image.slope);
  rescale(DCM_RescaleIntercept, image.intercept);
  if (image.slope == 0) damage = "has the RescaleSlope 0";
  if (places.frame) {
    image.segment =
        parse_number<int>(places.value(DCM_SegmentIdentificationSequence, DCM_ReferencedSegmentNumber)).value_or(0);
    image.stack = places.value(DCM_FrameContentSequence, DCM_StackID);
    image.temporal_position = places.value(DCM_FrameContentSequence, DCM_TemporalPositionIndex);
  }
  return image;
}

/// `frames` of them, by the per-frame functional groups where there are some.
std::vector<DicomImage> read_images(DcmItem& data_set, std::size_t frames, std::string& damage) {
  DcmItem* const shared = first_item(&data_set, DCM_SharedFunctionalGroupsSequence);
  DcmSequenceOfItems* per_frame = nullptr;
  std::vector<DicomImage> images;
  if (data_set.findAndGetSequence(DCM_PerFrameFunctionalGroupsSequence, per_frame).good() && per_frame) {
    if (per_frame->card() != frames) {
      damage = fmt::format("describes {} frames and has {}", per_frame->card(), frames);
      return images;
    }
    DcmObject* object = nullptr;
    while ((object = per_frame->nextInContainer(object)) != nullptr) {
      images.push_back(
          read_image({.frame = static_cast<DcmItem*>(object), .shared = shared, .data_set = data_set}, damage));
      images.back().frame_number = static_cast<int>(images.size());
    }
    return images;
  }
  images.push_back(read_image({.shared = shared, .data_set = data_set}, damage));
  if (frames == 1) return images;
  // Without groups there is nothing that says where each frame lies.
  images.front().position.reset();
  images.resize(std::min<std::size_t>(frames, 100000), images.front());
  for (std::size_t i = 0; i < images.size(); ++i) images[i].frame_number = static_cast<int>(i) + 1;
  return images;
}

PixelFormat read_format(DcmItem& data_set) {
  const auto number = [&](const DcmTagKey& tag, int otherwise) {
    Uint16 value = 0;
    DcmElement* const found = element(data_set, tag);
    return found && found->getUint16(value).good() ? static_cast<int>(value) : otherwise;
  };
  PixelFormat format{.rows = number(DCM_Rows, 0),
                     .columns = number(DCM_Columns, 0),
                     .samples = number(DCM_SamplesPerPixel, 1),
                     .bits_allocated = number(DCM_BitsAllocated, 0)};
  format.bits_stored = number(DCM_BitsStored, format.bits_allocated);
  format.high_bit = number(DCM_HighBit, format.bits_stored - 1);
  format.is_signed = number(DCM_PixelRepresentation, 0) == 1;
  const std::string meaning = text(data_set, DCM_PhotometricInterpretation);
  format.is_grey = format.samples == 1 && (meaning.empty() || meaning.starts_with("MONOCHROME"));
  return format;
}

/// "" when it is one that can be read.
std::string fault_of(const PixelFormat& format, bool may_be_bits) {
  if (format.rows < 1 || format.columns < 1 || std::max(format.rows, format.columns) > most_pixels_a_side)
    return fmt::format("has {} rows and {} columns", format.rows, format.columns);
  const bool whole_bytes = format.bits_allocated == 8 || format.bits_allocated == 16 || format.bits_allocated == 32;
  const bool bits = may_be_bits && format.bits_allocated == 1;
  if (!(whole_bytes || bits) || format.bits_stored < 1 || format.high_bit >= format.bits_allocated ||
      format.high_bit + 1 < format.bits_stored) {
    return fmt::format("has pixels of {} bits in {} with {} as the highest", format.bits_stored, format.bits_allocated,
                       format.high_bit);
  }
  return "";
}

constexpr const char* cut_or_damaged = "is cut short or damaged";

/// "" when all pixels are there. Those of compressed images show on decoding.
std::string fault_of_pixels(DcmElement& pixels, DcmXfer syntax, const PixelFormat& format, std::size_t frames) {
  if (syntax.isEncapsulated() || syntax.getXfer() == EXS_Unknown) return "";
  const std::uint64_t bits = static_cast<std::uint64_t>(format.rows) * static_cast<std::uint64_t>(format.columns) *
                             static_cast<std::uint64_t>(format.samples * format.bits_allocated) * frames;
  return pixels.getLength() < (bits + 7) / 8 ? cut_or_damaged : "";
}

void read_pixel_facts(DcmDataset& data_set, DicomFile& file) {
  DcmElement* pixels = nullptr;
  file.has_pixels = data_set.findAndGetElement(DCM_PixelData, pixels).good() && pixels;
  if (!file.has_pixels) {
    // A report has none; an image without them is a damaged one.
    const bool is_image = dcmIsaStorageSOPClassUID(file.sop_class_uid.c_str(), ESSC_Image);
    if (file.sop_class_uid.empty() || is_image) file.damage = "has no pixels";
    return;
  }
  file.format = read_format(data_set);
  file.has_modality_lut = data_set.tagExists(DCM_ModalityLUTSequence);
  const std::string frame_count = text(data_set, DCM_NumberOfFrames);
  const auto frames = frame_count.empty() ? 1 : parse_number<std::uint32_t>(frame_count).value_or(0);
  file.damage = fault_of(file.format, file.is_segmentation());
  const std::string modality = file.attribute("Modality");
  if (!file.damage.empty() && !modality.empty() && modality != "CT") {
    file.damage.clear();  // of another kind: it is only listed
    return;
  }
  if (file.damage.empty() && frames == 0) file.damage = fmt::format("has {} frames", frame_count);
  const DcmXfer syntax(file.transfer_syntax.c_str());
  if (file.damage.empty()) file.damage = fault_of_pixels(*pixels, syntax, file.format, frames);
  if (file.damage.empty()) file.images = read_images(data_set, frames, file.damage);
}

/// A value of another character set in UTF-8. What cannot be converted becomes question marks.
std::string utf8(DcmItem& data_set, const std::string& value) {
  const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
  if (std::ranges::all_of(value, [&](char c) { return is_ascii(c) && c != '\x1b'; })) return printable(value);
  DcmSpecificCharacterSet converter;
  OFString converted;
  if (converter.selectCharacterSet(data_set).good() &&
      converter.convertString(OFString(value.data(), value.size()), converted, "\\^=").good()) {
    return printable({converted.data(), converted.size()});
  }
  std::string readable = value;
  std::ranges::replace_if(
      readable, [&](char c) { return !is_ascii(c); }, '?');
  return printable(readable);
}

/// Of a multi-frame file also from its shared functional groups, or the first frame's.
std::string find_value(DcmItem& data_set, const DcmTagKey& tag) {
  if (std::string found = encoded_text(data_set, tag); !found.empty()) return found;
  for (const auto& groups_tag : {DCM_SharedFunctionalGroupsSequence, DCM_PerFrameFunctionalGroupsSequence}) {
    DcmItem* const groups = first_item(&data_set, groups_tag);
    DcmObject* group = nullptr;
    while (groups && (group = groups->nextInContainer(group)) != nullptr) {
      DcmItem* const item = first_item(groups, group->getTag());
      if (!item) continue;
      if (std::string found = encoded_text(*item, tag); !found.empty()) return found;
    }
  }
  return "";
}

/// DCMTK reads one that it does not know as if it were not compressed.
std::string transfer_syntax_of(DcmFileFormat& format) {
  const std::string named = text(*format.getMetaInfo(), DCM_TransferSyntaxUID);
  if (!named.empty() && DcmXfer(named.c_str()).getXfer() == EXS_Unknown) return named;
  return DcmXfer(format.getDataset()->getOriginalXfer()).getXferID();
}

void read_facts(DcmFileFormat& format, DicomFile& file) {
  DcmDataset& data_set = *format.getDataset();
  file.sop_class_uid = text(data_set, DCM_SOPClassUID);
  if (file.sop_class_uid.empty()) file.sop_class_uid = text(*format.getMetaInfo(), DCM_MediaStorageSOPClassUID);
  file.sop_instance_uid = text(data_set, DCM_SOPInstanceUID);
  file.series_uid = text(data_set, DCM_SeriesInstanceUID);
  file.instance_number = parse_number<std::int64_t>(text(data_set, DCM_InstanceNumber));
  file.transfer_syntax = transfer_syntax_of(format);
  file.image_type = split(text(data_set, DCM_ImageType), '\\');
  for (const auto& [keyword, tag] : wanted_attributes()) {
    std::string value = utf8(data_set, find_value(data_set, tag));
    if (!value.empty()) file.attributes.emplace(keyword, std::move(value));
  }
}

void note_cut(DcmDataset& data_set, DicomFile& file) {
  file.damage = cut_or_damaged;
  const unsigned long count = data_set.card();
  const bool cut_in_uid = count > 0 && data_set.getElement(count - 1)->getTag() == DCM_SeriesInstanceUID;
  if (cut_in_uid) file.series_uid.clear();  // what there is of it names another series
}

/// Pixel data is the last element that matters: what follows is padding.
const DcmTagKey after_the_pixels(0x7fe0, 0x0011);

}  // namespace

std::string DicomFile::attribute(const std::string& keyword) const {
  const auto found = attributes.find(keyword);
  return found == attributes.end() ? "" : found->second;
}

bool DicomFile::is_segmentation() const {
  return sop_class_uid == "1.2.840.10008.5.1.4.1.1.66.4" || sop_class_uid == "1.2.840.10008.5.1.4.1.1.66.7";
}

std::string DicomSlice::name() const {
  return image.frame_number == 0 ? file->name : fmt::format("{}, frame {}", file->name, image.frame_number);
}

void prepare_dcmtk() {
  silence_dcmtk();
  static std::once_flag once;
  std::call_once(once, [] {
    DcmRLEDecoderRegistration::registerCodecs();
    DJDecoderRegistration::registerCodecs();
    DJLSDecoderRegistration::registerCodecs();
  });
}

std::optional<DicomFile> read_dicom_file(const fs::path& path, const std::string& name) {
  prepare_dcmtk();
  std::array<char, 132> begin{};
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw Error(fmt::format("{}: cannot be read: {}", name, std::strerror(errno)));
  stream.read(begin.data(), begin.size());
  const bool marked = std::string_view(begin.data() + 128, 4) == "DICM";
  const bool begins_with_group_2_or_8 = (begin[0] == 2 || begin[0] == 8) && begin[1] == 0;
  if (!marked && !begins_with_group_2_or_8) return std::nullopt;

  DicomFile file;
  file.path = path;
  file.name = name;
  file.damage = reason_not_to_parse(path);
  if (!file.damage.empty()) return marked ? std::optional(file) : std::nullopt;
  DcmFileFormat format;
  const OFCondition loaded = format.loadFileUntilTag(path.c_str(), EXS_Unknown, EGL_noChange, most_bytes_held,
                                                     ERM_autoDetect, after_the_pixels);
  read_facts(format, file);
  if (loaded.good())
    read_pixel_facts(*format.getDataset(), file);
  else
    note_cut(*format.getDataset(), file);
  return marked || file.damage.empty() ? std::optional(file) : std::nullopt;
}

std::vector<fs::path> read_dicomdir(const fs::path& file) {
  prepare_dcmtk();
  DcmFileFormat format;
  DcmSequenceOfItems* records = nullptr;
  if (!reason_not_to_parse(file).empty() || format.loadFile(file.c_str()).bad() ||
      format.getDataset()->findAndGetSequence(DCM_DirectoryRecordSequence, records).bad() || !records) {
    throw Error(
        fmt::format("{}: is a DICOMDIR that is cut short or damaged, expected a whole one; give the folder that "
                    "holds the images instead",
                    file.string()));
  }
  std::vector<fs::path> files;
  DcmObject* record = nullptr;
  while ((record = records->nextInContainer(record)) != nullptr) {
    const std::string id = text(*static_cast<DcmItem*>(record), DCM_ReferencedFileID);
    if (id.empty()) continue;
    fs::path path = file.parent_path();
    for (const std::string& part : split(id, '\\')) {
      if (part.empty() || part == ".." || part.find('/') != std::string::npos)
        throw Error(fmt::format("{}: names the file \"{}\", expected one beside it", file.string(), id));
      path /= part;
    }
    if (!fs::is_regular_file(path)) {
      throw Error(
          fmt::format("{}: names the file {}, which is not there, expected a DICOMDIR with all of its files; copy "
                      "the whole medium, or give the folder that holds the images",
                      file.string(), path.string()));
    }
    files.push_back(std::move(path));
  }
  return files;
}

}  // namespace pulmoseg::volume
