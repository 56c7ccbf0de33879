#pragma once
// ZIP files for tests, written byte by byte from PKWARE's APPNOTE and not by the library under test.

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace pulmoseg::test {

struct ZipOptions {
  std::uint16_t flags = 0;   ///< 4.4.4; 1: encrypted, 0x800: names in UTF-8
  std::uint16_t method = 0;  ///< 4.4.5; 8: the contents are deflated
};

/// The files by name and content, stored without compression. For another method the contents are given packed, and as large as
/// the archive says they are when unpacked.
std::string zip_bytes(const std::vector<std::pair<std::string, std::string>>& files, const ZipOptions& options = {});

/// A part of a deflate stream (RFC 1951) that can stand before others and before its end.
std::string deflated_part(const std::string& bytes);
inline const std::string deflate_end("\3\0", 2);

}  // namespace pulmoseg::test
