#pragma once
// SHA-256 (FIPS 180-4): names a file by its content, as `sha256sum` does.

#include <filesystem>
#include <span>
#include <string>

namespace pulmoseg {

/// 64 hexadecimal digits.
std::string sha256(std::span<const std::byte> bytes);

/// Of a whole file, read piece by piece. Error when it cannot be read.
std::string sha256_of_file(const std::filesystem::path& file);

}  // namespace pulmoseg
