#include "support/nifti.hpp"

#include <cstring>
#include <fstream>
#include <functional>
#include <numeric>

namespace pulmoseg::test {
namespace {

template <class Value>
void put(std::string& header, std::size_t offset, Value value) {
  std::memcpy(header.data() + offset, &value, sizeof value);
}

}  // namespace

// Offsets: nifti1.h, struct nifti_1_header.
std::string nifti_bytes(const NiftiFile& file) {
  std::string bytes(352, '\0');
  put(bytes, 0, std::int32_t{348});
  put(bytes, 40, static_cast<std::int16_t>(file.size.size()));
  for (std::size_t i = 0; i < 7; ++i) put(bytes, 42 + 2 * i, i < file.size.size() ? file.size[i] : std::int16_t{1});
  put(bytes, 70, std::int16_t{16});  // float32
  put(bytes, 72, std::int16_t{32});
  for (std::size_t i = 0; i < 3; ++i) put(bytes, 80 + 4 * i, file.spacing[i]);
  put(bytes, 108, 352.0F);   // where the voxels begin
  put(bytes, 123, char{2});  // millimetres
  if (file.with_geometry) {
    put(bytes, 254, std::int16_t{1});
    for (std::size_t i = 0; i < 3; ++i) {
      std::array<float, 4> row{};
      row[i] = file.spacing[i];
      row[3] = file.origin[i];
      if (file.affine) row = (*file.affine)[i];
      put(bytes, 280 + 16 * i, row);
    }
  }
  std::memcpy(bytes.data() + 344, "n+1", 4);

  const auto count = std::accumulate(file.size.begin(), file.size.end(), std::size_t{1}, std::multiplies<>());
  std::vector<float> voxels = file.voxels;
  voxels.resize(count);
  bytes.append(reinterpret_cast<const char*>(voxels.data()), count * sizeof(float));
  return bytes;
}

void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << bytes;
}

void write_nifti(const std::filesystem::path& path, const NiftiFile& file) { write_bytes(path, nifti_bytes(file)); }

}  // namespace pulmoseg::test
