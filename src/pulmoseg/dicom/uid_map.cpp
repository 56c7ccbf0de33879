#include "pulmoseg/dicom/uid_map.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <random>
#include <span>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/base/sha256.hpp"

namespace pulmoseg::dicom {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t key_digits = 64;

using Uuid = std::array<std::uint8_t, 16>;

void mark(Uuid& uuid, int version) {
  uuid[6] = static_cast<std::uint8_t>((uuid[6] & 0x0f) | (version << 4));
  uuid[8] = static_cast<std::uint8_t>((uuid[8] & 0x3f) | 0x80);
}

/// As the decimal number of 128 bits that it is.
std::string uid_of(Uuid uuid) {
  std::string digits;
  while (std::ranges::any_of(uuid, [](std::uint8_t byte) { return byte != 0; })) {
    unsigned rest = 0;
    for (auto& byte : uuid) {
      rest = rest * 256 + byte;
      byte = static_cast<std::uint8_t>(rest / 10);
      rest %= 10;
    }
    digits += static_cast<char>('0' + rest);
  }
  std::ranges::reverse(digits);
  return "2.25." + digits;
}

std::string random_key() {
  std::random_device random;
  std::string key;
  while (key.size() < key_digits) key += fmt::format("{:08x}", random());
  return key;
}

[[noreturn]] void fail(const fs::path& file, std::string_view what) {
  throw Error(fmt::format("{}: {}: {}", file.string(), what, std::strerror(errno)));
}

/// Whole or not at all; an older one stays.
void make_key(const fs::path& file) {
  OutputFile made(file);
  ::chmod(made.temporary_path().c_str(), 0600);
  made.write(random_key() + "\n");
  if (::link(made.temporary_path().c_str(), file.c_str()) != 0 && errno != EEXIST) fail(file, "cannot be written");
}

}  // namespace

std::string new_uid() {
  std::random_device random;
  Uuid uuid;
  for (std::size_t i = 0; i < uuid.size(); i += 4) {
    const std::uint32_t bits = random();
    std::memcpy(&uuid[i], &bits, sizeof bits);
  }
  mark(uuid, 4);
  return uid_of(uuid);
}

UidMap UidMap::of_folder(const fs::path& folder) {
  const fs::path file = folder / "uids.key";
  if (!fs::exists(file)) make_key(file);
  std::string key = read_file(file);
  while (key.ends_with('\n')) key.pop_back();
  if (key.size() != key_digits || key.find_first_not_of("0123456789abcdef") != std::string::npos) {
    throw Error(fmt::format("{}: holds no key, expected {} hexadecimal digits; remove it and a new one is made",
                            file.string(), key_digits));
  }
  return UidMap(std::move(key));
}

std::string UidMap::operator()(std::string_view uid) const {
  const std::string text = key_ + std::string(uid), hash = sha256(std::as_bytes(std::span(text)));
  Uuid uuid;
  for (std::size_t i = 0; i < uuid.size(); ++i)
    uuid[i] = static_cast<std::uint8_t>(std::stoi(hash.substr(2 * i, 2), nullptr, 16));
  mark(uuid, 8);
  return uid_of(uuid);
}

}  // namespace pulmoseg::dicom
