#pragma once
// Small NIfTI-1 files for tests, written byte by byte from nifti1.h and not by the code under test, so that what is wrong
// with a file can be chosen.

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace pulmoseg::test {

struct NiftiFile {
  std::vector<std::int16_t> size{4, 4, 3};  ///< x, y, z …
  std::array<float, 3> spacing{1, 1, 1};
  bool with_geometry = true;  ///< sform code 1: spacing along RAS, origin at `origin`
  std::array<float, 3> origin{0, 0, 0};
  std::optional<std::array<std::array<float, 4>, 3>> affine{};  ///< the sform itself, in place of spacing and origin
  std::vector<float> voxels;                                    ///< float32, x fastest; zeros when empty
};

/// The bytes of a .nii file.
std::string nifti_bytes(const NiftiFile& file);

/// Writes it as `.nii`.
void write_nifti(const std::filesystem::path& path, const NiftiFile& file);

/// Any bytes as a file.
void write_bytes(const std::filesystem::path& path, const std::string& bytes);

}  // namespace pulmoseg::test
