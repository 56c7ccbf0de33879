#include "volume/raw_nifti.hpp"

#include <zlib.h>

#include <fstream>
#include <iterator>
#include <stdexcept>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/volume.hpp"

namespace pulmoseg::test {

RawNifti::RawNifti(std::array<std::int16_t, 3> size) : bytes_(352, '\0') {
  put(0, std::int32_t{348}).dim({3, size[0], size[1], size[2]}).type(4);
  for (std::size_t c = 0; c < 4; ++c) put(76 + 4 * c, 1.0F);
  put(108, 352.0F).put(123, std::uint8_t{2});
  sform({{{-1, 0, 0, 0}, {0, -1, 0, 0}, {0, 0, 1, 0}}});
  std::memcpy(bytes_.data() + 344, "n+1", 4);
}

RawNifti& RawNifti::dim(std::vector<std::int16_t> values) {
  values.resize(8, 1);
  std::memcpy(bytes_.data() + 40, values.data(), 16);
  return *this;
}

RawNifti& RawNifti::type(std::int16_t datatype) { return put(70, datatype); }

RawNifti& RawNifti::sform(const std::array<std::array<float, 4>, 3>& rows) {
  std::memcpy(bytes_.data() + 280, rows.data(), 48);
  return put(254, std::int16_t{1});
}

std::string gzip(std::string_view bytes) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, bytes.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string gunzip(std::string_view bytes) {
  z_stream stream{};
  inflateInit2(&stream, 31);
  std::string plain(std::size_t{1} << 22, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(plain.data());
  stream.avail_out = static_cast<uInt>(plain.size());
  const bool whole = inflate(&stream, Z_FINISH) == Z_STREAM_END;
  plain.resize(stream.total_out);
  inflateEnd(&stream);
  if (!whole) throw std::runtime_error("not a whole gzip stream of at most 4 MiB");
  return plain;
}

std::string file_bytes(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void save(const std::filesystem::path& file, std::string_view bytes) {
  std::ofstream(file, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string reading_error(const std::filesystem::path& file) {
  try {
    volume::read_volume(file);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace pulmoseg::test
