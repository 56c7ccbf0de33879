#include "pulmoseg/volume/dicom_file.hpp"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcrledrg.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmjpeg/djdecode.h>
#include <dcmtk/dcmjpls/djdecode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <mutex>
#include <string_view>
#include <utility>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/base/text.hpp"
#include "pulmoseg/volume/dcmtk_log.hpp"
#include "pulmoseg/volume/dicom_attributes.hpp"
#include "pulmoseg/volume/dicom_danger.hpp"
#include "pulmoseg/volume/dicom_values.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;

constexpr int most_pixels_a_side = 16384;  // a header that lies shall not take all memory
constexpr Uint32 most_bytes_held = 4096;   // of a value; longer ones stay in the file until asked for

PixelFormat read_format(DcmItem& data_set) {
  const auto number = [&](const DcmTagKey& tag, int otherwise) {
    Uint16 value = 0;
    DcmElement* const found = element_of(data_set, tag);
    return found && found->getUint16(value).good() ? static_cast<int>(value) : otherwise;
  };
  PixelFormat format{.rows = number(DCM_Rows, 0),
                     .columns = number(DCM_Columns, 0),
                     .samples = number(DCM_SamplesPerPixel, 1),
                     .bits_allocated = number(DCM_BitsAllocated, 0)};
  format.bits_stored = number(DCM_BitsStored, format.bits_allocated);
  format.high_bit = number(DCM_HighBit, format.bits_stored - 1);
  format.is_signed = number(DCM_PixelRepresentation, 0) == 1;
  const std::string meaning = text_of(&data_set, DCM_PhotometricInterpretation);
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
  const std::string frame_count = text_of(&data_set, DCM_NumberOfFrames);
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

/// DCMTK reads one that it does not know as if it were not compressed.
std::string transfer_syntax_of(DcmFileFormat& format) {
  const std::string named = text_of(format.getMetaInfo(), DCM_TransferSyntaxUID);
  if (!named.empty() && DcmXfer(named.c_str()).getXfer() == EXS_Unknown) return named;
  return DcmXfer(format.getDataset()->getOriginalXfer()).getXferID();
}

void read_facts(DcmFileFormat& format, DicomFile& file) {
  DcmDataset& data_set = *format.getDataset();
  file.sop_class_uid = text_of(&data_set, DCM_SOPClassUID);
  if (file.sop_class_uid.empty()) file.sop_class_uid = text_of(format.getMetaInfo(), DCM_MediaStorageSOPClassUID);
  file.sop_instance_uid = text_of(&data_set, DCM_SOPInstanceUID);
  file.series_uid = text_of(&data_set, DCM_SeriesInstanceUID);
  file.instance_number = parse_number<std::int64_t>(text_of(&data_set, DCM_InstanceNumber));
  file.transfer_syntax = transfer_syntax_of(format);
  file.image_type = split(text_of(&data_set, DCM_ImageType), '\\');
  file.attributes = read_attributes(data_set);
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
    const std::string id = text_of(static_cast<DcmItem*>(record), DCM_ReferencedFileID);
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
