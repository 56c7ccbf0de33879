#include "segment_fingerprint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <optional>
#include <span>
#include <vector>

#include "pulmoseg/base/sha256.hpp"
#include "pulmoseg/volume/dicom_series.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;

/// A DICOM header, or the header and the first voxels; at the other end, gzip keeps a checksum of everything.
constexpr std::uintmax_t end_bytes = 1 << 16;

std::optional<fs::path> first_dicom_file(const fs::path& folder, const fs::path& results) {
  std::vector<fs::path> content;
  std::error_code unreadable;
  for (const auto& entry : fs::directory_iterator(folder, unreadable)) {
    if (!entry.path().filename().string().starts_with('.')) content.push_back(entry.path());
  }
  std::ranges::sort(content);
  const bool holds_results = fs::equivalent(folder, results, unreadable);
  for (const auto& path : content) {
    if (fs::is_directory(path)) {
      if (const auto found = first_dicom_file(path, results)) return found;
    } else if (!holds_results && volume::is_dicom_file(path)) {
      return path;
    }
  }
  return std::nullopt;
}

std::string sha256_of(const std::string& text) { return sha256(std::as_bytes(std::span(text))); }

std::string fingerprint_of_file(const fs::path& file) {
  std::error_code unreadable;
  const std::uintmax_t size = fs::file_size(file, unreadable);
  if (unreadable) return "";
  const std::uintmax_t at_each_end = std::min(size, end_bytes);
  std::ifstream stream(file, std::ios::binary);
  std::string text = fmt::format("{} ", size);
  for (const std::uintmax_t begin : {std::uintmax_t{0}, size - at_each_end}) {
    std::string bytes(at_each_end, '\0');
    stream.seekg(static_cast<std::streamoff>(begin));
    stream.read(bytes.data(), std::ssize(bytes));
    text += bytes;
  }
  return stream ? sha256_of(text) : "";
}

}  // namespace

std::string fingerprint_of(const SegmentCase& planned) {
  if (planned.deidentify || !planned.source_copies.empty()) return "";
  if (!planned.fetched.empty()) return sha256_of(planned.input.string());
  const fs::path first = std::ranges::min(planned.files);  // in whatever order they were named
  if (!fs::is_directory(first)) return fingerprint_of_file(first);
  const auto file = first_dicom_file(first, planned.measurements.parent_path());
  return file ? fingerprint_of_file(*file) : "";
}

}  // namespace pulmoseg::cli
