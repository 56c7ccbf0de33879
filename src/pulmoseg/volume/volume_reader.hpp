#pragma once
// Reads a CT volume slice by slice.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pulmoseg/volume/geometry.hpp"
#include "pulmoseg/volume/segment.hpp"
#include "pulmoseg/volume/source.hpp"

namespace pulmoseg::volume {

struct OpenedImage;

/// One axial slice in canonical orientation: row-major, rows x columns, columns to the patient's left, rows to
/// posterior.
struct AxialSlice {
  std::int64_t index = 0;  ///< from 0, towards superior
  std::int64_t rows = 0, columns = 0;
  std::vector<float> pixels;  ///< slope and intercept applied; finite
};

/// How to open a volume.
struct OpenOptions {
  std::uint64_t kept_bytes = 0;  ///< a volume of up to so many bytes is kept as it is read, for rewind()
  std::string series =
      {};  ///< which DICOM series: its number, UID or a part of its description; "": the only CT volume
};

/// Opens a NIfTI-1/2 file (.nii, .nii.gz; also with the name of the other), an NRRD file, or a DICOM series in a folder, a ZIP, a
/// DICOMDIR or files, and hands out its axial slices, whatever order the voxels are stored in. What a file is, its content decides.
///
/// Memory: about one slice for a volume that is stored slice by slice in the axial plane; any other volume is held once,
/// in its stored voxel type, and so is one that may be kept.
///
/// Errors: Error of one line for a file that is missing, empty, cut short, damaged or not an image; for more than one
/// frame, colour or complex voxels, zero or non-finite spacing, singular axes; from next() for a voxel that is NaN or
/// infinite. Threads: one at a time.
class VolumeReader {
 public:
  /// Reads headers only. Of a DICOM series see dicom_series.hpp: which one is taken, and what is refused.
  static VolumeReader open(const std::filesystem::path& path, const OpenOptions& options);
  static VolumeReader open(const std::filesystem::path& path, std::uint64_t kept_bytes = 0);

  /// Several DICOM files or folders that hold one series together; a single path as above.
  static VolumeReader open(const std::vector<std::filesystem::path>& paths, const OpenOptions& options);

  /// The mask of what is asked for: FILE, or FILE#NAME for a part of it (#NAME#NAME for several, #NUMBER where there are no names).
  /// - DICOM Segmentations and 3D Slicer's .seg.nrrd name their segments: the one that is chosen, or those that are `kind` by their
  ///   code or name; a voxel is its segment's number (label), and 0 elsewhere. Where it is several, a note (source().notes) says which.
  /// - Of any other file the chosen labels, or all that it has, as open() gives them.
  /// `scan`: what the mask lies on, where that is known: frames that a DICOM Segmentation leaves out are empty slices of it.
  /// Error that lists the segments when none fits, and all of open(); for a DICOM Segmentation of another frame of reference than
  /// the scan's.
  static VolumeReader open_mask(const std::filesystem::path& mask, MaskKind kind, const SourceInfo* scan = nullptr);

  /// Opens a file whose voxels lie on the grid of `grid` one by one, whatever its own header says about position.
  /// Error when the two sizes differ.
  static VolumeReader open_on_grid_of(const SourceInfo& grid, const std::filesystem::path& file_or_dicom_folder);
  static VolumeReader open_on_grid_of(const SourceInfo& grid,
                                      VolumeReader reader);  ///< the same for one that is open already

  VolumeReader(VolumeReader&&) noexcept;
  VolumeReader& operator=(VolumeReader&&) noexcept;
  ~VolumeReader();

  const Geometry& geometry() const;  ///< canonical; size = {columns, rows, slices}
  const SourceInfo& source() const;

  /// The next slice, each once, in the order in which they are stored (the index may run downwards). False after the
  /// last.
  bool next(AxialSlice& slice);

  /// Passes the next slice over, without a look at its voxels. False after the last.
  bool skip();

  std::optional<std::int64_t> next_index() const;  ///< of the slice that is next; nullopt after the last

  /// The first slice is the next one again. What is held is not read again.
  void rewind();

  /// Reads on until all is held or `go_on` says no, if the volume may be kept; else nothing. It may be another thread that does so.
  void read_ahead(const std::function<bool()>& go_on = [] { return true; });

 private:
  struct State;
  static std::unique_ptr<State> state_of(OpenedImage image, std::uint64_t kept_bytes);
  explicit VolumeReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace pulmoseg::volume
