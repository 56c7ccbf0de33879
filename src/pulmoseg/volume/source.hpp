#pragma once
// What is known about the file that a volume came from: enough to show it, and to write a mask that lies on it exactly.

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pulmoseg/base/note.hpp"
#include "pulmoseg/volume/geometry.hpp"

namespace pulmoseg::volume {

enum class VoxelType { uint8, int8, uint16, int16, uint32, int32, uint64, int64, float32, float64 };

std::size_t size_of(VoxelType type);    ///< bytes
std::string_view name(VoxelType type);  ///< "uint8" …

/// The fields of a NIfTI header that place the voxels, as they stand in the file (RAS, in the file's own units).
/// Field names and meaning: nifti1.h and nifti2.h of the NIfTI Data Format Working Group.
struct NiftiHeader {
  int version = 1;  ///< 1 or 2
  std::array<std::int64_t, 8> dim{};
  std::array<double, 8> pixdim{};
  int qform_code = 0, sform_code = 0;
  Vector3 quatern{}, qoffset{};                 ///< b, c, d; x, y, z
  std::array<std::array<double, 4>, 3> srow{};  ///< rows of the sform matrix
  int xyzt_units = 0;
  int dim_info = 0;
  double toffset = 0;
  std::string descrip;
};

/// How far apart, in mm, the header's qform and sform place the volume: the larger of the distances at the first voxel and
/// at the last, along any one axis of the patient. 0 unless both are declared.
double affine_disagreement(const NiftiHeader& header);

/// The fields of an NRRD header that place the voxels ("sizes", "space directions" …), as they stand in the file.
struct NrrdHeader {
  std::map<std::string, std::string> fields;
};

/// Where a stored slice of a DICOM series comes from: what an object that refers to it must name.
struct DicomFrame {
  std::filesystem::path file;
  std::string sop_class_uid, sop_instance_uid;
  int frame_number = 0;                           ///< from 1 in a multi-frame file; 0: the file is one image
  Vector3 position{};                             ///< its own ImagePositionPatient: the centre of its first pixel
  std::optional<std::int64_t> instance_number{};  ///< InstanceNumber (0020,0013): viewers count images by it
};

struct SourceInfo {
  std::filesystem::path file;               ///< the file; of a DICOM series the folder, ZIP or DICOMDIR
  std::string format;                       ///< "NIfTI-1", "NIfTI-2", "NRRD" or "DICOM series"
  VoxelType voxel_type = VoxelType::uint8;  ///< as stored
  double slope = 1, intercept = 0;          ///< value = slope * stored + intercept, applied on reading
  int dimensions = 3;        ///< 2: the file declares one slice without a third axis (DICOM: without a thickness)
  Geometry stored_geometry;  ///< in the stored axis order
  AxisOrder order;           ///< from stored to canonical
  /// false: the header declares no position in the patient (NIfTI with both codes 0, NRRD without space directions).
  /// The axes are then the format's default and mean nothing.
  bool has_geometry = true;
  std::optional<NiftiHeader> nifti;  ///< NIfTI only
  std::optional<NrrdHeader> nrrd;    ///< NRRD only
  std::vector<DicomFrame> frames;    ///< DICOM: one a stored slice, in stored order. Otherwise none
  /// DICOM: keyword ("PatientID" …) -> value in the first slice's file, in UTF-8, those that stand there. NIfTI: "descrip". NRRD: its key/value pairs.
  std::map<std::string, std::string> attributes;
  std::vector<Note> notes;                 ///< what was noticed, repaired or left out on opening
  std::shared_ptr<const void> keeps = {};  ///< DICOM out of a ZIP: the files of `frames` exist as long as this
};

}  // namespace pulmoseg::volume
