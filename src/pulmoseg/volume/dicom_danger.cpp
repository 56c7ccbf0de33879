#include "pulmoseg/volume/dicom_danger.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pulmoseg/base/output_file.hpp"

namespace pulmoseg::volume {
namespace {

constexpr std::size_t most_levels = 64;

/// The items that are open at a place in the file, by where they end. Items and their ends are found by their tags alone
/// (PS3.5, 7.5), whatever stands between them: at worst an item too many is seen, among pixels that look like one.
class OpenItems {
 public:
  void enter(std::uint64_t at, std::uint32_t length) {
    while (!ends_.empty() && ends_.back() <= at) ends_.pop_back();
    ends_.push_back(length == 0xffffffff ? unknown : at + 8 + length);
  }
  void leave() {
    while (!ends_.empty() && ends_.back() != unknown) ends_.pop_back();
    if (!ends_.empty()) ends_.pop_back();
  }
  std::size_t depth() const { return ends_.size(); }

 private:
  static constexpr std::uint64_t unknown = std::numeric_limits<std::uint64_t>::max();
  std::vector<std::uint64_t> ends_;
};

std::uint32_t number(const char* bytes, bool big_endian) {
  std::uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | static_cast<unsigned char>(bytes[big_endian ? i : 3 - i]);
  return value;
}

bool is_deep(std::string_view bytes, bool big_endian) {
  const std::string_view group = big_endian ? std::string_view("\xff\xfe\xe0", 3) : std::string_view("\xfe\xff", 2);
  OpenItems open;
  for (std::size_t at = 0; (at = bytes.find(group, at)) != std::string_view::npos && at + 8 <= bytes.size(); ++at) {
    const std::uint32_t element = number(bytes.data() + at, big_endian);
    const std::uint32_t tag = big_endian ? element : element << 16 | element >> 16;
    if (tag == 0xfffee000) open.enter(at, number(bytes.data() + at + 4, big_endian));
    if (tag == 0xfffee00d) open.leave();
    if (open.depth() > most_levels) return true;
  }
  return false;
}

constexpr std::size_t most_unpacked_bytes = 1ULL << 30;

/// A deflated data set (PS3.5, A.5), or little more than the most that it may become; nothing when it has no end.
std::optional<std::string> inflated(std::string_view packed) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return std::nullopt;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string bytes;
  std::vector<char> buffer(1 << 16);
  int state = Z_OK;
  while (state == Z_OK && bytes.size() <= most_unpacked_bytes) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    state = inflate(&stream, Z_NO_FLUSH);
    bytes.append(buffer.data(), buffer.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  return state == Z_OK || state == Z_STREAM_END ? std::optional(std::move(bytes)) : std::nullopt;
}

}  // namespace

std::string reason_not_to_parse(const std::filesystem::path& file) {
  constexpr const char* deep = "holds sequences in sequences without end";
  const std::string bytes = read_file(file);
  const std::string_view meta = std::string_view(bytes).substr(0, 4096);
  if (meta.find("1.2.840.10008.1.2.1.99") != std::string_view::npos && bytes.size() > 144) {
    // Where the data set begins: after the group of meta information, whose length stands first (PS3.10, 7.1).
    const std::uint64_t begin = 144ULL + number(bytes.data() + 140, false);
    const auto unpacked = inflated(std::string_view(bytes).substr(std::min<std::uint64_t>(begin, bytes.size())));
    if (!unpacked) return "is cut short or damaged";
    if (unpacked->size() > most_unpacked_bytes) return "unpacks to more than 1 GiB";
    return is_deep(*unpacked, false) ? deep : "";
  }
  const bool big_endian = meta.find("1.2.840.10008.1.2.2") != std::string_view::npos;
  return is_deep(bytes, false) || (big_endian && is_deep(bytes, true)) ? deep : "";
}

}  // namespace pulmoseg::volume
