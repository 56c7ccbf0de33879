#pragma once
// How much of a lung is affected, and what it looks like: voxels, millilitres, percent, parts, sides, thirds and densities, from
// a lesion mask and, where there is one, a lung mask.
//
// Units: voxels are counts, volumes are ml (voxel volume = |determinant| of the grid, so oblique and tilted grids are
// right), areas are mm² in the plane of the slice. Slices are canonical axial slices (volume/geometry.hpp).
// Percent affected = |lesion ∩ lung| / |lung| · 100, where the lung mask includes the lesions inside the lung. Lesion
// outside of the lung mask takes no part in it and is counted by itself.
// What is not known is absent (std::nullopt, an empty list), never 0: lung figures without a lung mask, percent of an empty lung
// mask, every ml and mm² when the header does not tell the spacing, every ml of a 2-D slice, which has no thickness, sides and
// thirds where the header does not tell which way is left and up or the picture contradicts it, densities of what is not in Hounsfield units.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pulmoseg/base/note.hpp"
#include "pulmoseg/masks/run_mask.hpp"
#include "pulmoseg/quantify/intensity.hpp"
#include "pulmoseg/volume/geometry.hpp"
#include "pulmoseg/volume/mask.hpp"
#include "pulmoseg/volume/source.hpp"
#include "pulmoseg/volume/volume_reader.hpp"

namespace pulmoseg::quantify {

using pulmoseg::Note;

struct SliceMeasurements {
  std::int64_t index = 0;  ///< canonical slice, 0 is the lowest (most inferior)
  /// Where a viewer of the DICOM series shows it: InstanceNumber, and the frame of a multi-frame file, from 1. nullopt: not
  /// DICOM, not said, or the series is not stored in axial slices.
  std::optional<std::int64_t> instance_number, frame_number;
  std::int64_t lesion_voxels = 0;
  std::optional<double> lesion_area_mm2;
  std::optional<std::int64_t> lung_voxels;
  std::optional<double> lung_area_mm2;
  std::optional<std::int64_t> lesion_outside_lung_voxels;
  std::optional<double> percent_affected;
};

/// A part of the lungs: one of the two, or a third of their height.
struct RegionMeasurements {
  std::string name;  ///< "left", "right"; "upper", "middle", "lower"
  std::int64_t lung_voxels = 0;
  std::int64_t lesion_voxels = 0;  ///< lesion inside of this part of the lung
  std::optional<double> lung_ml, lesion_ml;
  std::optional<double> percent_affected;  ///< of this part
};

/// A connected part of the lesion in 3-D (voxels that share a face).
struct LesionPart {
  std::int64_t voxels = 0;
  std::optional<double> ml;
  std::int64_t first_slice = 0, last_slice = 0;
  volume::Vector3 centre{};  ///< centre of mass, LPS, mm
  std::optional<std::string>
      side;  ///< "left" or "right", where most of it lies; nullopt: outside of the lung, or no lung mask
};

/// How many parts of the lesion have a volume of at least `from_ml` and less than `to_ml`.
struct SizeClass {
  double from_ml = 0;
  std::optional<double> to_ml;  ///< nullopt: no limit
  std::int64_t parts = 0;
  std::optional<double> ml;  ///< of all of them together
};

/// How much of the lung has a density of at least `from_hu` and less than `to_hu`.
struct HounsfieldBand {
  double from_hu = 0, to_hu = 0;
  std::int64_t voxels = 0;
  std::optional<double> ml;
  std::optional<double> percent_of_lung;
};

/// Densities of the lung, lesions included: only where the input is true HU, and there is a lung mask.
struct LungDensity {
  std::optional<double> mean_hu, standard_deviation_hu;  ///< nullopt: the mask is empty
  std::optional<double> mean_hu_of_lesion;               ///< inside the lung
  std::optional<double> mean_hu_without_lesion;
  std::vector<HounsfieldBand> bands;  ///< −1050 … −950 … −750 … −400 … 0
  HounsfieldBand below, above;        ///< what the bands leave: from −infinity, to infinity
  std::optional<double> mass_g;       ///< a voxel of h HU has a density of (h + 1000) / 1000 g/ml, at least 0
};

/// A class by published cut-offs.
struct Severity {
  std::string grade;    ///< e.g. "CT-2"
  std::string meaning;  ///< in words, with the cut-offs
  std::string source;   ///< the publication
};

/// What the header tells of the size of a voxel: nothing, its area (a 2-D slice), or its volume.
enum class KnownSpacing { none, in_plane, complete };

struct Measurements {
  volume::Geometry grid;
  bool orientation_known = true;  ///< false: the header declares no position in the patient (SourceInfo::has_geometry)
  KnownSpacing known_spacing = KnownSpacing::complete;
  std::optional<double> voxel_volume_ml;
  std::optional<double> pixel_area_mm2;

  std::int64_t lesion_voxels = 0;
  std::optional<double> lesion_ml;
  std::int64_t lesion_slices = 0;  ///< slices with at least one lesion voxel

  bool has_lung_mask = false;
  std::optional<std::int64_t> lung_voxels;
  std::optional<double> lung_ml;
  std::optional<std::int64_t> lesion_outside_lung_voxels;
  std::optional<double> lesion_outside_lung_ml;
  std::optional<double> percent_affected;

  std::vector<RegionMeasurements> sides;  ///< left, right; empty: no lung mask, or its sides are not known
  bool lungs_touch = false;               ///< left and right are connected in the mask, and were cut apart
  /// Upper, middle, lower third of the lungs' height, from their lowest slice to their highest; a slice belongs to the third in
  /// which its centre lies. Empty: no lung mask, an empty one, one slice only, or up and down are not known.
  std::vector<RegionMeasurements> thirds;
  std::vector<LesionPart> lesion_parts;  ///< the largest first
  std::vector<SizeClass> lesion_sizes;   ///< empty where volumes are not known
  std::optional<LungDensity> density;    ///< nullopt: not true HU (a note says so), or no lung mask
  std::optional<Severity> severity;      ///< nullopt without a percentage

  /// The Dice that a network expects its lesion mask to have (metrics::ExpectedDice); nullopt: it found nothing, or did not make it.
  std::optional<double> expected_dice;

  std::vector<SliceMeasurements> slices;  ///< one for each slice of the grid, by index
  std::vector<Note> notes;
};

/// What is known of a scan beside its voxels.
struct ScanFacts {
  volume::Geometry grid;  ///< canonical
  KnownSpacing known_spacing = KnownSpacing::complete;
  bool orientation_known = true;
  bool hounsfield_possible = true;  ///< false: the header names another unit
};

ScanFacts facts_of(const volume::VolumeReader& scan);

/// The finished masks of a scan, on its canonical grid.
struct ScanMasks {
  masks::RunMask lesion;
  std::optional<masks::RunMask> lung;  ///< nullopt: not known
  std::vector<Note> notes = {};        ///< what a reader of their measurements must know
};

/// One slice beside its masks.
struct MeasuredSlice {
  std::int64_t index, rows, columns;
  std::span<const float> pixels;
  std::span<const std::uint8_t> lesion, lung;  ///< 1 inside; lung is empty without a lung mask
};

/// Measures finished masks; the scan's intensities, for the densities, come slice by slice, so that a volume never has to be in
/// memory. Without any of them densities are unknown.
///
///     Measurer measurer(facts_of(scan), {lesion, lung});
///     for (each slice, in any order) measurer.add_slice(index, pixels);
///     const Measurements measurements = measurer.finish();
///
/// measure() does just that. Threads: one at a time.
class Measurer {
 public:
  /// Error when a mask is not of the grid's size.
  Measurer(const ScanFacts& scan, ScanMasks masks);
  Measurer(Measurer&&) noexcept;
  ~Measurer();

  /// The slice beside its masks, valid until the next one is added. Error when it is not of this grid, was given before, or has
  /// another number of pixels.
  MeasuredSlice add_slice(std::int64_t index, std::span<const float> pixels);

  /// Error when some slices of the grid were given and some not.
  Measurements finish() const;

  /// Of the slices so far. Error when none was given.
  IntensityStatistics intensities() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Whether it is 1 x 1 x 1 mm, as headers say that have nothing to say.
bool is_default_spacing(const volume::Vector3& spacing);

/// No position and a spacing of 1 × 1 × 1: that is a header's way to say nothing.
KnownSpacing known_spacing(const volume::SourceInfo& source);

/// Whether the header names no other unit than HU (DICOM's RescaleType).
bool may_be_hounsfield(const volume::SourceInfo& source);

/// Area of a pixel in the plane of its slice: the spacings times the sine of the angle between rows and columns.
double pixel_area_mm2(const volume::Geometry& grid);

/// Sees every slice of a scan once, in the order in which the file has them; valid during the call.
using OnMeasuredSlice = std::function<void(const MeasuredSlice&)>;

/// The one way in which a scan's slices and its finished masks come together. `scan`: nothing of it was handed out yet (or not
/// since VolumeReader::rewind). What was noticed when it was opened stands first in the notes. Where the picture contradicts its
/// header (wrong_orientation), sides and thirds are not known. Errors: those of VolumeReader.
Measurements measure(volume::VolumeReader& scan, ScanMasks masks, const OnMeasuredSlice& on_slice = {});

/// A mask from a file, on the grid of its scan.
struct MaskOnScan {
  masks::RunMask mask;
  std::vector<Note> notes;  ///< what a reader of its measurements must know
};

/// Of a segmentation what is `kind`, or FILE#NAME (volume::VolumeReader::open_mask); another grid is brought onto the scan's
/// (volume::visit_mask_on_grid). Every label of it but 0 is inside. Errors: those of volume/, among them a mask with values that are
/// no labels.
MaskOnScan read_mask(const std::filesystem::path& mask, volume::MaskKind kind, const volume::VolumeReader& scan);

/// Both. `lung`: empty for none.
ScanMasks read_masks(const std::filesystem::path& lesion, const std::filesystem::path& lung,
                     const volume::VolumeReader& scan);

}  // namespace pulmoseg::quantify
