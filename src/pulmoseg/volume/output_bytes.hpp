#pragma once
// Bytes into a file that appears whole, from a point on gzipped. Internal to volume/.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>

namespace pulmoseg::volume {

/// Errors: Error that names the file. Threads: one at a time.
class OutputBytes {
 public:
  explicit OutputBytes(const std::filesystem::path& file);
  OutputBytes(OutputBytes&&) noexcept;
  ~OutputBytes();

  /// Masks are long runs of one value: looked at as such they are packed several times faster, and smaller.
  enum class Content { any, mask };

  /// What is written from now on becomes one gzip member without name and time: equal voxels give equal files.
  void start_gzip(Content content);
  void write(std::span<const std::byte> bytes);
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pulmoseg::volume
