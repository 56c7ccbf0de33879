#pragma once
// Pages that stand alone (inside of report/ only): nothing is fetched, so they open offline and years later.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace pulmoseg::report {

/// For the inside of an element or of a quoted attribute; what is no UTF-8 becomes a question mark.
std::string escaped(std::string_view text);

/// "data:image/png;base64,…" (RFC 2397, RFC 4648).
std::string png_uri(std::string_view png);

/// A picture of grey values, rows·columns, as a PNG file of 8 bits. Error when there is no memory for it.
std::string grey_png(std::int64_t rows, std::int64_t columns, std::span<const std::uint8_t> grey);

/// A whole document. `body` and `script` are taken as they are.
std::string html_page(std::string_view title, std::string_view body, std::string_view script = {});

}  // namespace pulmoseg::report
