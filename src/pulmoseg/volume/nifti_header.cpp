#include "pulmoseg/volume/nifti_header.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string_view>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::volume {
namespace {

static_assert(std::endian::native == std::endian::little, "headers are written in this machine's byte order");

/// The two versions have the same fields in other places and widths.
struct Nifti1 {
  using Dim = std::int16_t;
  using Real = float;
  using Code = std::int16_t;
  using Small = std::int8_t;
  using Offset = float;
  static constexpr std::size_t size = nifti1_header_size;
  static constexpr std::size_t magic = 344, dim_info = 39, dim = 40, datatype = 70, bitpix = 72, pixdim = 76;
  static constexpr std::size_t vox_offset = 108, scl_slope = 112, scl_inter = 116, xyzt_units = 123, toffset = 136;
  static constexpr std::size_t descrip = 148, qform_code = 252, sform_code = 254, quatern = 256, qoffset = 268,
                               srow = 280;
  static constexpr std::string_view single_file_magic{"n+1\0", 4};
};

struct Nifti2 {
  using Dim = std::int64_t;
  using Real = double;
  using Code = std::int32_t;
  using Small = std::int32_t;
  using Offset = std::int64_t;
  static constexpr std::size_t size = nifti2_header_size;
  static constexpr std::size_t magic = 4, datatype = 12, bitpix = 14, dim = 16, pixdim = 104, vox_offset = 168;
  static constexpr std::size_t scl_slope = 176, scl_inter = 184, toffset = 216, descrip = 240, qform_code = 344;
  static constexpr std::size_t sform_code = 348, quatern = 352, qoffset = 376, srow = 400, xyzt_units = 500,
                               dim_info = 524;
  static constexpr std::string_view single_file_magic{"n+2\0\r\n\032\n", 8};
};

struct Fields {
  std::span<const std::byte> bytes;
  bool swapped;

  template <class T>
  T get(std::size_t offset) const {
    std::array<std::byte, sizeof(T)> raw;
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(offset), sizeof(T), raw.begin());
    if (swapped) std::reverse(raw.begin(), raw.end());
    return std::bit_cast<T>(raw);
  }

  std::string text(std::size_t offset, std::size_t length) const {
    const auto* begin = reinterpret_cast<const char*>(bytes.data()) + offset;
    return {begin, std::find(begin, begin + length, '\0')};
  }
};

struct Datatype {
  int code;
  VoxelType type;
};
constexpr std::array<Datatype, 10> datatypes{{{2, VoxelType::uint8},
                                              {4, VoxelType::int16},
                                              {8, VoxelType::int32},
                                              {16, VoxelType::float32},
                                              {64, VoxelType::float64},
                                              {256, VoxelType::int8},
                                              {512, VoxelType::uint16},
                                              {768, VoxelType::uint32},
                                              {1024, VoxelType::int64},
                                              {1280, VoxelType::uint64}}};

VoxelType voxel_type(int code, const std::filesystem::path& file) {
  for (const Datatype& datatype : datatypes) {
    if (datatype.code == code) return datatype.type;
  }
  std::string_view what = "of an unknown type";
  switch (code) {
    case 1: what = "single bits"; break;
    case 32:
    case 1792:
    case 2048: what = "complex numbers"; break;
    case 128:
    case 2304: what = "RGB colours"; break;
    case 1536: what = "128-bit floats"; break;
    default: break;
  }
  throw Error(
      fmt::format("{}: has voxels that are {} (NIfTI datatype {}), expected one integer or 32/64-bit float a voxel",
                  file.string(), what, code));
}

template <class Layout>
void read_scaling(const Fields& fields, NiftiFileHeader& header, const std::filesystem::path& file) {
  const double slope = fields.get<typename Layout::Real>(Layout::scl_slope);
  const double intercept = fields.get<typename Layout::Real>(Layout::scl_inter);
  if (slope == 0 || !std::isfinite(slope)) return;  // the standard's "no scaling"
  if (!std::isfinite(intercept)) {
    throw Error(
        fmt::format("{}: has the intensity intercept {} beside the slope {}, expected a finite number; correct "
                    "scl_inter in its header",
                    file.string(), intercept, slope));
  }
  header.slope = slope;
  header.intercept = intercept;
}

template <class Layout>
std::uint64_t read_voxel_offset(const Fields& fields, const std::filesystem::path& file) {
  const auto offset = static_cast<double>(fields.get<typename Layout::Offset>(Layout::vox_offset));
  constexpr double lowest = Layout::size + 4;
  if (offset == 0) return Layout::size + 4;  // some writers leave it out
  if (!(offset >= lowest && offset < 9e15)) {
    throw Error(
        fmt::format("{}: says that its voxels begin at byte {}, expected {} or more; correct vox_offset in its header",
                    file.string(), offset, lowest));
  }
  return static_cast<std::uint64_t>(offset);
}

template <class Layout>
NiftiFileHeader parse(const Fields& fields, int version, const std::filesystem::path& file) {
  using Real = typename Layout::Real;
  NiftiFileHeader header;
  header.swapped = fields.swapped;
  NiftiHeader& placing = header.placing;
  placing.version = version;
  for (std::size_t i = 0; i < 8; ++i) {
    placing.dim[i] = fields.get<typename Layout::Dim>(Layout::dim + i * sizeof(typename Layout::Dim));
    placing.pixdim[i] = fields.get<Real>(Layout::pixdim + i * sizeof(Real));
  }
  placing.qform_code = fields.get<typename Layout::Code>(Layout::qform_code);
  placing.sform_code = fields.get<typename Layout::Code>(Layout::sform_code);
  for (std::size_t i = 0; i < 3; ++i) {
    placing.quatern[i] = fields.get<Real>(Layout::quatern + i * sizeof(Real));
    placing.qoffset[i] = fields.get<Real>(Layout::qoffset + i * sizeof(Real));
    for (std::size_t j = 0; j < 4; ++j) {
      placing.srow[i][j] = fields.get<Real>(Layout::srow + (4 * i + j) * sizeof(Real));
    }
  }
  placing.xyzt_units = fields.get<typename Layout::Small>(Layout::xyzt_units);
  placing.dim_info = fields.get<std::int8_t>(Layout::dim_info);
  placing.toffset = fields.get<Real>(Layout::toffset);
  placing.descrip = fields.text(Layout::descrip, 80);
  header.type = voxel_type(fields.get<std::int16_t>(Layout::datatype), file);
  read_scaling<Layout>(fields, header, file);
  header.voxel_offset = read_voxel_offset<Layout>(fields, file);
  return header;
}

struct HeaderSize {
  std::uint32_t size = 0;
  bool swapped = false;
};

std::optional<HeaderSize> header_size(std::span<const std::byte> bytes) {
  if (bytes.size() < 4) return std::nullopt;
  for (const bool swapped : {false, true}) {
    const auto size = Fields{bytes, swapped}.get<std::uint32_t>(0);
    if (size == nifti1_header_size || size == nifti2_header_size) return HeaderSize{size, swapped};
  }
  return std::nullopt;
}

template <class Layout>
std::vector<std::byte> bytes_of(const NiftiHeader& header, VoxelType type) {
  using Real = typename Layout::Real;
  std::vector<std::byte> bytes(Layout::size + 4);  // the last four say: no extensions
  const auto put = [&](std::size_t offset, auto value) { std::memcpy(bytes.data() + offset, &value, sizeof value); };
  put(0, static_cast<std::int32_t>(Layout::size));
  std::memcpy(bytes.data() + Layout::magic, Layout::single_file_magic.data(), Layout::single_file_magic.size());
  put(Layout::dim_info, static_cast<std::int8_t>(header.dim_info));
  for (std::size_t i = 0; i < 8; ++i) {
    put(Layout::dim + i * sizeof(typename Layout::Dim), static_cast<typename Layout::Dim>(header.dim[i]));
    put(Layout::pixdim + i * sizeof(Real), static_cast<Real>(header.pixdim[i]));
  }
  const auto* datatype =
      std::find_if(datatypes.begin(), datatypes.end(), [&](const Datatype& d) { return d.type == type; });
  put(Layout::datatype, static_cast<std::int16_t>(datatype->code));
  put(Layout::bitpix, static_cast<std::int16_t>(8 * size_of(type)));
  put(Layout::vox_offset, static_cast<typename Layout::Offset>(Layout::size + 4));
  put(Layout::scl_slope, Real{1});
  put(Layout::xyzt_units, static_cast<typename Layout::Small>(header.xyzt_units));
  put(Layout::toffset, static_cast<Real>(header.toffset));
  std::memcpy(bytes.data() + Layout::descrip, header.descrip.data(), std::min<std::size_t>(header.descrip.size(), 79));
  put(Layout::qform_code, static_cast<typename Layout::Code>(header.qform_code));
  put(Layout::sform_code, static_cast<typename Layout::Code>(header.sform_code));
  for (std::size_t i = 0; i < 3; ++i) {
    put(Layout::quatern + i * sizeof(Real), static_cast<Real>(header.quatern[i]));
    put(Layout::qoffset + i * sizeof(Real), static_cast<Real>(header.qoffset[i]));
    for (std::size_t j = 0; j < 4; ++j) {
      put(Layout::srow + (4 * i + j) * sizeof(Real), static_cast<Real>(header.srow[i][j]));
    }
  }
  return bytes;
}

}  // namespace

bool looks_like_nifti(std::span<const std::byte> bytes) { return header_size(bytes).has_value(); }

NiftiFileHeader parse_nifti_header(std::span<const std::byte> bytes, const std::filesystem::path& file) {
  const HeaderSize header = header_size(bytes).value();
  if (bytes.size() < header.size) {
    throw Error(
        fmt::format("{}: is cut short: ends after {} bytes, expected a NIfTI header of {} bytes and voxels; copy or "
                    "download the file again",
                    file.string(), bytes.size(), header.size));
  }
  const Fields fields{bytes.first(header.size), header.swapped};
  const bool first_version = header.size == nifti1_header_size;
  const std::string magic = fields.text(first_version ? Nifti1::magic : Nifti2::magic, 4);
  if (magic == (first_version ? "ni1" : "ni2")) {
    throw Error(fmt::format(
        "{}: is the header of a NIfTI .hdr/.img pair, expected a single .nii or .nii.gz file; convert the pair",
        file.string()));
  }
  if (magic == (first_version ? "n+1" : "n+2")) {
    return first_version ? parse<Nifti1>(fields, 1, file) : parse<Nifti2>(fields, 2, file);
  }
  throw Error(fmt::format(
      "{}: lacks the mark \"{}\" of a NIfTI file (Analyze 7.5 or damaged), expected NIfTI; convert the file",
      file.string(), first_version ? "n+1" : "n+2"));
}

std::vector<std::byte> nifti_header_bytes(const NiftiHeader& header, VoxelType type) {
  return header.version == 1 ? bytes_of<Nifti1>(header, type) : bytes_of<Nifti2>(header, type);
}

}  // namespace pulmoseg::volume
