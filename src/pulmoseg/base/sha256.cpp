#include "pulmoseg/base/sha256.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <new>
#include <vector>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg {
namespace {

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) throw std::bad_alloc();
  }

  void add(std::span<const std::byte> bytes) { EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()); }

  std::string finish() {
    std::vector<unsigned char> digest(32);
    EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr);
    return fmt::format("{:02x}", fmt::join(digest, ""));
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string sha256(std::span<const std::byte> bytes) {
  Sha256 hash;
  hash.add(bytes);
  return hash.finish();
}

std::string sha256_of_file(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::vector<char> piece(1 << 20);
  Sha256 hash;
  while (stream.read(piece.data(), std::ssize(piece)) || stream.gcount() > 0) {
    hash.add(std::as_bytes(std::span(piece).first(static_cast<std::size_t>(stream.gcount()))));
  }
  if (!stream.eof()) throw Error(fmt::format("{}: cannot be read: {}", file.string(), std::strerror(errno)));
  return hash.finish();
}

}  // namespace pulmoseg
