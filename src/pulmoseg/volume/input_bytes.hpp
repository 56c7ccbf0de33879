#pragma once
// The bytes of an image file one after the other, gzip unpacked on the way. Internal to volume/.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace pulmoseg::volume {

/// A stream over a file from a byte on. Where a gzip stream (RFC 1952) is expected, its length and checksum are
/// verified; several members in a row are one stream, and what follows after the last is ignored.
///
/// Errors: Error that names the file, for one that cannot be read, is cut short or damaged. Threads: one at a time.
class InputBytes {
 public:
  enum class Packing { none, gzip, by_content };

  InputBytes(const std::filesystem::path& file, std::uint64_t offset, Packing packing);
  InputBytes(InputBytes&&) noexcept;
  ~InputBytes();

  /// Fills `bytes`, or as many as there are left; returns how many.
  std::size_t read_some(std::span<std::byte> bytes);

  /// Fills `bytes`; Error "is cut short" when there are not as many left.
  void read(std::span<std::byte> bytes);

  void skip(std::uint64_t count);  ///< Error as read()

  void restart();  ///< the first byte is the next one again

  /// To be called after the last byte of interest: verifies the checksum of the gzip member that holds it.
  void finish();

  /// Error "is cut short" when the file cannot hold `count` bytes, so that a header that lies is found out before
  /// memory is taken: deflate cannot shrink data more than 1032-fold (RFC 1951: 258 bytes from 2 bits).
  void require(std::uint64_t count) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pulmoseg::volume
