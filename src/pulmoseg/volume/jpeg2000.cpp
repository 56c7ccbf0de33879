#include "pulmoseg/volume/jpeg2000.hpp"

#include <openjpeg.h>

#include <algorithm>
#include <cstring>
#include <memory>

namespace pulmoseg::volume {
namespace {

struct Source {
  std::span<const std::byte> bytes;
  std::size_t at = 0;
};

OPJ_SIZE_T read_some(void* target, OPJ_SIZE_T size, void* user) {
  Source& source = *static_cast<Source*>(user);
  const std::size_t count = std::min<std::size_t>(size, source.bytes.size() - source.at);
  if (count == 0) return static_cast<OPJ_SIZE_T>(-1);
  std::memcpy(target, source.bytes.data() + source.at, count);
  source.at += count;
  return count;
}

OPJ_OFF_T skip(OPJ_OFF_T count, void* user) {
  Source& source = *static_cast<Source*>(user);
  const auto left = static_cast<OPJ_OFF_T>(source.bytes.size() - source.at);
  if (count < 0 || count > left) return -1;
  source.at += static_cast<std::size_t>(count);
  return count;
}

OPJ_BOOL seek(OPJ_OFF_T at, void* user) {
  Source& source = *static_cast<Source*>(user);
  if (at < 0 || static_cast<std::size_t>(at) > source.bytes.size()) return OPJ_FALSE;
  source.at = static_cast<std::size_t>(at);
  return OPJ_TRUE;
}

template <auto release>
struct Released {
  void operator()(auto* object) const { release(object); }
};
using Stream = std::unique_ptr<opj_stream_t, Released<opj_stream_destroy>>;
using Codec = std::unique_ptr<opj_codec_t, Released<opj_destroy_codec>>;
using Image = std::unique_ptr<opj_image_t, Released<opj_image_destroy>>;

Stream open_stream(Source& source) {
  Stream stream(opj_stream_create(OPJ_J2K_STREAM_CHUNK_SIZE, OPJ_TRUE));
  opj_stream_set_user_data(stream.get(), &source, nullptr);
  opj_stream_set_user_data_length(stream.get(), source.bytes.size());
  opj_stream_set_read_function(stream.get(), read_some);
  opj_stream_set_skip_function(stream.get(), skip);
  opj_stream_set_seek_function(stream.get(), seek);
  return stream;
}

bool fits(const opj_image_t& image, int rows, int columns) {
  return image.numcomps == 1 && image.comps[0].w == static_cast<OPJ_UINT32>(columns) &&
         image.comps[0].h == static_cast<OPJ_UINT32>(rows);
}

}  // namespace

bool decode_jpeg2000(std::span<const std::byte> bytes, int rows, int columns, std::span<std::int32_t> samples) {
  constexpr std::byte code_stream_mark{0xff};  // a JP2 file begins with the length of its first box
  if (bytes.empty()) return false;
  Source source{.bytes = bytes};
  const Stream stream = open_stream(source);
  const Codec codec(opj_create_decompress(bytes[0] == code_stream_mark ? OPJ_CODEC_J2K : OPJ_CODEC_JP2));
  opj_dparameters_t parameters;
  opj_set_default_decoder_parameters(&parameters);
  if (!opj_setup_decoder(codec.get(), &parameters) || !opj_decoder_set_strict_mode(codec.get(), OPJ_TRUE)) return false;
  opj_image_t* found = nullptr;
  const bool has_header = opj_read_header(stream.get(), codec.get(), &found);
  const Image image(found);
  if (!has_header || !fits(*image, rows, columns)) return false;
  if (!opj_decode(codec.get(), stream.get(), image.get()) || !fits(*image, rows, columns)) return false;
  if (!image->comps[0].data) return false;
  std::copy_n(image->comps[0].data, samples.size(), samples.begin());
  return true;
}

}  // namespace pulmoseg::volume
