#include "pulmoseg/dataset/npy.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"

namespace pulmoseg::dataset {
namespace {

static_assert(std::endian::native == std::endian::little, "the arrays are mapped as they lie in the file");

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::size_t alignment = 64;  // numpy's own: the values start at a multiple of it

std::size_t bytes_of(NpyType type) { return type == NpyType::float32 ? 4 : 1; }
std::string_view descr(NpyType type) { return type == NpyType::float32 ? "<f4" : "|u1"; }
std::string_view word(NpyType type) { return type == NpyType::float32 ? "float32" : "uint8"; }

/// The Python dictionary of a header: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 256, 256), }
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  bool parse() {
    if (!take('{')) return false;
    while (!take('}')) {
      const auto key = quoted();
      if (!key || !take(':') || !value_of(*key)) return false;
      if (!take(',') && peek() != '}') return false;
    }
    skip_space();
    return text_.empty() && !descr.empty() && !fortran_order.empty() && has_shape_;
  }

  std::string_view descr;
  std::string_view fortran_order;  // True or False
  std::vector<std::int64_t> shape;

 private:
  void skip_space() { text_.remove_prefix(std::min(text_.find_first_not_of(" \n\t"), text_.size())); }
  char peek() {
    skip_space();
    return text_.empty() ? '\0' : text_.front();
  }
  bool take(char c) {
    if (peek() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  std::string_view take_until(std::string_view ends) {
    const auto length = std::min(text_.find_first_of(ends), text_.size());
    const auto taken = text_.substr(0, length);
    text_.remove_prefix(length);
    return taken;
  }
  std::optional<std::string_view> quoted() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') return std::nullopt;
    take(quote);
    const auto content = take_until(std::string_view(&quote, 1));
    if (!take(quote)) return std::nullopt;
    return content;
  }
  bool value_of(std::string_view key) {
    skip_space();
    if (key == "descr") {
      descr =
          peek() == '[' ? take_until("]") : quoted().value_or("");  // a list: a structured type, refused by name later
      return !descr.empty() && (peek() != ']' || take(']'));
    }
    if (key == "fortran_order") {
      fortran_order = take_until(",} ");
      return fortran_order == "True" || fortran_order == "False";
    }
    return key == "shape" && dimensions();
  }
  bool dimensions() {
    if (!take('(')) return false;
    while (!take(')')) {
      skip_space();
      const auto length = parse_number<std::int64_t>(take_until(",) "));
      if (!length || *length < 0) return false;
      shape.push_back(*length);
      if (!take(',') && peek() != ')') return false;
    }
    return has_shape_ = true;
  }

  std::string_view text_;
  bool has_shape_ = false;
};

/// Product of the lengths, or nothing when it does not fit: a shape is data from outside.
std::optional<std::size_t> count_values(std::span<const std::int64_t> shape) {
  std::size_t count = 1;
  for (const auto length : shape) {
    if (__builtin_mul_overflow(count, static_cast<std::size_t>(length), &count)) return std::nullopt;
  }
  return count;
}

}  // namespace

NpyFile NpyFile::open(const std::filesystem::path& file) {
  NpyFile array;
  array.file_ = file;
  array.map();
  array.parse_header();
  return array;
}

NpyFile::NpyFile(NpyFile&& other) noexcept
    : file_(std::move(other.file_)),
      mapping_(std::exchange(other.mapping_, nullptr)),
      length_(other.length_),
      offset_(other.offset_),
      count_(other.count_),
      type_(other.type_),
      shape_(std::move(other.shape_)) {}

NpyFile::~NpyFile() {
  if (mapping_) ::munmap(const_cast<std::byte*>(mapping_), length_);
}

void NpyFile::map() {
  const int descriptor = ::open(file_.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail(fmt::format("cannot be read: {}", std::strerror(errno)));
  struct stat facts {};
  const bool regular = ::fstat(descriptor, &facts) == 0 && S_ISREG(facts.st_mode);
  void* mapping = MAP_FAILED;
  if (regular && facts.st_size > 0) {
    mapping = ::mmap(nullptr, static_cast<std::size_t>(facts.st_size), PROT_READ, MAP_SHARED, descriptor, 0);
  }
  const int reason = errno;
  ::close(descriptor);
  if (!regular) fail("is not a file, expected a .npy array");
  if (facts.st_size == 0) fail("is empty, expected a .npy array");
  if (mapping == MAP_FAILED) fail(fmt::format("cannot be mapped: {}", std::strerror(reason)));
  mapping_ = static_cast<const std::byte*>(mapping);
  length_ = static_cast<std::size_t>(facts.st_size);
}

void NpyFile::fail(std::string_view what) const { throw Error(fmt::format("{}: {}", file_.string(), what)); }

void NpyFile::parse_header() {
  const std::string_view text(reinterpret_cast<const char*>(mapping_), length_);
  if (!text.starts_with(magic) || length_ < 12)
    fail("is not a .npy array; write it with numpy.save or pulmoseg prepare");
  const int version = text[6];
  if (version != 1 && version != 2) fail(fmt::format("is .npy version {}, expected 1 or 2", version));

  const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(static_cast<unsigned char>(text[i])); };
  const std::size_t start = version == 1 ? 10 : 12;
  std::size_t header_length = byte(8) | byte(9) << 8;
  if (version == 2) header_length |= byte(10) << 16 | byte(11) << 24;
  if (header_length > length_ - start) fail("is cut off inside its header; copy or prepare it again");
  offset_ = start + header_length;

  HeaderParser header(text.substr(start, header_length));
  if (!header.parse()) fail("has a damaged .npy header, expected descr, fortran_order and shape");
  if (header.descr == "<f4")
    type_ = NpyType::float32;
  else if (header.descr == "|u1" || header.descr == "<u1")
    type_ = NpyType::uint8;
  else
    fail(fmt::format("holds values of type {}, expected <f4 (float32) or |u1 (uint8); convert it with astype",
                     header.descr));
  if (header.fortran_order == "True") fail("is in Fortran order, expected C order; save numpy.ascontiguousarray of it");
  if (offset_ % bytes_of(type_) != 0) fail("has values at an odd offset; save it again with numpy.save");

  shape_ = header.shape;
  const auto count = count_values(shape_);
  std::size_t expected = 0;
  const bool fits = count && !__builtin_mul_overflow(*count, bytes_of(type_), &expected);
  if (!fits || expected != length_ - offset_) {
    fail(fmt::format("holds {} bytes of values, expected {} for shape ({}) of {}; copy or prepare it again",
                     length_ - offset_, fits ? fmt::to_string(expected) : "more than memory can hold",
                     fmt::join(shape_, ", "), word(type_)));
  }
  count_ = *count;
}

void NpyFile::require(NpyType type) const {
  if (type_ == type) return;
  fail(fmt::format("holds {}, expected {}", word(type_), word(type)));
}

std::span<const float> NpyFile::floats() const {
  require(NpyType::float32);
  return {reinterpret_cast<const float*>(mapping_ + offset_), count_};
}

std::span<const std::uint8_t> NpyFile::bytes() const {
  require(NpyType::uint8);
  return {reinterpret_cast<const std::uint8_t*>(mapping_ + offset_), count_};
}

NpyWriter::NpyWriter(const std::filesystem::path& file, NpyType type, std::vector<std::int64_t> row_shape)
    : file_(file), output_(file), type_(type), row_shape_(std::move(row_shape)) {
  const auto count = count_values(row_shape_);
  if (!count || *count == 0)
    throw Error(fmt::format("{}: cannot hold rows of shape ({})", file_.string(), fmt::join(row_shape_, ", ")));
  row_bytes_ = *count * bytes_of(type_);
  // Room for the largest number of rows, so that the true one fits when it is known.
  header_bytes_ = 0;
  header_bytes_ = (header(std::numeric_limits<std::int64_t>::max()).size() + alignment - 1) / alignment * alignment;
  output_.write(header(0));
}

std::string NpyWriter::header(std::int64_t rows) const {
  std::string shape = fmt::format("{},", rows);
  for (const auto length : row_shape_) shape += fmt::format(" {},", length);
  if (!row_shape_.empty()) shape.pop_back();  // a Python tuple of one keeps its comma
  const std::string dictionary =
      fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", descr(type_), shape);
  const std::size_t start = magic.size() + 4;
  const std::size_t length = std::max(header_bytes_, start + dictionary.size() + 1) - start;
  std::string text(magic);
  text += {'\x01', '\x00', static_cast<char>(length & 0xff), static_cast<char>(length >> 8)};
  text += dictionary;
  text.append(length - dictionary.size() - 1, ' ');
  return text + '\n';
}

void NpyWriter::write_row(std::int64_t row, std::span<const float> values) {
  write_bytes(row, NpyType::float32, std::as_bytes(values));
}

void NpyWriter::write_row(std::int64_t row, std::span<const std::uint8_t> values) {
  write_bytes(row, NpyType::uint8, std::as_bytes(values));
}

void NpyWriter::write_bytes(std::int64_t row, NpyType type, std::span<const std::byte> bytes) {
  if (type != type_ || bytes.size() != row_bytes_ || row < 0) {
    throw Error(fmt::format("{}: row {} has {} bytes of {}, expected {} of {}", file_.string(), row, bytes.size(),
                            word(type), row_bytes_, word(type_)));
  }
  const auto index = static_cast<std::size_t>(row);
  output_.write_at(header_bytes_ + index * row_bytes_, bytes);
  if (written_.size() <= index) written_.resize(index + 1);
  written_[index] = true;
}

void NpyWriter::commit(std::int64_t rows) {
  const auto missing = std::ranges::find(written_, false) - written_.begin();
  if (missing != rows || std::ssize(written_) != rows) {
    throw Error(
        fmt::format("{}: row {} was not written or is beyond the {} rows expected", file_.string(), missing, rows));
  }
  const std::string final_header = header(rows);
  output_.write_at(0, std::as_bytes(std::span(final_header)));
  output_.commit();
}

}  // namespace pulmoseg::dataset
