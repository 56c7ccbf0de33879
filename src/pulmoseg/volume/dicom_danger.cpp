#include "pulmoseg/volume/dicom_danger.hpp"

#include <dcmtk/config/osconfig.h>
// osconfig.h comes first
#include <dcmtk/dcmdata/dctk.h>
#include <pthread.h>
#include <sys/mman.h>
#include <zlib.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/volume/dcmtk_log.hpp"

namespace pulmoseg::volume {
namespace {

constexpr std::size_t most_levels = 64;
constexpr std::size_t harmless_items = 1000, most_items = 1 << 20;
constexpr std::size_t stack_bytes_per_item = 4096;  // DCMTK 3.6.7 takes 1534 for a sequence and an item in it

std::size_t count(std::string_view bytes, std::string_view what) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = bytes.find(what, at)) != std::string_view::npos; at += what.size()) ++found;
  return found;
}

/// At most so many items (PS3.5, 7.5) are in a data set, and in each other: what looks like the beginning of one may be
/// something else.
std::size_t possible_items(std::string_view bytes) {
  return count(bytes, std::string_view("\xfe\xff\x00\xe0", 4)) + count(bytes, std::string_view("\xff\xfe\xe0\x00", 4));
}

constexpr std::size_t most_unpacked_bytes = 1ULL << 30;

/// A deflated data set (PS3.5, A.5), or little more than the most that it may become; nothing when it has no end.
std::optional<std::string> inflated(std::string_view packed) {
  z_stream stream{};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return std::nullopt;
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string bytes;
  std::vector<char> buffer(1 << 16);
  int state = Z_OK;
  while (state == Z_OK && bytes.size() <= most_unpacked_bytes) {
    stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
    stream.avail_out = static_cast<uInt>(buffer.size());
    state = inflate(&stream, Z_NO_FLUSH);
    bytes.append(buffer.data(), buffer.size() - stream.avail_out);
  }
  inflateEnd(&stream);
  return state == Z_OK || state == Z_STREAM_END ? std::optional(std::move(bytes)) : std::nullopt;
}

std::uint32_t number(const char* bytes) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

/// Runs `work` with stack enough for so many items in each other; memory is taken as it is used.
void run_with_stack_for(std::size_t items, std::function<void()> work) {
  if (items <= harmless_items) return work();
  const std::size_t size = (harmless_items + items) * stack_bytes_per_item;
  void* stack = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (stack == MAP_FAILED) throw Error("too little memory to look through a DICOM file");
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstack(&attributes, stack, size);
  pthread_t thread{};
  const auto run = [](void* asked) -> void* {
    (*static_cast<std::function<void()>*>(asked))();
    return nullptr;
  };
  const int failed = ::pthread_create(&thread, &attributes, run, &work);
  if (failed == 0) ::pthread_join(thread, nullptr);
  ::pthread_attr_destroy(&attributes);
  ::munmap(stack, size);
  if (failed != 0) throw Error("no thread to look through a DICOM file");
}

/// How deep items lie in each other. DCMTK needs stack for each level.
std::size_t levels_of(const std::filesystem::path& file) {
  DcmFileFormat content;
  content.loadFile(file.c_str());  // what it cannot read to the end may be deep before it
  DcmStack path;
  std::size_t most = 0;
  while (content.nextObject(path, OFTrue).good()) most = std::max<std::size_t>(most, path.card() / 2);
  return most;
}

}  // namespace

std::string reason_not_to_parse(const std::filesystem::path& file) {
  silence_dcmtk();
  const std::string bytes = read_file(file);
  std::size_t items = possible_items(bytes);
  constexpr const char* too_many = "holds more than a million items";
  if (items > most_items) return too_many;
  OFString syntax;
  run_with_stack_for(items, [&] {
    DcmMetaInfo meta;
    if (meta.loadFile(file.c_str()).good()) meta.findAndGetOFString(DCM_TransferSyntaxUID, syntax);
  });
  if (syntax == UID_DeflatedExplicitVRLittleEndianTransferSyntax && bytes.size() > 144) {
    // Where the data set begins: after the group of meta information, whose length stands first (PS3.10, 7.1).
    const std::uint64_t begin = 144ULL + number(bytes.data() + 140);
    const auto unpacked = inflated(std::string_view(bytes).substr(std::min<std::uint64_t>(begin, bytes.size())));
    if (!unpacked) return "is cut short or damaged";
    if (unpacked->size() > most_unpacked_bytes) return "unpacks to more than 1 GiB";
    items += possible_items(*unpacked);
  }
  if (items > most_items) return too_many;
  if (items <= harmless_items) return "";
  std::size_t levels = 0;
  run_with_stack_for(items, [&] { levels = levels_of(file); });
  return levels > most_levels ? "holds sequences in sequences without end" : "";
}

}  // namespace pulmoseg::volume
