#include "pulmoseg/report/html.hpp"

#include <cairo.h>
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/report/html_style.hpp"
#include "pulmoseg/report/utf8.hpp"

namespace pulmoseg::report {
namespace {

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t here = std::min<std::size_t>(bytes.size() - i, 3);
    std::uint32_t three = 0;
    for (std::size_t j = 0; j < 3; ++j) three = three << 8 | (j < here ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (std::size_t j = 0; j < 4; ++j) text += j <= here ? digits[three >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

}  // namespace

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : clean(text)) {
    switch (c) {
      case '&': safe += "&amp;"; break;
      case '<': safe += "&lt;"; break;
      case '>': safe += "&gt;"; break;
      case '"': safe += "&quot;"; break;
      case '\'': safe += "&#39;"; break;
      default: safe += c;
    }
  }
  return safe;
}

std::string png_uri(std::string_view png) { return "data:image/png;base64," + base64(png); }

std::string grey_png(std::int64_t rows, std::int64_t columns, std::span<const std::uint8_t> grey) {
  // Cairo writes a surface of alpha values as a grey PNG.
  const std::unique_ptr<cairo_surface_t, decltype(&cairo_surface_destroy)> surface(
      cairo_image_surface_create(CAIRO_FORMAT_A8, static_cast<int>(columns), static_cast<int>(rows)),
      &cairo_surface_destroy);
  const auto check = [](cairo_status_t status) {
    if (status != CAIRO_STATUS_SUCCESS)
      throw Error(fmt::format("a picture cannot be drawn: {}", cairo_status_to_string(status)));
  };
  check(cairo_surface_status(surface.get()));
  cairo_surface_flush(surface.get());
  unsigned char* data = cairo_image_surface_get_data(surface.get());
  const int stride = cairo_image_surface_get_stride(surface.get());
  for (std::int64_t row = 0; row < rows; ++row) std::copy_n(grey.begin() + row * columns, columns, data + row * stride);
  cairo_surface_mark_dirty(surface.get());
  std::string bytes;
  const auto append = [](void* target, const unsigned char* from, unsigned int length) {
    try {
      static_cast<std::string*>(target)->append(reinterpret_cast<const char*>(from), length);
      return CAIRO_STATUS_SUCCESS;
    } catch (const std::exception&) {  // no exception may pass through Cairo's C code
      return CAIRO_STATUS_NO_MEMORY;
    }
  };
  check(cairo_surface_write_to_png_stream(surface.get(), append, &bytes));
  return bytes;
}

std::string html_page(std::string_view title, std::string_view body, std::string_view script) {
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src "
      "'unsafe-inline'{}\">\n<link rel=\"icon\" "
      "href=\"data:,\">\n<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n{}",
      script.empty() ? "" : "; script-src 'unsafe-inline'", escaped(title), html_style, body);
  if (!script.empty()) page += fmt::format("<script>{}</script>\n", script);
  return page + "</body>\n</html>\n";
}

}  // namespace pulmoseg::report
