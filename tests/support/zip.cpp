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
std::string facts(const std::string& name, const std::string& content) {
  const auto crc = crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
  return number(20, 2) + number(0, 8) + number(crc, 4) + number(content.size(), 4) + number(content.size(), 4) +
         number(name.size(), 2) + number(0, 2);
}

}  // namespace

std::string zip_bytes(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string bytes, directory;
  for (const auto& [name, content] : files) {
    directory += "PK\1\2" + number(20, 2) + facts(name, content) + number(0, 10) + number(bytes.size(), 4) + name;
    bytes += "PK\3\4" + facts(name, content) + name + content;
  }
  const std::string end = std::string("PK\5\6") + number(0, 4) + number(files.size(), 2) + number(files.size(), 2) +
                          number(directory.size(), 4) + number(bytes.size(), 4) + number(0, 2);
  return bytes + directory + end;
}

}  // namespace pulmoseg::test
