#include "pulmoseg/volume/output_bytes.hpp"

#include <zlib.h>

#include <algorithm>
#include <new>
#include <vector>

#include "pulmoseg/base/output_file.hpp"

namespace pulmoseg::volume {

struct OutputBytes::State {
  explicit State(const std::filesystem::path& path) : file(path) {}
  ~State() {
    if (gzip) deflateEnd(&stream);
  }

  void deflate_all(int flush) {
    int status = Z_OK;
    do {
      stream.next_out = buffer.data();
      stream.avail_out = static_cast<uInt>(buffer.size());
      status = ::deflate(&stream, flush);
      file.write(std::as_bytes(std::span(buffer)).first(buffer.size() - stream.avail_out));
    } while (stream.avail_out == 0 || (flush == Z_FINISH && status != Z_STREAM_END));
  }

  OutputFile file;
  bool gzip = false;
  z_stream stream{};
  std::vector<Bytef> buffer;
};

OutputBytes::OutputBytes(const std::filesystem::path& file) : state_(std::make_unique<State>(file)) {}
OutputBytes::OutputBytes(OutputBytes&&) noexcept = default;
OutputBytes::~OutputBytes() = default;

void OutputBytes::start_gzip(Content content) {
  constexpr int level = 6, memory = 8;
  const int strategy = content == Content::mask ? Z_RLE : Z_DEFAULT_STRATEGY;
  if (deflateInit2(&state_->stream, level, Z_DEFLATED, 16 + MAX_WBITS, memory, strategy) != Z_OK)
    throw std::bad_alloc();
  state_->gzip = true;
  state_->buffer.resize(std::size_t{1} << 18);
}

void OutputBytes::write(std::span<const std::byte> bytes) {
  if (!state_->gzip) return state_->file.write(bytes);
  while (!bytes.empty()) {
    const std::size_t part = std::min(bytes.size(), std::size_t{1} << 30);  // zlib counts in 32 bits
    state_->stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes.data()));
    state_->stream.avail_in = static_cast<uInt>(part);
    state_->deflate_all(Z_NO_FLUSH);
    bytes = bytes.subspan(part);
  }
}

void OutputBytes::commit() {
  if (state_->gzip) state_->deflate_all(Z_FINISH);
  state_->file.commit();
}

}  // namespace pulmoseg::volume
