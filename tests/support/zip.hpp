#pragma once
// ZIP files for tests, written byte by byte from PKWARE's APPNOTE and not by the library under test.

#include <string>
#include <utility>
#include <vector>

namespace pulmoseg::test {

/// The files by name and content, stored without compression.
std::string zip_bytes(const std::vector<std::pair<std::string, std::string>>& files);

}  // namespace pulmoseg::test
