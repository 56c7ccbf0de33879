#include "pulmoseg/inference/segment.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/volume/volume_writer.hpp"
#include "support/data.hpp"
#include "tiny_network.hpp"

namespace pulmoseg::inference {
namespace {

using volume::AxisOrder;
using volume::Geometry;

/// The stored form of a canonical grid, so that canonical axis c is stored axis order.axis[c].
volume::SourceInfo stored_in(const AxisOrder& order, const Geometry& canonical) {
  AxisOrder inverse;
  for (std::size_t c = 0; c < 3; ++c) {
    const auto axis = static_cast<std::size_t>(order.axis[c]);
    inverse.axis[axis] = static_cast<int>(c);
    inverse.flipped[axis] = order.flipped[c];
  }
  volume::SourceInfo source;
  source.format = "NRRD";
  source.stored_geometry = volume::reorder(canonical, inverse);
  source.order = order;
  return source;
}

/// Every voxel different from its neighbours along every axis, bright and dark in each slice.
float phantom(std::int64_t column, std::int64_t row, std::int64_t slice) {
  return static_cast<float>((column * 7 + row * 13 + slice * 29) % 101);
}

void write_phantom(const std::filesystem::path& file, const AxisOrder& order, const Geometry& canonical) {
  volume::VolumeWriter writer(file, stored_in(order, canonical), volume::VoxelType::int16);
  const auto [columns, rows, slices] = canonical.size;
  for (std::int64_t k = 0; k < slices; ++k) {
    std::vector<float> pixels;
    for (std::int64_t j = 0; j < rows; ++j) {
      for (std::int64_t i = 0; i < columns; ++i) pixels.push_back(phantom(i, j, k));
    }
    writer.write(k, pixels);
  }
  writer.commit();
}

std::vector<SegmentedSlice> segment_file(const std::filesystem::path& file, Engine& engine) {
  auto reader = volume::VolumeReader::open(file);
  std::vector<SegmentedSlice> slices;
  segment(reader, engine, preprocessing_for(reader, engine),
          [&](const SegmentedSlice& slice) { slices.push_back(slice); });
  std::ranges::sort(slices, {}, &SegmentedSlice::index);
  return slices;
}

class SegmentTest : public testing::Test {
 protected:
  Engine engine(const onnx::Model& model) {
    onnx::write(model, folder_ / "model.onnx");
    return Engine(folder_ / "model.onnx");
  }

  test::TemporaryFolder folder_;
  const Geometry grid_{
      .size = {24, 20, 7}, .spacing = {0.7, 0.8, 5}, .origin = {-100, -90, 12}, .direction = Geometry{}.direction};
};

TEST_F(SegmentTest, GivesTheSameLabelsInEveryAxisOrder) {
  Engine network = engine(test::threshold_network(20, 0.5, 32));
  std::vector<SegmentedSlice> first;
  std::array<int, 3> axis{0, 1, 2};
  do {
    for (int flips = 0; flips < 8; ++flips) {
      write_phantom(folder_ / "ct.nii", {axis, {(flips & 1) != 0, (flips & 2) != 0, (flips & 4) != 0}}, grid_);
      const auto slices = segment_file(folder_ / "ct.nii", network);
      ASSERT_EQ(slices.size(), 7U);
      if (first.empty()) first = slices;
      for (std::size_t k = 0; k < slices.size(); ++k) {
        ASSERT_EQ(slices[k].index, static_cast<std::int64_t>(k));
        ASSERT_EQ(slices[k].columns, 24);
        ASSERT_EQ(slices[k].rows, 20);
        ASSERT_EQ(slices[k].labels, first[k].labels);
        ASSERT_EQ(slices[k].probabilities, first[k].probabilities);
        ASSERT_EQ(slices[k].pixels[24 * 3 + 5], phantom(5, 3, slices[k].index));
      }
    }
  } while (std::ranges::next_permutation(axis).found);
  const auto& labels = first[2].labels;
  const auto lesion = std::ranges::count(labels, 1);
  EXPECT_GT(lesion, 100);
  EXPECT_LT(lesion, 380);
}

// Each slice's answer is the one that its lower neighbour gets alone, the lowest slice's its own.
TEST_F(SegmentTest, ShowsTheNeighboursFromTheLowestUpInEveryAxisOrder) {
  Engine alone = engine(test::threshold_network(20, 0.5, 32));
  Engine below = engine(test::below_network(32));
  std::array<int, 3> axis{0, 1, 2};
  do {
    for (const bool downwards : {false, true}) {
      write_phantom(folder_ / "ct.nii", {axis, {false, true, downwards}}, grid_);
      const auto expected = segment_file(folder_ / "ct.nii", alone), found = segment_file(folder_ / "ct.nii", below);
      ASSERT_EQ(found.size(), 7U);
      for (std::size_t k = 0; k < 7; ++k) {
        ASSERT_EQ(found[k].labels, expected[k == 0 ? 0 : k - 1].labels) << k;
        ASSERT_EQ(found[k].pixels, expected[k].pixels);
        ASSERT_EQ(found[k].appearance, expected[k].appearance);
      }
    }
  } while (std::ranges::next_permutation(axis).found);
}

TEST_F(SegmentTest, OnTheNetworksOwnGridLesionIsWhatIsBright) {
  const Geometry grid{.size = {32, 32, 3}, .spacing = {1, 1, 1}, .origin = {}, .direction = Geometry{}.direction};
  write_phantom(folder_ / "ct.nii.gz", {}, grid);
  Engine network = engine(test::threshold_network(20, 0.5, 32));
  for (const auto& slice : segment_file(folder_ / "ct.nii.gz", network)) {
    const auto [low, high] = std::ranges::minmax(slice.pixels);
    for (std::size_t i = 0; i < slice.pixels.size(); ++i) {
      const float scaled = (slice.pixels[i] - low) / (high - low);
      ASSERT_NEAR(slice.probabilities[1024 + i], 1 / (1 + std::exp(-20 * (scaled - 0.5F))), 1e-5);
      if (std::abs(scaled - 0.5F) < 1e-6F) continue;
      ASSERT_EQ(slice.labels[i], scaled > 0.5F);
    }
  }
}

// The middle between two classes, interpolated from the network's grid to one twice as fine, lies where half-pixel centres
// put it. With corners aligned, or centres at whole numbers, it would be elsewhere.
TEST_F(SegmentTest, ProbabilitiesReturnWithHalfPixelCentres) {
  const Geometry grid{.size = {8, 8, 1}, .spacing = {1, 1, 1}, .origin = {}, .direction = Geometry{}.direction};
  volume::VolumeWriter writer(folder_ / "ct.nii", stored_in({}, grid), volume::VoxelType::float32);
  std::vector<float> pixels(64);
  for (std::size_t i = 0; i < 64; ++i) pixels[i] = i % 8 < 4 ? 0.0F : 1.0F;
  writer.write(0, pixels);
  writer.commit();
  Engine network = engine(test::threshold_network(2 * std::log(3.0F), 0.5, 4));  // probabilities 1/4 and 3/4
  const auto slices = segment_file(folder_ / "ct.nii", network);
  ASSERT_EQ(slices.size(), 1U);
  const std::vector<float> expected{0.25F, 0.25F, 0.25F, 0.375F, 0.625F, 0.75F, 0.75F, 0.75F};
  for (std::size_t i = 0; i < 64; ++i) {
    EXPECT_NEAR(slices[0].probabilities[64 + i], expected[i % 8], 1e-6) << i;
    EXPECT_EQ(slices[0].labels[i], i % 8 >= 4) << i;
  }
}

TEST_F(SegmentTest, ProbabilitiesSumToOneForAnyNumberOfClasses) {
  auto model = test::threshold_network(20, 0.5, 32);
  model.initializers = {{.name = "weight", .shape = {3, 1, 1, 1}, .data = std::vector<float>{-8, 0, 8}},
                        {.name = "bias", .shape = {3}, .data = std::vector<float>{4, 1, -4}}};
  model.outputs[0].shape[1] = std::int64_t{3};
  model.metadata["pulmoseg.classes"] = "background,lung,lesion";
  Engine network = engine(model);
  write_phantom(folder_ / "ct.nii", {}, grid_);
  std::array<int, 3> seen{};
  for (const auto& slice : segment_file(folder_ / "ct.nii", network)) {
    const std::size_t pixels = slice.labels.size();
    ASSERT_EQ(slice.probabilities.size(), 3 * pixels);
    for (std::size_t i = 0; i < pixels; ++i) {
      const std::array<float, 3> p{slice.probabilities[i], slice.probabilities[pixels + i],
                                   slice.probabilities[2 * pixels + i]};
      ASSERT_NEAR(std::accumulate(p.begin(), p.end(), 0.0F), 1, 1e-6);
      ASSERT_EQ(slice.labels[i], std::ranges::max_element(p) - p.begin());
      ++seen[slice.labels[i]];
    }
  }
  for (const int count : seen) EXPECT_GT(count, 0);
}

TEST_F(SegmentTest, AConstantSliceIsNotNaN) {
  const Geometry grid{.size = {16, 16, 2}, .spacing = {1, 1, 1}, .origin = {}, .direction = Geometry{}.direction};
  volume::VolumeWriter writer(folder_ / "ct.nii", stored_in({}, grid), volume::VoxelType::float32);
  writer.write(0, std::vector<float>(256, -1000.0F));
  writer.write(1, std::vector<float>(256, 40.0F));
  writer.commit();
  Engine network = engine(test::threshold_network());
  for (const auto& slice : segment_file(folder_ / "ct.nii", network)) {
    EXPECT_EQ(std::ranges::count(slice.labels, 0), 256);
    for (const float p : slice.probabilities) ASSERT_TRUE(std::isfinite(p));
  }
}

/// A model whose training cases all looked like these slices.
onnx::Model trained_on(const std::vector<SegmentedSlice>& slices, const dataset::Preprocessing& preprocessing) {
  onnx::Model model = test::threshold_network();
  model.metadata.merge(preprocessing.to_metadata());
  dataset::CaseAppearance appearance;
  for (const auto& slice : slices) appearance.add(slice.appearance);
  std::vector<dataset::Appearance> cases(2, *appearance.mean());
  for (double& value : cases[0]) value -= 0.01;
  for (double& value : cases[1]) value += 0.01;
  model.metadata.merge(dataset::Familiarity::of(cases).to_metadata());
  return model;
}

TEST_F(SegmentTest, EqualisesAScanThatLooksMoreFamiliarForIt) {
  const auto file = folder_ / "ct.nii";
  write_phantom(file, {}, grid_);
  const auto slices_with = [&](const dataset::Preprocessing& preprocessing) {
    onnx::Model model = test::threshold_network();
    model.metadata.merge(preprocessing.to_metadata());
    Engine network = engine(model);
    return segment_file(file, network);
  };
  const auto plain = slices_with({.size = 32}), equalised = slices_with({.size = 32, .equalisation = 5});
  ASSERT_NE(plain.front().probabilities, equalised.front().probabilities);

  const dataset::Preprocessing open{.size = 32, .equalisation = 5, .equalise_unfamiliar = true};
  for (const auto& seen : {plain, equalised}) {
    Engine network = engine(trained_on(seen, open));
    EXPECT_EQ(segment_file(file, network).front().probabilities, seen.front().probabilities);
  }
}

TEST_F(SegmentTest, AsksOnlyAboutWantedSlicesWithABody) {
  // Slice 1 is air, 2 is empty; of a network that sees lesion in everything.
  volume::SourceInfo source;
  source.stored_geometry = {.size = {16, 16, 5}, .spacing = {1, 1, 1}, .origin = {}, .direction = {}};
  source.stored_geometry.direction = volume::Geometry{}.direction;
  volume::VolumeWriter writer(folder_ / "ct.nii", source, volume::VoxelType::float32);
  for (std::int64_t k = 0; k < 5; ++k) {
    std::vector<float> pixels(256, -1000.0F);
    for (std::size_t i = 0; i < 128; ++i) pixels[i] = k == 1 ? -990.0F : k == 2 ? -1000.0F : 40.0F;
    writer.write(k, pixels);
  }
  writer.commit();
  Engine network = engine(test::threshold_network(20, -1));
  auto reader = volume::VolumeReader::open(folder_ / "ct.nii");
  std::vector<bool> computed;
  segment(reader, network, network.preprocessing(),
          [&](const SegmentedSlice& slice) {
            computed.push_back(slice.computed);
            EXPECT_EQ(std::ranges::count(slice.labels, slice.computed ? 1 : 0), 256) << slice.index;
            EXPECT_EQ(slice.probabilities.front() == 1, !slice.computed);
          },
          {.first = 1, .last = 3});
  EXPECT_EQ(computed, (std::vector<bool>{false, false, false, true, false}));
}

TEST_F(SegmentTest, EndsWithWhatTheCallerThrows) {
  write_phantom(folder_ / "ct.nii", {}, grid_);
  Engine network = engine(test::threshold_network());
  auto reader = volume::VolumeReader::open(folder_ / "ct.nii");
  int slices = 0;
  EXPECT_THROW(segment(reader, network, network.preprocessing(),
                       [&](const SegmentedSlice&) {
                         if (++slices == 3) throw Interrupted("stop");
                       }),
               Interrupted);
  EXPECT_EQ(slices, 3);
  EXPECT_EQ(segment_file(folder_ / "ct.nii", network).size(), 7U) << "the engine still works";
}

}  // namespace
}  // namespace pulmoseg::inference
