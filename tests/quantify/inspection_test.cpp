#include "pulmoseg/quantify/inspection.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

#include "pulmoseg/quantify/header_notes.hpp"
#include "pulmoseg/quantify/quality.hpp"
#include "support/data.hpp"
#include "support/nifti.hpp"

namespace pulmoseg::quantify {
namespace {

using Codes = std::set<std::string>;

Codes codes(const std::vector<Note>& warnings) {
  Codes all;
  for (const auto& warning : warnings) {
    all.insert(warning.code);
    EXPECT_FALSE(warning.text.empty());
  }
  return all;
}

/// A scan with nothing to say against: 0.7 mm pixels, slices of 2 mm, Hounsfield units.
struct Scan {
  volume::Geometry geometry{.size = {512, 512, 100}, .spacing = {0.7, 0.7, 2}};
  volume::SourceInfo source;
  IntensityStatistics intensities{
      .voxels = 512 * 512 * 100, .minimum = -1024, .maximum = 2000, .scale = IntensityScale::hounsfield};

  Codes warnings() const {
    auto notes = header_notes(geometry, source);
    std::ranges::move(intensity_notes(intensities, geometry.size[2]), std::back_inserter(notes));
    return codes(notes);
  }
};

TEST(Inspection, AGoodScanHasNoWarning) { EXPECT_EQ(Scan().warnings(), Codes{}); }

TEST(Inspection, NamesEachThingThatLooksWrong) {
  Scan scan;
  scan.geometry.spacing[2] = 8;
  EXPECT_EQ(scan.warnings(), Codes{"thick_slices"});

  scan = Scan();
  scan.geometry.size[2] = 1;
  EXPECT_EQ(scan.warnings(), Codes{"single_slice"});

  scan = Scan();
  scan.geometry.spacing = {2, 2, 2};
  EXPECT_EQ(scan.warnings(), Codes{"unusual_field_of_view"});

  scan = Scan();
  scan.intensities.scale = IntensityScale::shifted;
  EXPECT_EQ(scan.warnings(), Codes{"not_hounsfield"});

  scan = Scan();
  scan.intensities.constant_slices = {0, 99};
  EXPECT_EQ(scan.warnings(), Codes{"constant_slices"});

  scan = Scan();
  scan.intensities.minimum = scan.intensities.maximum = 5;
  EXPECT_EQ(scan.warnings(), Codes{"constant"});

  scan = Scan();
  scan.intensities.full_range_slices = 95;
  EXPECT_EQ(scan.warnings(), Codes{});  // Hounsfield units cut to a window
  scan.intensities.scale = IntensityScale::eight_bit;
  EXPECT_EQ(scan.warnings(), (Codes{"not_hounsfield", "scaled_slice_by_slice"}));
}

TEST(Inspection, ObliqueAndTiltedAreToldApart) {
  Scan scan;
  const double c = std::cos(0.1), s = std::sin(0.1);
  scan.geometry.direction = {{{1, 0, 0}, {0, c, s}, {0, -s, c}}};
  EXPECT_EQ(scan.warnings(), Codes{"oblique"});
  scan.geometry.direction = {{{1, 0, 0}, {0, 1, 0}, {0, s, c}}};
  EXPECT_EQ(scan.warnings(), (Codes{"oblique", "sheared"}));
  scan.source.notes = {{"gantry_tilt", "what reading a tilted DICOM series notes"}};
  EXPECT_EQ(scan.warnings(), Codes{"oblique"});
}

TEST(Inspection, AffinesThatDisagreeAreNoticed) {
  const auto found = inspect_volume(test::repository_file("tests/data/volume/sform_not_qform.nii.gz"));
  EXPECT_TRUE(codes(found.warnings).contains("affines_disagree"));
  // Turned and mirrored by its quaternion, which the file's own sform repeats: nothing to disagree about.
  const auto agreeing = inspect_volume(test::repository_file("tests/data/volume/oblique.nii.gz"));
  EXPECT_FALSE(codes(agreeing.warnings).contains("affines_disagree"));
}

TEST(Inspection, AffinesOfARealScannerAgree) {
  PULMOSEG_REQUIRE_DATA("hu/tb-001.nii.gz");
  const auto found = inspect_volume(test::development_data("hu/tb-001.nii.gz"));
  ASSERT_TRUE(found.source.nifti && found.source.nifti->qform_code > 0 && found.source.nifti->sform_code > 0);
  EXPECT_FALSE(codes(found.warnings).contains("affines_disagree"));
  EXPECT_TRUE(codes(found.warnings).contains("padding"));
}

TEST(Inspection, TheShippedSlicesAreNoScan) {
  const auto found = inspect_volume(test::repository_file("data/medseg/tr_im.nii.gz"));
  const Codes warnings = codes(found.warnings);
  EXPECT_TRUE(warnings.contains("not_hounsfield"));
  EXPECT_TRUE(warnings.contains("spacing_is_default"));
  const auto mask = inspect_volume(test::repository_file("data/medseg/tr_mask.nii.gz"));
  EXPECT_EQ(mask.intensities.scale, IntensityScale::labels);
  EXPECT_FALSE(codes(mask.warnings).contains("not_hounsfield"));
}

}  // namespace
}  // namespace pulmoseg::quantify
