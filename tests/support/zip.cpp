#include "support/zip.hpp"

#include <zlib.h>

#include <cstdint>

namespace pulmoseg::test {
namespace {

std::string number(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i, value >>= 8) text += static_cast<char>(value);
  return text;
}

/// What a local header (4.3.7) and a central one (4.3.12) share.
std::string facts(const std::string& name, const std::string& content, const ZipOptions& options) {
  const auto crc = crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
  return number(20, 2) + number(options.flags, 2) + number(options.method, 2) + number(0, 4) + number(crc, 4) +
         number(content.size(), 4) + number(content.size(), 4) + number(name.size(), 2) + number(0, 2);
}

}  // namespace

std::string zip_bytes(const std::vector<std::pair<std::string, std::string>>& files, const ZipOptions& options) {
  std::string bytes, directory;
  for (const auto& [name, content] : files) {
    directory +=
        "PK\1\2" + number(20, 2) + facts(name, content, options) + number(0, 10) + number(bytes.size(), 4) + name;
    bytes += "PK\3\4" + facts(name, content, options) + name + content;
  }
  const std::string end = std::string("PK\5\6") + number(0, 4) + number(files.size(), 2) + number(files.size(), 2) +
                          number(directory.size(), 4) + number(bytes.size(), 4) + number(0, 2);
  return bytes + directory + end;
}

std::string deflated_part(const std::string& bytes) {
  z_stream stream{};
  deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -MAX_WBITS, MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, bytes.size()) + 16, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FULL_FLUSH);
  packed.resize(packed.size() - stream.avail_out);
  deflateEnd(&stream);
  return packed;
}

}  // namespace pulmoseg::test
