#pragma once
// NumPy's .npy files: read through a memory map, written row by row.
//
// Follows the format's own description (numpy.lib.format, versions 1.0 and 2.0). Of what the format allows, pulmoseg
// uses little-endian float32 and uint8 in C order; everything else is refused by name.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pulmoseg/base/output_file.hpp"

namespace pulmoseg::dataset {

enum class NpyType { float32, uint8 };

/// An array in a file, mapped into memory: opening costs nothing however large the file is, and pages are read when
/// touched.
///
/// Errors: opening throws Error when the file is missing, is no .npy file, holds another type or order, or is shorter
/// or longer than its shape says. Threads: reading from several at once is safe.
class NpyFile {
 public:
  static NpyFile open(const std::filesystem::path& file);
  NpyFile(NpyFile&& other) noexcept;
  NpyFile& operator=(NpyFile&&) = delete;
  ~NpyFile();

  const std::filesystem::path& file() const { return file_; }
  NpyType type() const { return type_; }
  const std::vector<std::int64_t>& shape() const { return shape_; }

  /// The whole array, the last index running fastest. Error when the file holds the other type.
  std::span<const float> floats() const;
  std::span<const std::uint8_t> bytes() const;

 private:
  NpyFile() = default;
  void map();
  void parse_header();
  void require(NpyType type) const;
  [[noreturn]] void fail(std::string_view what) const;

  std::filesystem::path file_;
  const std::byte* mapping_ = nullptr;
  std::size_t length_ = 0;  ///< of the file
  std::size_t offset_ = 0;  ///< of the first value
  std::size_t count_ = 0;
  NpyType type_ = NpyType::float32;
  std::vector<std::int64_t> shape_;
};

/// An array in the making: rows of one shape, written in any order, their number known at the end.
/// The file appears when commit() is called, else never. numpy.load(..., mmap_mode='r') reads it.
///
/// Errors: Error when the disk is full or the folder cannot be written, or when commit() finds a row that was not
/// written. Threads: one at a time.
class NpyWriter {
 public:
  NpyWriter(const std::filesystem::path& file, NpyType type, std::vector<std::int64_t> row_shape);

  /// `values` has as many elements as a row, of the writer's type.
  void write_row(std::int64_t row, std::span<const float> values);
  void write_row(std::int64_t row, std::span<const std::uint8_t> values);

  void commit(std::int64_t rows);

 private:
  void write_bytes(std::int64_t row, NpyType type, std::span<const std::byte> bytes);
  std::string header(std::int64_t rows) const;

  std::filesystem::path file_;
  OutputFile output_;
  NpyType type_;
  std::vector<std::int64_t> row_shape_;
  std::size_t row_bytes_;
  std::size_t header_bytes_;
  std::vector<bool> written_;
};

}  // namespace pulmoseg::dataset
