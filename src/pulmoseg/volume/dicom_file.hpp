#pragma once
// What one DICOM file says about its images, without their pixels (DCMTK behind). Internal to volume/.

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pulmoseg/volume/dicom_image.hpp"

namespace pulmoseg::volume {

/// How a pixel is stored (DICOM PS3.5, 8.1.1).
struct PixelFormat {
  int rows = 0, columns = 0;
  int samples = 1;
  bool is_grey = true;  ///< one sample that is a grey value: neither colours nor places in a palette
  int bits_allocated = 0, bits_stored = 0, high_bit = 0;
  bool is_signed = false;
};

struct DicomFile {
  std::filesystem::path path;
  std::string name;  ///< for people: the path, inside of a ZIP with the ZIP's
  std::string
      damage;  ///< what is wrong with it, e.g. "is cut short or damaged"; "": nothing. Else what follows may be missing
  std::string sop_class_uid, sop_instance_uid, series_uid, transfer_syntax;
  std::optional<std::int64_t> instance_number;  ///< InstanceNumber (0020,0013)
  std::vector<std::string> image_type;
  bool has_pixels = false;
  bool has_modality_lut = false;  ///< in place of slope and intercept
  PixelFormat format;
  std::vector<DicomImage> images;                 ///< in the file's order
  std::map<std::string, std::string> attributes;  ///< keyword -> value in UTF-8, of those that it has; see source.hpp

  bool is_segmentation() const;                             ///< a Segmentation (PS3.3, A.51), or one as a label map
  std::string attribute(const std::string& keyword) const;  ///< "" where it has none
};

/// A slice and the file that it stands in.
struct DicomSlice {
  std::shared_ptr<const DicomFile> file;
  DicomImage image;

  std::string name() const;  ///< for people: the file, and the frame
};

/// Nothing for a file that is no DICOM file; Error for one that cannot be read. One without the mark "DICM" (which is allowed to be
/// missing in old files) counts only when it is whole. Pixels are not read, but it is seen whether all of them are there. In a
/// multi-frame file the functional groups are read (PS3.3, C.7.6.16): a frame's own, then the shared ones, then the data set itself.
std::optional<DicomFile> read_dicom_file(const std::filesystem::path& file, const std::string& name);

/// The files that a DICOMDIR names (PS3.3, F.3). Error that names it when it is damaged, or names a file that is not there.
std::vector<std::filesystem::path> read_dicomdir(const std::filesystem::path& file);

/// Silences DCMTK's log and registers its decoders; before any use of DCMTK. From any thread.
void prepare_dcmtk();

}  // namespace pulmoseg::volume
