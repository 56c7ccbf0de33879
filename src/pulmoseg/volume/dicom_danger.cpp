#include "pulmoseg/volume/dicom_danger.hpp"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcistrmf.h>
#include <dcmtk/dcmdata/dctk.h>
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/dcmtk_log.hpp"

namespace pulmoseg::volume {
namespace {

constexpr std::int64_t most_stack_bytes = 1 << 20;
constexpr std::uint64_t most_reads = 1 << 23;  // tag, length and value of an element are read one by one
constexpr std::uint64_t most_unpacked_bytes = 1 << 30;
constexpr const char* cut_or_damaged = "is cut short or damaged";
constexpr const char* too_much = "unpacks to 1 GiB or more";

/// A file that ends where a limit is reached. DCMTK reads an item inside of an item by a call inside of a call, so the stack
/// shows how deep it is, whatever a file says about lengths and ends. Long values are skipped, unless they are deflated.
class LimitedStream : public DcmInputFileStream {
 public:
  explicit LimitedStream(const std::filesystem::path& file)
      : DcmInputFileStream(file.c_str()), begin_of_stack_(stack_address()) {}

  OFBool good() const override { return reached_.empty() && DcmInputFileStream::good(); }
  OFCondition status() const override { return reached_.empty() ? DcmInputFileStream::status() : EC_CorruptedData; }
  offile_off_t read(void* buffer, offile_off_t length) override {
    if (begin_of_stack_ - stack_address() > most_stack_bytes) reached_ = "holds sequences in sequences without end";
    if (++reads_ > most_reads) reached_ = "has millions of elements";
    if (!reached_.empty()) return 0;
    const offile_off_t count = DcmInputFileStream::read(buffer, std::min<offile_off_t>(length, most_unpacked_bytes));
    bytes_ += static_cast<std::uint64_t>(count);
    if (bytes_ >= most_unpacked_bytes) reached_ = too_much;
    return count;
  }

  const std::string& reached() const { return reached_; }

 private:
  static std::int64_t stack_address() { return reinterpret_cast<std::intptr_t>(__builtin_frame_address(0)); }

  std::int64_t begin_of_stack_;
  std::uint64_t reads_ = 0, bytes_ = 0;
  std::string reached_;
};

std::string reason_found_in_parsing(const std::filesystem::path& file) {
  constexpr Uint32 most_bytes_held = 4096;
  silence_dcmtk();
  LimitedStream stream(file);
  DcmFileFormat format;
  format.transferInit();
  try {
    format.read(stream, EXS_Unknown, EGL_noChange, most_bytes_held);
  } catch (const std::logic_error&) {  // it cuts a text of wrong length at a place that it does not have
    return cut_or_damaged;
  }
  format.transferEnd();
  return stream.reached();
}

/// Of a deflated data set (PS3.5, A.5), which the stream has before it.
std::string reason_found_in_unpacking(std::istream& packed) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) throw std::bad_alloc();
  std::array<char, 1 << 16> in;
  std::vector<Bytef> out(1 << 16);
  int state = Z_OK;
  while (state == Z_OK && stream.total_out < most_unpacked_bytes) {
    if (stream.avail_in == 0) {
      packed.read(in.data(), in.size());
      stream.next_in = reinterpret_cast<Bytef*>(in.data());
      stream.avail_in = static_cast<uInt>(packed.gcount());
    }
    stream.next_out = out.data();
    stream.avail_out = static_cast<uInt>(out.size());
    state = inflate(&stream, Z_NO_FLUSH);
  }
  inflateEnd(&stream);
  if (state == Z_STREAM_END) return "";
  return state == Z_OK ? too_much : cut_or_damaged;
}

/// Where the data set begins: after the group of meta information, whose length stands first (PS3.10, 7.1).
std::int64_t end_of_meta(std::string_view begin) {
  std::uint32_t length = 0;
  for (std::size_t i = 0; i < 4; ++i)
    length |= static_cast<std::uint32_t>(static_cast<unsigned char>(begin[140 + i])) << 8 * i;
  return 144 + std::int64_t{length};
}

}  // namespace

std::string reason_not_to_parse(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw Error(fmt::format("{}: cannot be read: {}", file.string(), std::strerror(errno)));
  std::string begin(4096, '\0');
  stream.read(begin.data(), static_cast<std::streamsize>(begin.size()));
  begin.resize(static_cast<std::size_t>(stream.gcount()));
  if (begin.size() >= 144 && begin.find("1.2.840.10008.1.2.1.99") != std::string::npos) {
    stream.clear();
    stream.seekg(end_of_meta(begin));
    if (std::string reason = reason_found_in_unpacking(stream); !reason.empty()) return reason;
  }
  return reason_found_in_parsing(file);
}

}  // namespace pulmoseg::volume
