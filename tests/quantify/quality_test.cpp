#include "pulmoseg/quantify/quality.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/quantify/inspection.hpp"
#include "pulmoseg/volume/volume.hpp"
#include "support/data.hpp"
#include "support/nifti.hpp"

namespace pulmoseg::quantify {
namespace {

using Codes = std::set<std::string>;

struct Scan {
  volume::Geometry grid;
  volume::SourceInfo source{};
  std::vector<float> voxels;
  std::vector<std::uint8_t> lung{};

  std::size_t pixels() const { return static_cast<std::size_t>(grid.size[0] * grid.size[1]); }
  std::int64_t slices() const { return grid.size[2]; }

  std::vector<Note> notes() const {
    QualityChecker quality(grid, source);
    IntensityAccumulator intensities;
    for (std::int64_t k = slices() - 1; k >= 0; --k) {  // in any order
      const auto from = static_cast<std::size_t>(k) * pixels();
      const std::span<const std::uint8_t> mask = lung;
      intensities.add_slice(k, std::span(voxels).subspan(from, pixels()));
      quality.add({k,
                   grid.size[1],
                   grid.size[0],
                   std::span(voxels).subspan(from, pixels()),
                   {},
                   lung.empty() ? mask : mask.subspan(from, pixels())});
    }
    return quality.finish(intensities.finish());
  }

  Codes codes() const {
    Codes all;
    for (const auto& note : notes()) {
      EXPECT_FALSE(note.text.empty());
      EXPECT_TRUE(all.insert(note.code).second) << note.code << " twice";
    }
    return all;
  }

  std::string text(const std::string& code) const {
    for (const auto& note : notes()) {
      if (note.code == code) return note.text;
    }
    return {};
  }
};

/// What the notes of a scan are once its voxels run the other way, as with a header that swaps two directions.
template <class Value>
std::vector<Value> flipped(const std::vector<Value>& voxels, const masks::Size& size, std::size_t axis) {
  std::vector<Value> out(voxels.size());
  for (std::int64_t k = 0, i = 0; k < size[2]; ++k) {
    for (std::int64_t j = 0; j < size[1]; ++j) {
      for (std::int64_t c = 0; c < size[0]; ++c, ++i) {
        std::array<std::int64_t, 3> at{c, j, k};
        at[axis] = size[axis] - 1 - at[axis];
        out[static_cast<std::size_t>((at[2] * size[1] + at[1]) * size[0] + at[0])] =
            voxels[static_cast<std::size_t>(i)];
      }
    }
  }
  return out;
}

Scan flipped(Scan scan, std::size_t axis) {
  scan.voxels = flipped(scan.voxels, scan.grid.size, axis);
  if (!scan.lung.empty()) scan.lung = flipped(scan.lung, scan.grid.size, axis);
  return scan;
}

/// A part of a scan: [first, last) along each axis.
Scan part_of(const Scan& scan, const std::array<std::array<std::int64_t, 2>, 3>& range) {
  Scan part{.grid = scan.grid, .source = scan.source, .voxels = {}};
  for (std::size_t axis = 0; axis < 3; ++axis) part.grid.size[axis] = range[axis][1] - range[axis][0];
  for (auto k = range[2][0]; k < range[2][1]; ++k) {
    for (auto j = range[1][0]; j < range[1][1]; ++j) {
      for (auto i = range[0][0]; i < range[0][1]; ++i) {
        const auto from = static_cast<std::size_t>((k * scan.grid.size[1] + j) * scan.grid.size[0] + i);
        part.voxels.push_back(scan.voxels[from]);
        if (!scan.lung.empty()) part.lung.push_back(scan.lung[from]);
      }
    }
  }
  return part;
}

Scan slices_of(const Scan& scan, std::int64_t first, std::int64_t last) {
  return part_of(scan, {{{0, scan.grid.size[0]}, {0, scan.grid.size[1]}, {first, last}}});
}

using Tissue =
    std::function<float(double x, double y, double z)>;  ///< mm: to the left, to the back, up from the lowest

Scan scan_of(const volume::Geometry& grid, const Tissue& hu, const std::function<bool(float)>& is_lung = {}) {
  Scan scan{.grid = grid, .source = {}, .voxels = {}};
  scan.source.stored_geometry = grid;
  for (std::int64_t k = 0; k < grid.size[2]; ++k) {
    for (std::int64_t j = 0; j < grid.size[1]; ++j) {
      for (std::int64_t i = 0; i < grid.size[0]; ++i) {
        const double x = (static_cast<double>(i) - static_cast<double>(grid.size[0]) / 2) * grid.spacing[0];
        const double y = (static_cast<double>(j) - static_cast<double>(grid.size[1]) / 2) * grid.spacing[1];
        scan.voxels.push_back(hu(x, y, static_cast<double>(k) * grid.spacing[2]));
        if (is_lung) scan.lung.push_back(is_lung(scan.voxels.back()));
      }
    }
  }
  return scan;
}

const volume::Geometry chest_grid{.size = {120, 90, 62}, .spacing = {3, 3, 5}};

/// A chest of simple bodies: lungs wide at their base, on domes; spine at the back, breastbone in front, the heart leaning left, the
/// liver at the right, shoulders above.
struct MadeUpChest {
  float blood = 45, lung = -850;

  float operator()(double x, double y, double z) const {
    if (std::hypot(x / 160, y / 110) > 1) return -1000;
    if (std::abs(x) < 20 && y > 50 && y < 95) return 350;
    if (std::abs(x) < 12 && y > -104 && y < -98 && z > 80) return 350;
    if (z > 235 && std::abs(y) < 25 && std::abs(x) > 40 && std::abs(x) < 140) return 350;
    if (std::hypot((x - 20) / 45, (y + 25) / 50, (z - 120) / 55) < 1 || std::hypot(x / 22, (y + 10) / 25) < 1)
      return blood;
    const double width = 65 - 40 * std::pow(std::clamp((z - 60) / 210, 0.0, 1.0), 2);  // half, of each lung
    const double from_centre = std::hypot((std::abs(x) - 75) / width, y / 85);
    const double dome = 50 + 60 * (1 - from_centre * from_centre);
    if (from_centre < 1 && z > dome && z < 270) return lung;
    if (z < 110) return x < 0 ? 60 : -80;  // liver; stomach and spleen between fat
    return 30;
  }
};

Scan made_up_chest(const MadeUpChest& chest = {}) {
  return scan_of(chest_grid, chest, [&](float hu) { return hu == chest.lung; });
}

Scan without_mask(Scan scan) {
  scan.lung.clear();
  return scan;
}

TEST(Quality, AGoodChestHasNoNote) {
  EXPECT_EQ(made_up_chest().codes(), Codes{});
  EXPECT_EQ(without_mask(made_up_chest()).codes(), Codes{});
}

TEST(Quality, NoiseAndFinePixelsMakeNoNote) {
  const volume::Geometry fine{.size = {360, 270, 62}, .spacing = {1, 1, 5}};
  std::uint32_t state = 1;
  const auto noise = [&state] {  // a sum of uniform numbers, 30 HU wide
    float sum = 0;
    for (int i = 0; i < 12; ++i) sum += static_cast<float>((state = state * 1664525u + 1013904223u) >> 8) / (1 << 24);
    return (sum - 6) * 30;
  };
  const auto scan = scan_of(fine, [&](double x, double y, double z) { return MadeUpChest{}(x, y, z) + noise(); });
  EXPECT_EQ(scan.codes(), Codes{});
}

TEST(Quality, ThickSlices) {
  auto scan = made_up_chest();
  scan.grid.spacing[2] = 6;
  EXPECT_EQ(scan.codes(), Codes{"thick_slices"});
}

TEST(Quality, NumbersThatAreNotHounsfield) {
  auto scan = made_up_chest();
  for (float& v : scan.voxels) v = std::round(std::clamp((v + 1000) / 6, 0.0F, 255.0F));
  scan.voxels[0] = 255;
  const Codes found = scan.codes();
  EXPECT_TRUE(found.contains("not_hounsfield"));
  EXPECT_FALSE(found.contains("not_chest"));
  for (const char* needs_hu : {"contrast_enhanced", "metal"}) EXPECT_FALSE(found.contains(needs_hu));
}

TEST(Quality, AnotherUnitInTheHeader) {
  auto scan = made_up_chest();
  scan.source.attributes["RescaleType"] = "US";
  EXPECT_EQ(scan.codes(), Codes{"not_hounsfield"});
  scan.source.attributes["RescaleType"] = "HU";
  EXPECT_EQ(scan.codes(), Codes{});
}

TEST(Quality, WhatIsNoChest) {
  const auto abdomen = scan_of(chest_grid, [](double x, double y, double z) -> float {
    if (std::hypot(x / 160, y / 110) > 1) return -1000;
    if (std::abs(x) < 20 && y > 50 && y < 95) return 350;
    return std::hypot(x - 40, y + 60, std::fmod(z, 60) - 30) < 22 ? -950 : 40;  // gas in the bowel
  });
  const auto head = scan_of(chest_grid, [](double x, double y, double) -> float {
    const double r = std::hypot(x / 75, y / 95);
    if (r > 1) return -1000;
    if (std::hypot(x, y + 70) < 12) return -1000;  // frontal sinus
    return r > 0.9 ? 1200 : 35;
  });
  const auto legs = scan_of(chest_grid, [](double x, double y, double) -> float {
    const double r = std::hypot(std::abs(x) - 80, y);
    return r > 70 ? -1000 : r < 15 ? 1000 : 50;
  });
  const auto empty = scan_of(chest_grid, [](double x, double y, double) -> float {
    return y > 120 && std::abs(x) < 150 ? 50 : -1000;  // a table with nobody
  });
  for (const auto& scan : {abdomen, head, legs, empty}) EXPECT_EQ(scan.codes(), Codes{"not_chest"});
}

TEST(Quality, AMaskOfNothingIsNoChestWhereTheNumbersSayNothing) {
  auto scan = made_up_chest();
  for (float& v : scan.voxels) v = std::round(std::clamp((v + 1000) / 6, 0.0F, 200.0F));
  std::ranges::fill(scan.lung, std::uint8_t{0});
  EXPECT_EQ(scan.codes(), (Codes{"not_hounsfield", "scaled_slice_by_slice", "not_chest"}));
}

TEST(Quality, LungsWithoutAirAreStillAChest) {
  EXPECT_FALSE(made_up_chest({.lung = -450}).codes().contains("not_chest"));  // ground glass throughout
}

TEST(Quality, AVolumeThatNoLungsHave) {
  auto scan = made_up_chest();
  scan.grid.spacing = {1.2, 1.2, 2};  // a spacing of another scan
  EXPECT_EQ(scan.codes(), (Codes{"unusual_lung_volume", "unusual_field_of_view"}));
  scan.grid.spacing = {4.5, 4.5, 5};
  EXPECT_EQ(scan.codes(), Codes{"unusual_lung_volume"});
}

TEST(Quality, ContrastMediumInTheHeart) {
  for (const float blood : {120.0F, 250.0F}) {
    EXPECT_EQ(made_up_chest({.blood = blood}).codes(), Codes{"contrast_enhanced"}) << blood;
    EXPECT_EQ(without_mask(made_up_chest({.blood = blood})).codes(), Codes{"contrast_enhanced"}) << blood;
  }
  EXPECT_EQ(made_up_chest({.blood = 70}).codes(), Codes{});
}

TEST(Quality, ContrastMediumInTheHeader) {
  auto scan = made_up_chest();
  for (const char* none : {"None", "NO ", " "}) {
    scan.source.attributes["ContrastBolusAgent"] = none;
    EXPECT_EQ(scan.codes(), Codes{});
  }
  scan.source.attributes["ContrastBolusAgent"] = "ANY AGENT 300";
  EXPECT_EQ(scan.codes(), Codes{"contrast_enhanced"});
}

TEST(Quality, FewSlices) {
  auto grid = chest_grid;
  grid.size[2] = 15;
  grid.spacing[2] = 20;
  const auto scan = scan_of(grid, MadeUpChest{}, [](float hu) { return hu == -850; });
  EXPECT_EQ(scan.codes(), (Codes{"too_few_slices", "thick_slices"}));
  EXPECT_EQ(without_mask(scan).codes(), (Codes{"too_few_slices", "thick_slices"}));
  EXPECT_EQ(slices_of(made_up_chest(), 30, 31).codes(), Codes{"single_slice"});
}

TEST(Quality, SliceThicknessBesideTheirDistance) {
  auto scan = made_up_chest();
  for (const auto& [thickness, expected] : std::map<std::string, Codes>{
           {"5", {}}, {"4.98 ", {}}, {"1.25", {"slice_gaps"}}, {"8", {"thick_slices"}}, {"", {}}, {"0", {}}}) {
    scan.source.attributes["SliceThickness"] = thickness;
    EXPECT_EQ(scan.codes(), expected) << thickness;
  }
}

TEST(Quality, LungsCutAtEachFace) {
  const auto whole = made_up_chest();
  const auto upper_missing = slices_of(whole, 0, 40), lower_missing = slices_of(whole, 20, 62);
  EXPECT_TRUE(upper_missing.text("lungs_cut").find("upper end") != std::string::npos);
  EXPECT_TRUE(upper_missing.text("lungs_cut").find("lower end") == std::string::npos);
  EXPECT_TRUE(lower_missing.text("lungs_cut").find("lower end") != std::string::npos);
  EXPECT_TRUE(without_mask(upper_missing).codes().contains("lungs_cut"));
  const std::map<std::string, std::array<std::array<std::int64_t, 2>, 3>> sides{
      {"right side", {{{22, 120}, {0, 90}, {0, 62}}}},
      {"left side", {{{0, 98}, {0, 90}, {0, 62}}}},
      {"front", {{{0, 120}, {24, 90}, {0, 62}}}},
      {"back", {{{0, 120}, {0, 66}, {0, 62}}}}};
  for (const auto& [side, range] : sides) {
    const auto text = part_of(whole, range).text("lungs_cut");
    EXPECT_TRUE(text.find(side) != std::string::npos) << side << ": " << text;
    EXPECT_EQ(std::ranges::count(text, '%'), 1) << text;
  }
}

TEST(Quality, AMaskOnBowelGasIsNoCut) {
  auto scan = made_up_chest();
  for (std::size_t row = 20; row < 35; ++row)
    std::fill_n(scan.lung.begin() + static_cast<std::ptrdiff_t>(row * 120 + 50), 25, std::uint8_t{1});
  EXPECT_EQ(scan.codes(), Codes{});
}

TEST(Quality, APictureCutOutOfTheLungsIsStillAChest) {
  const auto inside = part_of(without_mask(made_up_chest()), {{{15, 105}, {18, 72}, {15, 50}}});
  EXPECT_FALSE(inside.codes().contains("not_chest"));
}

TEST(Quality, MetalInTheBodyOnly) {
  const auto with = [](double at_x, double radius) {
    return scan_of(chest_grid, [=](double x, double y, double z) {
      return std::hypot(x - at_x, y + 80, z - 200) < radius ? 3071.0F : MadeUpChest{}(x, y, z);
    });
  };
  const auto pacemaker = with(50, 11);
  EXPECT_EQ(pacemaker.codes(), Codes{"metal"});
  EXPECT_TRUE(pacemaker.text("metal").find("5 slices: 38, 39, 40, 41, 42") != std::string::npos)
      << pacemaker.text("metal");
  EXPECT_EQ(with(165, 11).codes(), Codes{});  // beside the patient
}

TEST(Quality, ASmallBrightSpeckIsNoMetal) {
  const volume::Geometry fine{.size = {360, 270, 62}, .spacing = {1, 1, 5}};
  auto scan = scan_of(fine, MadeUpChest{});
  const auto centre = 30 * scan.pixels() + 60 * 360 + 180;
  for (std::size_t i = 0; i < 9; ++i) scan.voxels[centre + i] = 3071;
  EXPECT_EQ(scan.codes(), Codes{});
  scan.voxels[centre + 9] = 3071;
  EXPECT_EQ(scan.codes(), Codes{"metal"});
}

TEST(Quality, OrientationsThatContradictTheHeader) {
  const std::array<const char*, 3> expected{"liver lies at the left", "spine lies in front", "shoulders lie below"};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    const auto scan = flipped(made_up_chest(), axis);
    EXPECT_EQ(scan.codes(), Codes{"wrong_orientation"}) << axis;
    EXPECT_TRUE(scan.text("wrong_orientation").find(expected[axis]) != std::string::npos)
        << scan.text("wrong_orientation");
    EXPECT_EQ(without_mask(scan).codes(), Codes{"wrong_orientation"}) << axis;
  }
}

/// As a picture for the screen: 0 to 255.
Scan without_hounsfield(Scan scan) {
  for (float& v : scan.voxels) v = std::round(std::clamp((v + 1000) / 6, 0.0F, 255.0F));
  return scan;
}

TEST(Quality, AMaskThatIsUpsideDownWhereTheNumbersSayNothing) {
  const auto scan = without_hounsfield(made_up_chest());
  EXPECT_FALSE(scan.codes().contains("wrong_orientation"));
  for (const std::size_t axis : {0, 1}) EXPECT_FALSE(flipped(scan, axis).codes().contains("wrong_orientation"));
  const auto turned = flipped(scan, 2);
  EXPECT_TRUE(turned.text("wrong_orientation").find("narrower from their upper end") != std::string::npos);
  EXPECT_FALSE(without_mask(turned).codes().contains("wrong_orientation"));
}

TEST(Quality, ALungThatIsLostIsNotUpsideDown) {
  auto scan = without_hounsfield(made_up_chest());
  for (std::int64_t k = 0; k < scan.slices() / 2; ++k) {  // the lower half of the right one
    for (std::int64_t row = 0; row < scan.grid.size[1]; ++row)
      std::fill_n(scan.lung.begin() + (k * scan.grid.size[1] + row) * scan.grid.size[0], 60, std::uint8_t{0});
  }
  EXPECT_FALSE(scan.codes().contains("wrong_orientation"));
  EXPECT_FALSE(slices_of(flipped(without_hounsfield(made_up_chest()), 2), 20, 29).codes().contains("wrong_orientation"))
      << "a stretch of nine slices";
}

TEST(Quality, RowsAndColumnsExchanged) {
  auto grid = chest_grid;
  std::swap(grid.size[0], grid.size[1]);
  const auto left = scan_of(grid, [](double x, double y, double z) { return MadeUpChest{}(y, x, z); });
  EXPECT_TRUE(left.text("wrong_orientation").find("spine lies at the left") != std::string::npos);
  const auto right = scan_of(grid, [](double x, double y, double z) { return MadeUpChest{}(y, -x, z); });
  EXPECT_TRUE(right.text("wrong_orientation").find("spine lies at the right") != std::string::npos);
}

TEST(Quality, ASliceOfAnotherGridIsRefused) {
  const auto scan = made_up_chest();
  QualityChecker quality(scan.grid, scan.source);
  const std::vector<float> pixels(scan.pixels());
  EXPECT_THROW(quality.add({62, 90, 120, pixels, {}, {}}), Error);
  EXPECT_THROW(quality.add({0, 90, 120, std::span(pixels).first(7), {}, {}}), Error);
}

TEST(Quality, WhatIsWrongReachesMeasurementsAndInspection) {
  const volume::Geometry grid{.size = {60, 60, 24}, .spacing = {6, 6, 8}};
  const auto trunk =
      scan_of(grid, [](double x, double y, double) { return std::hypot(x, y) > 140 ? -1000.0F : 40.0F; });
  const test::TemporaryFolder folder;
  test::write_nifti(
      folder / "trunk.nii",
      {.size = {60, 60, 24}, .spacing = {6, 6, 8}, .voxels = trunk.voxels});  // RAS: the canonical one turned
  const auto codes_of = [](const std::vector<Note>& notes) {
    Codes codes;
    for (const auto& note : notes) codes.insert(note.code);
    return codes;
  };
  auto reader = volume::VolumeReader::open(folder / "trunk.nii");
  const auto measured = measure(reader, {masks::RunMask(grid.size), {}});
  EXPECT_EQ(codes_of(measured.notes), (Codes{"no_lung_mask", "not_chest", "thick_slices"}));
  EXPECT_EQ(codes_of(inspect_volume(folder / "trunk.nii").warnings), (Codes{"not_chest", "thick_slices"}));
}

// Real scans --------------------------------------------------------------------------------------------------------------

Scan read(const char* name) {
  auto reader = volume::VolumeReader::open(test::development_data(name));
  Scan scan{.grid = reader.geometry(), .source = reader.source(), .voxels = {}};
  scan.voxels = volume::read_volume(std::move(reader)).voxels;
  return scan;
}

/// As the header says: nothing but `true_ones`. Turned along an axis of `noticed`: `wrong_orientation` too. Cut: said. Below the
/// lungs: no chest.
void check_real_scan(const char* name, const Codes& true_ones, const std::set<std::size_t>& noticed,
                     std::int64_t slices_without_lungs) {
  const auto scan = read(name);
  EXPECT_EQ(scan.codes(), true_ones);
  for (std::size_t axis = 0; axis < 3; ++axis) {
    Codes expected = true_ones;
    if (noticed.contains(axis)) expected.insert("wrong_orientation");
    EXPECT_EQ(flipped(scan, axis).codes(), expected) << name << " axis " << axis;
  }
  const auto lungs = slices_of(scan, scan.slices() / 3, scan.slices());
  EXPECT_TRUE(lungs.codes().contains("lungs_cut"));
  EXPECT_FALSE(lungs.codes().contains("not_chest"));
  EXPECT_TRUE(slices_of(scan, 0, slices_without_lungs).codes().contains("not_chest"));
}

TEST(Quality, RealScanOfADestroyedLung) {
  PULMOSEG_REQUIRE_DATA("hu/tb-001.nii.gz");
  // The shrunken right lung has drawn the heart over to its side: liver and heart do not agree on left and right.
  check_real_scan("hu/tb-001.nii.gz", {}, {1, 2}, 3);
}

TEST(Quality, RealScanWithThickSlices) {
  PULMOSEG_REQUIRE_DATA("hu/tb-002.nii.gz");
  check_real_scan("hu/tb-002.nii.gz", {"thick_slices"}, {0, 1, 2}, 5);  // 5.12 mm
}

TEST(Quality, RealScanOfCoarsePixels) {
  PULMOSEG_REQUIRE_DATA("hu/ct-64.nrrd");
  check_real_scan("hu/ct-64.nrrd", {}, {0, 1, 2}, 10);
}

TEST(Quality, RealScanWithItsLungMask) {
  PULMOSEG_REQUIRE_DATA("hu/ct-64.nrrd");
  auto scan = read("hu/ct-64.nrrd");
  for (const float label : read("hu/wholeLung-64.nrrd").voxels) scan.lung.push_back(label != 0);
  EXPECT_EQ(scan.codes(), Codes{});
  EXPECT_TRUE(slices_of(scan, 0, 50).codes().contains("lungs_cut"));
}

TEST(Quality, RealScanInDicom) {
  PULMOSEG_REQUIRE_DATA("dicom/chest-64");
  EXPECT_EQ(read("dicom/chest-64").codes(), Codes{});
}

TEST(Quality, EqualisedScansAreCutAndNotHounsfieldAndNothingElse) {
  PULMOSEG_REQUIRE_DATA("covid20/rp_im/coronacases_001.nii.gz");
  for (const std::string name : {"coronacases_001", "radiopaedia_36_86526_0"}) {
    auto scan = read(("covid20/rp_im/" + name + ".nii.gz").c_str());
    for (const float label : read(("covid20/rp_lung_msk/" + name + ".nii.gz").c_str()).voxels)
      scan.lung.push_back(label != 0);
    const Codes found = scan.codes();
    EXPECT_TRUE(found.contains("not_hounsfield"));
    EXPECT_TRUE(found.contains("lungs_cut"));  // only their middle is there
    for (const char* wrong : {"not_chest", "wrong_orientation", "metal", "contrast_enhanced", "unusual_lung_volume"})
      EXPECT_FALSE(found.contains(wrong)) << name << ' ' << wrong;
  }
}

/// The lung masks of a folder of pictures that are no Hounsfield units.
TEST(Quality, OneEqualisedScanIsUpsideDown) {
  PULMOSEG_REQUIRE_DATA("covid20/rp_lung_msk");
  const auto tapers = [](const Scan& scan) {
    std::vector<LungOutline> outlines;
    for (std::size_t at = 0; at < scan.lung.size(); at += scan.pixels())
      outlines.push_back(outline_of(std::span(scan.lung).subspan(at, scan.pixels()), scan.grid.size[0]));
    return tapers_downwards(outlines);
  };
  std::set<std::string> as_is, turned;
  for (const auto& entry : std::filesystem::directory_iterator(test::development_data("covid20/rp_lung_msk"))) {
    const std::string name = entry.path().filename().string();
    auto scan = read(("covid20/rp_lung_msk/" + name).c_str());
    for (const float label : scan.voxels) scan.lung.push_back(label != 0);
    if (tapers(scan)) as_is.insert(name);
    if (tapers(flipped(scan, 2))) turned.insert(name);
  }
  EXPECT_EQ(as_is, std::set<std::string>{"radiopaedia_7_85703_0.nii.gz"});
  // The others are cut so far below the apex that nothing is said of them.
  EXPECT_EQ(turned,
            (std::set<std::string>{"coronacases_001.nii.gz", "coronacases_002.nii.gz", "coronacases_003.nii.gz",
                                   "coronacases_008.nii.gz", "coronacases_010.nii.gz", "radiopaedia_27_86410_0.nii.gz",
                                   "radiopaedia_36_86526_0.nii.gz", "radiopaedia_4_85506_1.nii.gz"}));
}

}  // namespace
}  // namespace pulmoseg::quantify
