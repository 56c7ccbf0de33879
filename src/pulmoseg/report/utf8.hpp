#pragma once
// Text from anywhere (file names, DICOM headers) as characters that may be drawn or written into a page (inside of report/
// only).

#include <string>
#include <string_view>
#include <vector>

namespace pulmoseg::report {

/// The characters of a UTF-8 text. Bytes that are no UTF-8 and control characters become question marks.
std::vector<std::string> characters(std::string_view text);

/// The same, joined.
std::string clean(std::string_view text);

}  // namespace pulmoseg::report
