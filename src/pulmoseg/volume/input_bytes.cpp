#include "pulmoseg/volume/input_bytes.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <isa-l/igzip_lib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <vector>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::volume {
namespace {

std::string_view describe_damage(int status) {
  switch (status) {
    case ISAL_INVALID_WRAPPER:
    case ISAL_UNSUPPORTED_METHOD: return "no valid header";
    case ISAL_INCORRECT_CHECKSUM: return "a wrong checksum";
    default: return "an invalid block";
  }
}

}  // namespace

struct InputBytes::State {
  std::filesystem::path file;
  int descriptor = -1;
  std::uint64_t file_size = 0, offset = 0;
  std::uint64_t delivered = 0;
  bool gzip = false;
  inflate_state stream;
  std::uint64_t unpacked = 0;  ///< of this gzip member
  bool at_end = false;         ///< of the last
  bool first_member = true;
  std::vector<std::uint8_t> buffer;

  ~State() {
    if (descriptor >= 0) ::close(descriptor);
  }

  void start_member() {
    isal_inflate_reset(&stream);
    unpacked = 0;
  }

  std::size_t read_file(void* bytes, std::size_t count) {
    for (;;) {
      const ssize_t got = ::read(descriptor, bytes, count);
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) throw Error(fmt::format("{}: cannot be read: {}", file.string(), std::strerror(errno)));
    }
  }

  void refill() {
    if (stream.avail_in > 0) return;
    stream.next_in = buffer.data();
    stream.avail_in = static_cast<std::uint32_t>(read_file(buffer.data(), buffer.size()));
  }

  /// After the end of one member: is there another?
  bool next_member() {
    refill();
    if (stream.avail_in > 0 && stream.next_in[0] == 0x1f) {
      start_member();
      first_member = false;
      return true;
    }
    at_end = true;
    return false;
  }

  /// Unpacks into [next_out, next_out + avail_out) until it is full, the member ends or the file does. False: no more.
  bool inflate_some() {
    refill();
    const bool file_ended = stream.avail_in == 0;
    const std::uint32_t room = stream.avail_out;
    const int status = isal_inflate(&stream);
    unpacked += room - stream.avail_out;
    const bool damaged = status != ISAL_DECOMP_OK, stuck = file_ended && stream.avail_out == room;
    if (!damaged && stream.block_state == ISAL_BLOCK_FINISH) return next_member();
    if (!damaged && !stuck) return true;
    if (!first_member && unpacked == 0) {  // no further member, but other bytes behind the last
      at_end = true;
      return false;
    }
    if (!damaged) return false;
    throw Error(fmt::format("{}: is damaged: {} in its gzip stream after {} bytes; copy or download the file again",
                            file.string(), describe_damage(status), unpacked));
  }
};

InputBytes::InputBytes(const std::filesystem::path& file, std::uint64_t offset, Packing packing)
    : state_(std::make_unique<State>()) {
  state_->file = file;
  state_->offset = offset;
  state_->descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (state_->descriptor < 0 || ::fstat(state_->descriptor, &status) != 0) {
    throw Error(fmt::format("{}: cannot be read: {}", file.string(), std::strerror(errno)));
  }
  if (!S_ISREG(status.st_mode)) throw Error(fmt::format("{}: is not an ordinary file", file.string()));
  state_->file_size = static_cast<std::uint64_t>(status.st_size);

  std::array<unsigned char, 2> magic{};
  const bool has_magic = ::pread(state_->descriptor, magic.data(), 2, static_cast<off_t>(offset)) == 2 &&
                         magic[0] == 0x1f && magic[1] == 0x8b;
  state_->gzip = packing == Packing::gzip || (packing == Packing::by_content && has_magic);
  if (state_->gzip) {
    state_->buffer.resize(std::size_t{1} << 17);
    isal_inflate_init(&state_->stream);
    state_->stream.crc_flag = ISAL_GZIP;
  }
  restart();
}

InputBytes::InputBytes(InputBytes&&) noexcept = default;
InputBytes::~InputBytes() = default;

std::size_t InputBytes::read_some(std::span<std::byte> bytes) {
  State& state = *state_;
  std::size_t done = 0;
  while (done < bytes.size()) {
    // ISA-L counts in 32 bits.
    const std::size_t wanted = std::min(bytes.size() - done, std::size_t{1} << 30);
    std::size_t got = 0;
    if (state.gzip) {
      if (state.at_end) break;
      state.stream.next_out = reinterpret_cast<std::uint8_t*>(bytes.data() + done);
      state.stream.avail_out = static_cast<std::uint32_t>(wanted);
      const bool more = state.inflate_some();
      got = wanted - state.stream.avail_out;
      if (!more && got == 0) break;
    } else {
      got = state.read_file(bytes.data() + done, wanted);
      if (got == 0) break;
    }
    done += got;
  }
  state.delivered += done;
  return done;
}

void InputBytes::read(std::span<std::byte> bytes) {
  if (read_some(bytes) == bytes.size()) return;
  throw Error(
      fmt::format("{}: is cut short: ends after {} bytes{}, its header announces more; copy or download the file again",
                  state_->file.string(), state_->delivered, state_->gzip ? " (unpacked)" : ""));
}

void InputBytes::skip(std::uint64_t count) {
  std::array<std::byte, 1 << 16> ignored;
  while (count > 0) {
    const auto part = static_cast<std::size_t>(std::min<std::uint64_t>(count, ignored.size()));
    read(std::span(ignored).first(part));
    count -= part;
  }
}

void InputBytes::restart() {
  State& state = *state_;
  if (::lseek(state.descriptor, static_cast<off_t>(state.offset), SEEK_SET) < 0)
    throw Error(fmt::format("{}: cannot be read: {}", state.file.string(), std::strerror(errno)));
  state.delivered = 0;
  if (!state.gzip) return;
  state.start_member();
  state.stream.avail_in = 0;
  state.at_end = false;
  state.first_member = true;
}

void InputBytes::finish() {
  State& state = *state_;
  if (!state.gzip) return;
  std::vector<std::byte> ignored(std::size_t{1} << 16);
  while (!state.at_end) {
    state.stream.next_out = reinterpret_cast<std::uint8_t*>(ignored.data());
    state.stream.avail_out = static_cast<std::uint32_t>(ignored.size());
    if (!state.inflate_some() && !state.at_end) {
      throw Error(fmt::format("{}: is cut short: its gzip stream has no end; copy or download the file again",
                              state.file.string()));
    }
  }
}

void InputBytes::require(std::uint64_t count) const {
  const std::uint64_t packed = state_->file_size - std::min(state_->file_size, state_->offset);
  constexpr std::uint64_t largest_ratio = 1032;
  if (state_->gzip ? count / largest_ratio <= packed : count <= packed) return;
  throw Error(fmt::format("{}: is cut short: has {} bytes{}, its header announces {}; copy or download the file again",
                          state_->file.string(), packed, state_->gzip ? " (gzip)" : "", count));
}

}  // namespace pulmoseg::volume
