#include "pulmoseg/volume/unpacked_zip.hpp"

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <locale.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;

constexpr std::uint64_t most_files = 100'000, most_bytes = 64ULL << 30, most_growth = 200, free_bytes = 256ULL << 20;

[[noreturn]] void refuse(const fs::path& archive, std::string_view found, std::string_view expected) {
  throw Error(fmt::format("{}: {}, expected {}", archive.string(), found, expected));
}

/// Counts what was unpacked, so that a small archive cannot fill the disk.
class Limits {
 public:
  explicit Limits(const fs::path& archive)
      : archive_(archive), most_(std::min(most_bytes, std::max(free_bytes, most_growth * fs::file_size(archive)))) {}
  void add_file() {
    if (++files_ > most_files)
      refuse(archive_, fmt::format("holds more than {} files", most_files), "a DICOM study; unpack it yourself");
  }
  void add(std::uint64_t bytes) {
    bytes_ += bytes;
    if (bytes_ > most_)
      refuse(archive_, fmt::format("unpacks to more than {} bytes", most_), "a DICOM study; unpack it yourself");
  }

 private:
  const fs::path& archive_;
  std::uint64_t most_, files_ = 0, bytes_ = 0;
};

/// While it lives, this thread has a locale of UTF-8: in the plain one libarchive loses names with letters beyond ASCII.
class Utf8Locale {
 public:
  Utf8Locale() : own_(newlocale(LC_CTYPE_MASK, "C.UTF-8", locale_t{})), before_(uselocale(own_)) {}
  ~Utf8Locale() {
    uselocale(before_);
    if (own_) freelocale(own_);
  }
  Utf8Locale(const Utf8Locale&) = delete;
  Utf8Locale& operator=(const Utf8Locale&) = delete;

 private:
  locale_t own_, before_;  // without one of its own the thread keeps what it has
};

class Reader {
 public:
  explicit Reader(const fs::path& file) : file_(file), archive_(archive_read_new()) {
    archive_read_support_format_zip(archive_);
    if (archive_read_open_filename(archive_, file.c_str(), 1 << 20) != ARCHIVE_OK) fail();
  }
  ~Reader() { archive_read_free(archive_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  archive_entry* next() {
    archive_entry* entry = nullptr;
    const int state = archive_read_next_header(archive_, &entry);
    if (state == ARCHIVE_EOF) return nullptr;
    if (state != ARCHIVE_OK && state != ARCHIVE_WARN) fail();
    if (archive_entry_is_data_encrypted(entry))
      refuse(file_, "is encrypted", "a ZIP without a password; unpack it yourself");
    return entry;
  }

  /// Of the entry that came last; 0 at its end.
  std::size_t read(std::vector<char>& buffer) {
    const la_ssize_t count = archive_read_data(archive_, buffer.data(), buffer.size());
    if (count < 0) fail();
    return static_cast<std::size_t>(count);
  }

 private:
  [[noreturn]] void fail() {
    refuse(file_, "is a ZIP that is cut short or damaged", "a whole one; copy or download it again");
  }

  const fs::path& file_;
  archive* archive_;
};

/// Where an entry goes. Nothing is a link in a folder that only this code fills, so names alone could lead out of it.
fs::path inside(const fs::path& folder, const fs::path& name, const fs::path& archive) {
  const bool leads_out =
      name.is_absolute() || std::ranges::any_of(name, [](const fs::path& part) { return part == ".."; });
  if (leads_out) refuse(archive, fmt::format("holds a file named {}", name.string()), "names inside of one folder");
  return folder / name;
}

void write_entry(Reader& reader, const fs::path& target, const fs::path& archive, Limits& limits) {
  std::error_code error;
  fs::create_directories(target.parent_path(), error);
  if (fs::exists(target)) refuse(archive, fmt::format("holds {} twice", target.filename().string()), "each file once");
  std::ofstream file(target, std::ios::binary);
  std::vector<char> buffer(1 << 20);
  while (const std::size_t count = reader.read(buffer)) {
    limits.add(count);
    file.write(buffer.data(), static_cast<std::streamsize>(count));
  }
  file.close();
  if (!file) {
    throw Error(fmt::format("{}: cannot be unpacked into {}; make room there, or name another folder in TMPDIR",
                            archive.string(), target.parent_path().string()));
  }
}

bool is_hidden(const fs::path& name) {
  return std::ranges::any_of(
      name, [](const fs::path& part) { return part.string().starts_with('.') && part != "." && part != ".."; });
}

std::string name_of(archive_entry* entry, const fs::path& archive) {
  const char* const name = archive_entry_pathname(entry);
  if (!name) refuse(archive, "holds a file whose name cannot be read", "names in UTF-8; unpack it yourself");
  return name;
}

void unpack(const fs::path& archive, const fs::path& folder) {
  const Utf8Locale locale;
  Limits limits(archive);
  Reader reader(archive);
  while (archive_entry* const entry = reader.next()) {
    if (archive_entry_filetype(entry) != AE_IFREG) continue;
    const std::string name = name_of(entry, archive);
    const fs::path path = inside(folder, name, archive);
    limits.add_file();
    if (is_hidden(name)) continue;
    write_entry(reader, path, archive, limits);
  }
}

fs::path private_folder() {
  std::error_code error;
  const fs::path parent = fs::temp_directory_path(error);
  if (error)
    throw Error(
        fmt::format("the folder for temporary files cannot be used: {}; name another in TMPDIR", error.message()));
  std::string name = (parent / "pulmoseg-XXXXXX").string();
  if (!mkdtemp(name.data())) throw Error(fmt::format("{}: cannot be made: {}", name, std::strerror(errno)));
  return name;
}

}  // namespace

bool looks_like_zip(const fs::path& file) {
  std::array<char, 4> begin{};
  std::ifstream(file, std::ios::binary).read(begin.data(), begin.size());
  return std::string_view(begin.data(), 4) == std::string_view("PK\3\4", 4);
}

UnpackedZip::UnpackedZip(const fs::path& archive) : folder_(private_folder()) {
  try {
    unpack(archive, folder_);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
    throw;
  }
}

UnpackedZip::~UnpackedZip() {
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

}  // namespace pulmoseg::volume
