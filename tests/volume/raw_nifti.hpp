#pragma once
// NIfTI files put together byte by byte, independent of the code under test, for good files and bad ones.

#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace pulmoseg::test {

/// A NIfTI-1 header of 352 bytes: int16, 3-D, 1 mm, sform = diag(-1, -1, 1) (stored as L-P-S), no scaling.
class RawNifti {
 public:
  explicit RawNifti(std::array<std::int16_t, 3> size);

  template <class T>
  RawNifti& put(std::size_t offset, T value) {
    std::memcpy(bytes_.data() + offset, &value, sizeof value);
    return *this;
  }
  RawNifti& dim(std::vector<std::int16_t> values);
  RawNifti& type(std::int16_t datatype);
  RawNifti& sform(const std::array<std::array<float, 4>, 3>& rows);

  template <class T>
  std::string with(const std::vector<T>& voxels) const {
    return bytes_ + std::string(reinterpret_cast<const char*>(voxels.data()), voxels.size() * sizeof(T));
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

std::string gzip(std::string_view bytes);
std::string gunzip(std::string_view bytes);
std::string file_bytes(const std::filesystem::path& file);
void save(const std::filesystem::path& file, std::string_view bytes);

/// The message of the Error that opening and reading all of `file` throws; "" when it throws none.
std::string reading_error(const std::filesystem::path& file);

}  // namespace pulmoseg::test
