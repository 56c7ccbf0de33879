// Measurements against SimpleITK's and NumPy's (tests/oracle/measurements.py), also of the same scan stored in another axis order
// and of one with other spacing and turned axes.

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/quantify/measurements.hpp"
#include "support/data.hpp"

namespace pulmoseg::quantify {
namespace {

using Json = nlohmann::json;

Json golden(const std::string& name) {
  const Json all = Json::parse(read_file(test::repository_file("tests/data/quantify/golden.json")));
  for (const Json& example : all.at("examples")) {
    if (example.at("name") == name) return example;
  }
  throw std::runtime_error("golden.json has no " + name);
}

template <class Number>
void expect_near(const Json& expected, std::optional<Number> found, const std::string& what) {
  ASSERT_EQ(expected.is_null(), !found) << what;
  if (!found) return;
  const auto value = expected.get<double>();
  EXPECT_NEAR(value, static_cast<double>(*found), 1e-6 * std::abs(value)) << what;
}

void expect_near(const Json& expected, std::int64_t found, const std::string& what) {
  EXPECT_EQ(expected.get<std::int64_t>(), found) << what;
}

void expect_regions(const Json& expected, const std::vector<RegionMeasurements>& found) {
  if (expected.is_null()) return;  // the oracle does not tell touching lungs apart
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& region : found) {
    const Json& golden = expected.at(region.name);
    expect_near(golden.at("lung_voxels"), region.lung_voxels, region.name);
    expect_near(golden.at("lesion_voxels"), region.lesion_voxels, region.name);
    expect_near(golden.at("percent_affected"), region.percent_affected, region.name);
    if (golden.contains("lung_ml")) expect_near(golden.at("lung_ml"), region.lung_ml, region.name);
  }
}

void expect_parts(const Json& expected, const Measurements& found) {
  ASSERT_EQ(expected.at("parts"), found.lesion_parts.size());
  for (std::size_t i = 0; i < expected.at("largest").size(); ++i) {
    const Json& part = expected.at("largest")[i];
    expect_near(part.at("voxels"), found.lesion_parts[i].voxels, "part");
    expect_near(part.at("ml"), found.lesion_parts[i].ml, "part");
    const bool one_of_equals =
        (i > 0 && part.at("voxels") == expected.at("largest")[i - 1].at("voxels")) ||
        (i + 1 < expected.at("largest").size() && part.at("voxels") == expected.at("largest")[i + 1].at("voxels"));
    for (std::size_t axis = 0; axis < 3 && !one_of_equals; ++axis)
      EXPECT_NEAR(part.at("centre")[axis].get<double>(), found.lesion_parts[i].centre[axis], 1e-4);
  }
  ASSERT_EQ(expected.at("sizes").size(), found.lesion_sizes.size());
  for (std::size_t i = 0; i < found.lesion_sizes.size(); ++i)
    expect_near(expected.at("sizes")[i], found.lesion_sizes[i].parts, "size");
}

void expect_density(const Json& expected, const std::optional<LungDensity>& found) {
  ASSERT_EQ(expected.is_null(), !found);
  if (!found) return;
  expect_near(expected.at("mean_hu"), found->mean_hu, "mean");
  expect_near(expected.at("standard_deviation_hu"), found->standard_deviation_hu, "standard deviation");
  expect_near(expected.at("mean_hu_of_lesion"), found->mean_hu_of_lesion, "mean of lesion");
  expect_near(expected.at("mean_hu_without_lesion"), found->mean_hu_without_lesion, "mean without lesion");
  expect_near(expected.at("mass_g"), found->mass_g, "mass");
  std::vector<HounsfieldBand> bands{found->below};
  bands.insert(bands.end(), found->bands.begin(), found->bands.end());
  bands.push_back(found->above);
  ASSERT_EQ(expected.at("band_voxels").size(), bands.size());
  for (std::size_t i = 0; i < bands.size(); ++i) {
    expect_near(expected.at("band_voxels")[i], bands[i].voxels, "band");
    expect_near(expected.at("band_percent")[i], bands[i].percent_of_lung, "band");
  }
}

void expect_golden(const std::string& name, const Measurements& found) {
  SCOPED_TRACE(name);
  const Json expected = golden(name);
  expect_near(expected.at("lesion_voxels"), found.lesion_voxels, "lesion");
  expect_near(expected.at("lesion_ml"), found.lesion_ml, "lesion");
  expect_near(expected.at("lung_voxels"), found.lung_voxels, "lung");
  expect_near(expected.at("lung_ml"), found.lung_ml, "lung");
  expect_near(expected.at("lesion_outside_lung_voxels"), found.lesion_outside_lung_voxels, "outside");
  expect_near(expected.at("percent_affected"), found.percent_affected, "percent");
  expect_regions(expected.at("sides"), found.sides);
  expect_regions(expected.at("thirds"), found.thirds);
  expect_parts(expected, found);
  expect_density(expected.at("density"), found.density);
}

TEST(GoldenMeasurements, OfMadeUpScansInThreeOrdersAndSpacings) {
  for (const std::string name : {"plain", "permuted", "anisotropic"}) {
    ASSERT_FALSE(golden(name).at("sides").is_null() || golden(name).at("density").is_null());
    const auto file = [&](const char* kind) {
      return test::repository_file("tests/data/quantify/" + name + "_" + kind + ".nii.gz");
    };
    auto scan = volume::VolumeReader::open(file("image"));
    expect_golden(name, measure(scan, read_masks(file("lesion"), file("lung"), scan)));
  }
}

// As in the oracle, what is denser than −600 HU stands for the lesion.
TEST(GoldenMeasurements, OfARealScanInHounsfieldUnits) {
  PULMOSEG_REQUIRE_DATA("hu/wholeLung-64.nrrd");
  auto scan = volume::VolumeReader::open(test::development_data("hu/ct-64.nrrd"));
  const auto lung = read_mask(test::development_data("hu/wholeLung-64.nrrd"), volume::MaskKind::lung, scan).mask;
  masks::RunMask dense(lung.size());
  volume::AxialSlice slice;
  while (scan.next(slice)) {
    auto pixels = lung.pixels(slice.index);
    for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] &= slice.pixels[i] > -600;
    dense.set(slice.index, pixels);
  }
  scan.rewind();
  expect_golden("ct-64", measure(scan, {dense, lung}));
}

TEST(GoldenMeasurements, OfARealCaseThatIsNotInHounsfieldUnits) {
  PULMOSEG_REQUIRE_DATA("covid20");
  const auto file = [](const char* folder) {
    return test::development_data(std::filesystem::path("covid20") / folder / "coronacases_001.nii.gz");
  };
  auto scan = volume::VolumeReader::open(file("rp_im"));
  expect_golden("coronacases_001", measure(scan, read_masks(file("rp_msk"), file("rp_lung_msk"), scan)));
}

}  // namespace
}  // namespace pulmoseg::quantify
