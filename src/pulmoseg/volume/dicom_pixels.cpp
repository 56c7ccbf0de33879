#include "pulmoseg/volume/dicom_pixels.hpp"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dccodec.h>
#include <dcmtk/dcmdata/dcpixseq.h>
#include <dcmtk/dcmdata/dcpxitem.h>
#include <dcmtk/dcmdata/dctk.h>
#include <fmt/format.h>

#include <cstring>
#include <utility>
#include <vector>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/jpeg.hpp"
#include "pulmoseg/volume/jpeg2000.hpp"

namespace pulmoseg::volume {
namespace {

constexpr Uint32 most_bytes_held = 4096;  // of a value; the pixels stay in the file until a slice is asked for

[[noreturn]] void refuse_undecodable(const DicomSlice& slice) {
  throw Error(
      fmt::format("{}: its pixels cannot be decoded ({}), expected a whole DICOM image; copy or download the file "
                  "again, or remove it",
                  slice.name(), DcmXfer(slice.file->transfer_syntax.c_str()).getXferName()));
}

std::uint32_t bits(std::uint32_t stored, const PixelFormat& format) {
  return stored >> (format.high_bit + 1 - format.bits_stored);
}

/// The number whose lowest `bits_stored` bits are these (PS3.5, 8.1.1).
double number(std::uint32_t raw, const PixelFormat& format) {
  const int unused = 32 - format.bits_stored;
  const std::uint32_t high = raw << unused;
  return format.is_signed ? static_cast<double>(static_cast<std::int32_t>(high) >> unused)
                          : static_cast<double>(high >> unused);
}

template <class Stored>
void unpack(const std::vector<std::byte>& bytes, const DicomSlice& slice, std::span<double> values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, bytes.data() + i * sizeof stored, sizeof stored);
    values[i] =
        slice.image.slope * number(bits(stored, slice.file->format), slice.file->format) + slice.image.intercept;
  }
}

std::uint32_t frame_index(const DicomSlice& slice) {
  return slice.image.frame_number == 0 ? 0 : static_cast<std::uint32_t>(slice.image.frame_number - 1);
}

/// What DCMTK knows to decode, in this machine's byte order.
void read_by_dcmtk(DcmDataset& data_set, DcmElement& pixels, const DicomSlice& slice, std::span<double> values) {
  const std::size_t pixel_bytes = static_cast<std::size_t>(slice.file->format.bits_allocated) / 8;
  std::vector<std::byte> bytes((values.size() * pixel_bytes + 1) / 2 * 2);  // it wants an even number
  Uint32 fragment = 0;
  OFString colours;
  const OFCondition read = pixels.getUncompressedFrame(&data_set, frame_index(slice), fragment, bytes.data(),
                                                       static_cast<Uint32>(bytes.size()), colours);
  if (read.bad()) refuse_undecodable(slice);
  switch (pixel_bytes) {
    case 1: return unpack<std::uint8_t>(bytes, slice, values);
    case 2: return unpack<std::uint16_t>(bytes, slice, values);
    default: return unpack<std::uint32_t>(bytes, slice, values);
  }
}

std::vector<std::byte> bytes_of_frame(DcmPixelSequence& sequence, std::uint32_t frame, std::size_t frames) {
  Uint32 first = 0, end = static_cast<Uint32>(sequence.card());
  const auto count = static_cast<Sint32>(frames);
  if (DcmCodec::determineStartFragment(frame, count, &sequence, first).bad()) return {};
  if (frame + 1 < frames && DcmCodec::determineStartFragment(frame + 1, count, &sequence, end).bad()) return {};
  std::vector<std::byte> bytes;
  for (Uint32 i = first; i < end; ++i) {
    DcmPixelItem* item = nullptr;
    Uint8* content = nullptr;
    if (sequence.getItem(item, i).bad() || item->getUint8Array(content).bad()) return {};
    const auto* const begin = reinterpret_cast<const std::byte*>(content);
    if (begin) bytes.insert(bytes.end(), begin, begin + item->getLength());
    item->compact();
  }
  return bytes;
}

/// The bytes of a slice's fragments (PS3.5, A.4). Empty when they are not to be found.
std::vector<std::byte> compressed_bytes(DcmElement& pixels, const DicomSlice& slice) {
  DcmPixelSequence* sequence = nullptr;
  auto* const pixel_data = dynamic_cast<DcmPixelData*>(&pixels);
  E_TransferSyntax syntax = EXS_Unknown;
  const DcmRepresentationParameter* parameter = nullptr;
  if (!pixel_data) return {};
  pixel_data->getOriginalRepresentationKey(syntax, parameter);
  if (pixel_data->getEncapsulatedRepresentation(syntax, parameter, sequence).bad()) return {};
  return bytes_of_frame(*sequence, frame_index(slice), slice.file->images.size());
}

bool is_jpeg(E_TransferSyntax syntax) { return syntax >= EXS_JPEGProcess1 && syntax <= EXS_JPEGProcess14SV1; }

/// DCMTK does not look at the size that a JPEG image has by itself, and leaves zeros where it is less than the header's.
void check_jpeg_size(DcmElement& pixels, const DicomSlice& slice) {
  const JpegSize expected{.rows = slice.file->format.rows, .columns = slice.file->format.columns};
  if (jpeg_size(compressed_bytes(pixels, slice)) != expected) refuse_undecodable(slice);
}

void read_jpeg2000(DcmElement& pixels, const DicomSlice& slice, std::span<double> values) {
  const PixelFormat& format = slice.file->format;
  std::vector<std::int32_t> samples(values.size());
  if (!decode_jpeg2000(compressed_bytes(pixels, slice), format.rows, format.columns, samples))
    refuse_undecodable(slice);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = slice.image.slope * number(static_cast<std::uint32_t>(samples[i]), format) + slice.image.intercept;
}

bool is_jpeg2000(E_TransferSyntax syntax) { return syntax == EXS_JPEG2000 || syntax == EXS_JPEG2000LosslessOnly; }

void check_transfer_syntax(const DicomSlice& slice) {
  const DcmXfer xfer(slice.file->transfer_syntax.c_str());
  const E_TransferSyntax syntax = xfer.getXfer();
  const bool is_plain = syntax != EXS_Unknown && !xfer.isEncapsulated();
  if (is_plain || is_jpeg2000(syntax) || DcmCodecList::canChangeCoding(syntax, EXS_LittleEndianExplicit)) return;
  throw Error(
      fmt::format("{}: is compressed by {} ({}), expected no compression, deflate, RLE, JPEG, JPEG-LS or JPEG 2000; "
                  "convert it first",
                  slice.name(), xfer.getXferName(), slice.file->transfer_syntax));
}

}  // namespace

struct DicomPixels::State {
  std::shared_ptr<const DicomFile> file;
  std::unique_ptr<DcmFileFormat> format;
};

DicomPixels::DicomPixels() : state_(std::make_unique<State>()) {}
DicomPixels::~DicomPixels() = default;

void DicomPixels::close() { *state_ = {}; }

void DicomPixels::read(const DicomSlice& slice, std::span<double> values) {
  prepare_dcmtk();
  if (state_->file != slice.file) {
    close();
    auto format = std::make_unique<DcmFileFormat>();
    const OFCondition loaded = format->loadFileUntilTag(slice.file->path.c_str(), EXS_Unknown, EGL_noChange,
                                                        most_bytes_held, ERM_autoDetect, DcmTagKey(0x7fe0, 0x0011));
    if (loaded.bad()) refuse_undecodable(slice);
    *state_ = {slice.file, std::move(format)};
  }
  DcmDataset& data_set = *state_->format->getDataset();
  check_transfer_syntax(slice);
  DcmElement* pixels = nullptr;
  if (data_set.findAndGetElement(DCM_PixelData, pixels).bad()) refuse_undecodable(slice);
  const E_TransferSyntax syntax = data_set.getOriginalXfer();
  if (is_jpeg2000(syntax)) return read_jpeg2000(*pixels, slice, values);
  if (is_jpeg(syntax)) check_jpeg_size(*pixels, slice);
  read_by_dcmtk(data_set, *pixels, slice, values);
}

}  // namespace pulmoseg::volume
