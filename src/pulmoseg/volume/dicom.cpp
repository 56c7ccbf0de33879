#include "pulmoseg/volume/dicom.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gdcmMediaStorage.h>
#include <gdcmTrace.h>
#include <itkGDCMImageIO.h>
#include <itkMetaDataObject.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"
#include "pulmoseg/volume/axes.hpp"
#include "pulmoseg/volume/dicom_outline.hpp"
#include "pulmoseg/volume/voxels.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;

constexpr std::string_view what_to_expect = "one CT series, one slice a file";

struct SliceFile {
  fs::path path;
  std::optional<std::size_t> pixel_bytes;  ///< nothing when they are compressed
};

struct Slice {
  fs::path file;
  std::string sop_class_uid, sop_instance_uid;
  VoxelType type = VoxelType::int16;
  std::array<std::int64_t, 2> size{};
  Vector3 spacing{}, position{};
  Matrix3 direction{};
  bool placed = false;  ///< its header says where in the patient it lies
};

[[noreturn]] void refuse(const fs::path& file, std::string_view found, std::string_view expected) {
  throw Error(fmt::format("{}: {}, expected {}", file.string(), found, expected));
}

[[noreturn]] void refuse_incomplete(const fs::path& file) {
  refuse(file, "is cut short or damaged",
         "a whole DICOM image; copy or download the file again, or remove it from the folder");
}

/// ITK's own words name source files and addresses of objects, over several lines.
[[noreturn]] void refuse_unreadable(const fs::path& file) {
  refuse(file, "cannot be decoded as a DICOM image",
         "a whole one; copy or download the file again, or remove it from the folder");
}

VoxelType voxel_type(const itk::GDCMImageIO& io, const fs::path& file) {
  using Component = itk::CommonEnums::IOComponent;
  switch (io.GetComponentType()) {
    case Component::UCHAR: return VoxelType::uint8;
    case Component::CHAR: return VoxelType::int8;
    case Component::USHORT: return VoxelType::uint16;
    case Component::SHORT: return VoxelType::int16;
    case Component::UINT: return VoxelType::uint32;
    case Component::INT: return VoxelType::int32;
    case Component::FLOAT: return VoxelType::float32;
    case Component::DOUBLE: return VoxelType::float64;
    default: refuse(file, "has voxels of an unknown type", "integers or floating-point numbers; convert it first");
  }
}

std::string text(const itk::MetaDataDictionary& dictionary, const std::string& tag) {
  std::string value;
  itk::ExposeMetaData<std::string>(dictionary, tag, value);
  while (!value.empty() && (value.back() == ' ' || value.back() == '\0')) value.pop_back();
  return value;
}

/// DICOM PS3.5, 6.2: a DS may be padded with spaces and begin with a plus.
std::optional<double> parse_decimal_string(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  if (text.starts_with('+')) text.remove_prefix(1);
  return parse_number<double>(text);
}

/// The numbers of an attribute, or none when they are missing or damaged.
std::vector<double> numbers(const itk::MetaDataDictionary& dictionary, const std::string& tag, std::size_t count) {
  const std::string value = text(dictionary, tag);
  std::vector<double> found;
  for (std::size_t begin = 0; begin <= value.size();) {
    const std::size_t end = std::min(value.find('\\', begin), value.size());
    const auto number = parse_decimal_string(std::string_view(value).substr(begin, end - begin));
    if (!number) return {};
    found.push_back(*number);
    begin = end + 1;
  }
  if (found.size() != count) found.clear();
  return found;
}

/// Of the pixels in the file (before the rescale).
std::size_t stored_bytes(const itk::GDCMImageIO& io) {
  const auto bits = parse_number<std::size_t>(text(io.GetMetaDataDictionary(), "0028|0100"));
  return static_cast<std::size_t>(io.GetImageSizeInPixels()) * bits.value_or(8) / 8;
}

itk::GDCMImageIO::Pointer open_slice(const fs::path& file) {
  auto io = itk::GDCMImageIO::New();
  io->SetFileName(file.string());
  try {
    io->ReadImageInformation();
  } catch (const std::exception&) {
    refuse_unreadable(file);
  }
  return io;
}

/// GDCM puts 1 mm in place of a pixel spacing that is missing or zero.
void check_spacing(const fs::path& file, const itk::MetaDataDictionary& dictionary) {
  const std::string spacing_tag = "0028|0030";
  const std::vector<double> spacing = numbers(dictionary, spacing_tag, 2);
  if (!spacing.empty() && std::min(spacing[0], spacing[1]) > 0) return;
  const std::string value = text(dictionary, spacing_tag);
  refuse(file, value.empty() ? "has no PixelSpacing (0028,0030)" : fmt::format("has the PixelSpacing \"{}\"", value),
         "two positive numbers of millimetres; export the series again with them");
}

Slice read_header(const SliceFile& slice_file, const itk::GDCMImageIO& io) {
  const fs::path& file = slice_file.path;
  if (io.GetNumberOfComponents() != 1) {
    refuse(file, "is a colour image", fmt::format("{}; remove it from the folder", what_to_expect));
  }
  if (io.GetNumberOfDimensions() > 2 && io.GetDimensions(2) > 1) {
    refuse(file, fmt::format("is a multi-frame image ({} frames)", io.GetDimensions(2)),
           fmt::format("{}; convert it first, e.g. to NIfTI", what_to_expect));
  }
  const itk::MetaDataDictionary& dictionary = io.GetMetaDataDictionary();
  if (slice_file.pixel_bytes.value_or(stored_bytes(io)) < stored_bytes(io)) refuse_incomplete(file);
  check_spacing(file, dictionary);
  Slice slice{.file = file,
              .sop_class_uid = text(dictionary, "0008|0016"),
              .sop_instance_uid = text(dictionary, "0008|0018"),
              .type = voxel_type(io, file),
              .placed = !numbers(dictionary, "0020|0032", 3).empty() && !numbers(dictionary, "0020|0037", 6).empty()};
  for (unsigned int c = 0; c < 2; ++c) slice.size[c] = static_cast<std::int64_t>(io.GetDimensions(c));
  for (unsigned int c = 0; c < 3; ++c) {
    slice.spacing[c] = io.GetSpacing(c);
    slice.position[c] = io.GetOrigin(c);
    const std::vector<double> axis = io.GetDirection(c);
    std::copy_n(axis.begin(), 3, slice.direction[c].begin());
  }
  return slice;
}

std::map<std::string, std::string> read_attributes(const itk::MetaDataDictionary& dictionary) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 23> wanted{
      {{"SOPClassUID", "0008|0016"},
       {"StudyDate", "0008|0020"},
       {"StudyTime", "0008|0030"},
       {"AccessionNumber", "0008|0050"},
       {"Modality", "0008|0060"},
       {"Manufacturer", "0008|0070"},
       {"ReferringPhysicianName", "0008|0090"},
       {"StudyDescription", "0008|1030"},
       {"SeriesDescription", "0008|103e"},
       {"PatientName", "0010|0010"},
       {"PatientID", "0010|0020"},
       {"PatientBirthDate", "0010|0030"},
       {"PatientSex", "0010|0040"},
       {"PatientAge", "0010|1010"},
       {"BodyPartExamined", "0018|0015"},
       {"SliceThickness", "0018|0050"},
       {"ConvolutionKernel", "0018|1210"},
       {"StudyInstanceUID", "0020|000d"},
       {"SeriesInstanceUID", "0020|000e"},
       {"StudyID", "0020|0010"},
       {"SeriesNumber", "0020|0011"},
       {"FrameOfReferenceUID", "0020|0052"},
       {"RescaleType", "0028|1054"}}};
  std::map<std::string, std::string> attributes;
  for (const auto& [keyword, tag] : wanted) {
    std::string value = text(dictionary, std::string(tag));
    if (!value.empty()) attributes.emplace(keyword, std::move(value));
  }
  return attributes;
}

/// Whether it has pixels. A DICOMDIR or a report has none; an image without them is a damaged one.
bool is_image(const fs::path& file, const DicomOutline& outline) {
  if (!outline.whole) refuse_incomplete(file);
  if (outline.has_pixels) return true;
  const auto kind = gdcm::MediaStorage::GetMSType(outline.sop_class.c_str());
  if (outline.sop_class.empty() || gdcm::MediaStorage::IsImage(kind)) refuse_incomplete(file);
  return false;
}

struct Series {
  std::vector<SliceFile> slices;
  std::vector<std::string> left_aside;  ///< names of files that are no images
};

/// Every file that is not hidden is a slice, or left aside with a warning, or refused: a scan that loses a slice at its
/// end would only look shorter.
Series find_series(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file() && !entry.path().filename().string().starts_with('.')) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  Series found;
  std::map<std::string, int> series;
  for (const fs::path& file : files) {
    const auto outline = read_dicom_outline(file);
    if (outline && is_image(file, *outline)) {
      found.slices.push_back({file, outline->pixel_bytes});
      ++series[outline->series];
    } else {
      found.left_aside.push_back(file.filename().string());
    }
  }
  if (series.empty()) {
    refuse(folder, "is a folder without DICOM images",
           fmt::format("{}; give the folder that holds the slices", what_to_expect));
  }
  if (series.size() > 1) {
    std::vector<std::string> list;
    for (const auto& [uid, count] : series) list.push_back(fmt::format("{} ({} files)", uid, count));
    refuse(folder, fmt::format("holds {} DICOM series: {}", series.size(), fmt::join(list, ", ")),
           "one; give each a folder of its own");
  }
  return found;
}

void check_gaps(const std::vector<Slice>& slices, const Vector3& normal, const fs::path& folder) {
  std::vector<double> gaps;
  for (std::size_t n = 1; n < slices.size(); ++n) {
    gaps.push_back(dot(slices[n].position, normal) - dot(slices[n - 1].position, normal));
    if (gaps.back() < 1e-3) {
      refuse(folder,
             fmt::format("has two slices in one place ({} and {})", slices[n - 1].file.filename().string(),
                         slices[n].file.filename().string()),
             fmt::format("{}; remove the copies or give each stack a folder of its own", what_to_expect));
    }
  }
  std::vector<double> sorted = gaps;
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t n = 0; n < gaps.size(); ++n) {
    const double usual = sorted[(sorted.size() - 1) / 2];
    if (std::abs(gaps[n] - usual) <= 0.1 * usual) continue;
    refuse(folder,
           fmt::format("has slices {:.4g} mm apart ({} and {}) where others are {:.4g} mm apart", gaps[n],
                       slices[n].file.filename().string(), slices[n + 1].file.filename().string(), usual),
           "evenly spaced slices; find the missing ones");
  }
}

/// Sorts the slices along their normal and checks that they form one grid.
Geometry stack(std::vector<Slice>& slices, const fs::path& folder) {
  const Slice first = slices.front();
  for (const Slice& slice : slices) {
    double turn = 0;
    for (std::size_t c = 0; c < 2; ++c) turn = std::max(turn, 1 - dot(slice.direction[c], first.direction[c]));
    const bool same_pixels = std::abs(slice.spacing[0] - first.spacing[0]) <= 1e-3 * first.spacing[0] &&
                             std::abs(slice.spacing[1] - first.spacing[1]) <= 1e-3 * first.spacing[1];
    if (slice.size != first.size || !same_pixels || turn > 1e-5) {
      refuse(slice.file,
             fmt::format("has another size, pixel spacing or orientation than {}", first.file.filename().string()),
             "one stack of parallel slices; remove what does not belong to it");
    }
  }
  const Vector3 normal = cross(first.direction[0], first.direction[1]);
  std::stable_sort(slices.begin(), slices.end(),
                   [&](const Slice& a, const Slice& b) { return dot(a.position, normal) < dot(b.position, normal); });

  const Vector3& begin = slices.front().position;
  const auto count = static_cast<std::int64_t>(slices.size());
  Matrix3 steps = first.direction;
  for (std::size_t c = 0; c < 3; ++c) {
    for (double& component : steps[c]) component *= first.spacing[c];
  }
  if (count > 1) {
    for (std::size_t r = 0; r < 3; ++r)
      steps[2][r] = (slices.back().position[r] - begin[r]) / static_cast<double>(count - 1);
  }
  check_gaps(slices, normal, folder);
  return geometry_from_steps({first.size[0], first.size[1], count}, steps, begin, folder);
}

/// GDCM and ITK promise nothing for two threads, not even with files of their own.
std::mutex& one_at_a_time() {
  static std::mutex mutex;
  return mutex;
}

class DicomVoxels : public StoredVoxels {
 public:
  DicomVoxels(std::vector<Slice> slices, VoxelType type, std::string warning)
      : slices_(std::move(slices)), type_(type), warning_(std::move(warning)) {}

  void read(std::span<std::byte> bytes) override {
    warn();
    const std::size_t part = slice_bytes();
    for (; !bytes.empty(); bytes = bytes.subspan(part)) read_slice(slices_[next_++], bytes.first(part));
  }

  void skip(std::uint64_t bytes) override {
    warn();
    next_ += bytes / slice_bytes();
  }

  void rewind() override { next_ = 0; }

 private:
  /// With the first voxels, because a command may open a scan for its header first, and once is enough.
  void warn() {
    if (!warning_.empty()) spdlog::warn("{}", std::exchange(warning_, {}));
  }

  std::size_t slice_bytes() const {
    const auto& size = slices_.front().size;
    return static_cast<std::size_t>(size[0] * size[1]) * size_of(type_);
  }

  void read_slice(const Slice& slice, std::span<std::byte> bytes) const {
    const std::scoped_lock alone(one_at_a_time());
    const auto io = open_slice(slice.file);
    const std::size_t voxels = static_cast<std::size_t>(slice.size[0] * slice.size[1]);
    if (static_cast<std::size_t>(io->GetImageSizeInBytes()) != voxels * size_of(slice.type))
      refuse_unreadable(slice.file);
    std::vector<std::byte> converted;
    if (slice.type != type_) converted.resize(voxels * size_of(slice.type));
    try {
      io->Read(converted.empty() ? bytes.data() : converted.data());
    } catch (const std::exception&) {
      refuse_unreadable(slice.file);
    }
    if (converted.empty()) return;
    const SliceLayout as_stored{
        .rows = slice.size[1], .columns = slice.size[0], .row_step = slice.size[0], .column_step = 1};
    gather(converted, slice.type, as_stored, 1, 0, {reinterpret_cast<float*>(bytes.data()), voxels});
  }

  std::vector<Slice> slices_;
  VoxelType type_;
  std::string warning_;
  std::size_t next_ = 0;
};

/// "" when nothing was left aside.
std::string warning_about(const std::vector<std::string>& left_aside, const fs::path& folder) {
  if (left_aside.empty()) return "";
  constexpr std::size_t most = 5;
  const auto end = left_aside.begin() + static_cast<std::ptrdiff_t>(std::min(most, left_aside.size()));
  return fmt::format("{}: {} of its files are no DICOM images and are left aside: {}{}", folder.string(),
                     left_aside.size(), fmt::join(left_aside.begin(), end, ", "),
                     left_aside.size() > most ? " ..." : "");
}

/// Slices have an order only by their positions; one alone may do without.
void check_placed(const std::vector<Slice>& slices) {
  for (const Slice& slice : slices) {
    if (slice.placed || slices.size() == 1) continue;
    refuse(slice.file, "does not say where in the patient it lies",
           "ImagePositionPatient (0020,0032) and ImageOrientationPatient (0020,0037); export the series again with "
           "them");
  }
}

}  // namespace

OpenedImage open_dicom_series(const fs::path& folder) {
  const std::scoped_lock alone(one_at_a_time());
  // The two libraries would print; what matters becomes an Error.
  itk::Object::GlobalWarningDisplayOff();
  gdcm::Trace::WarningOff();
  gdcm::Trace::ErrorOff();
  SourceInfo source;
  std::vector<Slice> slices;
  const Series series = find_series(folder);
  for (const SliceFile& file : series.slices) {
    const auto io = open_slice(file.path);
    slices.push_back(read_header(file, *io));
    if (source.attributes.empty()) source.attributes = read_attributes(io->GetMetaDataDictionary());
  }
  check_placed(slices);
  source.file = folder;
  source.format = "DICOM series";
  source.stored_geometry = stack(slices, folder);
  source.order = canonical_order(source.stored_geometry);
  source.has_geometry = slices.front().placed;
  // A rescale that differs from slice to slice gives slices of different types: floats hold them all.
  source.voxel_type = slices.front().type;
  for (const Slice& slice : slices) {
    if (slice.type != source.voxel_type) source.voxel_type = VoxelType::float32;
    source.frames.push_back({.file = slice.file,
                             .sop_class_uid = slice.sop_class_uid,
                             .sop_instance_uid = slice.sop_instance_uid,
                             .position = slice.position});
  }
  return {source, std::make_unique<DicomVoxels>(std::move(slices), source.voxel_type,
                                                warning_about(series.left_aside, folder))};
}

}  // namespace pulmoseg::volume
