// A real series, dicom/chest-64 of the development data, and what may happen to one on its way: hu/ct-64.nrrd was made from it.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "pulmoseg/volume/volume.hpp"
#include "support/contains.hpp"
#include "support/data.hpp"
#include "volume/raw_nifti.hpp"

namespace pulmoseg::volume {
namespace {
namespace fs = std::filesystem;

/// Another value for an element of a data set in implicit VR little endian, at its top level (PS3.5, 7.1.3).
std::string with(const std::string& bytes, std::string_view tag, const std::string& value) {
  const std::size_t at = bytes.find(tag);
  if (at == std::string::npos) throw std::runtime_error("no such element");
  const std::size_t length = static_cast<unsigned char>(bytes[at + 4]);  // those that are changed here are short
  return bytes.substr(0, at + 4) + static_cast<char>(value.size()) + std::string(3, '\0') + value +
         bytes.substr(at + 8 + length);
}
constexpr std::string_view series_uid("\x20\0\x0e\0", 4), orientation("\x20\0\x37\0", 4), position("\x20\0\x32\0", 4);

class RealDicomSeries : public testing::Test {
 protected:
  void SetUp() override {
    PULMOSEG_REQUIRE_DATA("dicom/chest-64");
    PULMOSEG_REQUIRE_DATA("hu/ct-64.nrrd");
    for (const auto& entry : fs::directory_iterator(test::development_data("dicom/chest-64")))
      files_.push_back(entry.path());
    std::ranges::sort(files_);
    for (const fs::path& file : files_) slices_.push_back(test::file_bytes(file));
    original_ = read_volume(test::development_data("hu/ct-64.nrrd"));
  }

  /// Under names that run against no order, in two folders.
  void write_shuffled() {
    for (const char* name : {"a", "b"}) fs::create_directory(folder_ / name);
    for (std::size_t n = 0; n < slices_.size(); ++n) {
      names_.push_back(folder_ / (n % 2 == 0 ? "a" : "b") / fmt::format("{}.ima", n * 37 % 101));
      test::save(names_.back(), slices_[n]);
    }
  }

  void expect_original() const {
    const Volume volume = read_volume(folder_.path());
    EXPECT_EQ(volume.voxels, original_.voxels);
    EXPECT_TRUE(same_grid(volume.geometry, original_.geometry)) << describe(volume.geometry);
  }
  std::string note(const std::string& code) const {
    const SourceInfo source = VolumeReader::open(folder_.path()).source();
    const auto found = std::ranges::find(source.notes, code, &Note::code);
    return found == source.notes.end() ? "" : found->text;
  }
  std::string error() const { return test::reading_error(folder_.path()); }

  std::vector<fs::path> files_, names_;  // from the feet: the originals, and where write_shuffled() put them
  std::vector<std::string> slices_;
  Volume original_;
  test::TemporaryFolder folder_;
};

TEST_F(RealDicomSeries, ShuffledAndRenamed) {
  write_shuffled();
  expect_original();
  EXPECT_TRUE(VolumeReader::open(folder_.path()).source().notes.empty());
}

TEST_F(RealDicomSeries, TiltedSlicesKeepTheirCorners) {
  for (std::string& slice : slices_) slice = with(slice, orientation, "1\\0\\0\\0\\0.96\\-0.28");
  write_shuffled();
  const SourceInfo source = VolumeReader::open(folder_.path()).source();
  const Volume volume = read_volume(folder_.path());
  EXPECT_EQ(volume.voxels, original_.voxels);
  EXPECT_CONTAINS(note("gantry_tilt"), "tilted by 16.3 degrees");  // atan 0.28 / 0.96
  ASSERT_EQ(source.frames.size(), 79U);
  const double edge = 63 * 4.171872;
  for (std::size_t n = 0; n < 79; ++n) {
    EXPECT_EQ(source.frames[n].file, names_[n]);
    const Vector3& begin = source.frames[n].position;
    const Vector3 found = index_to_point(volume.geometry, {63, 63, static_cast<double>(n)});
    const Vector3 expected{begin[0] + edge, begin[1] + 0.96 * edge, begin[2] - 0.28 * edge};
    for (std::size_t r = 0; r < 3; ++r) EXPECT_NEAR(found[r], expected[r], 1e-3) << n;  // positions are rounded so
  }
}

TEST_F(RealDicomSeries, AMissingSliceIsNamedByItsNeighbours) {
  write_shuffled();
  fs::remove(names_[40]);
  EXPECT_TRUE(error().starts_with(folder_.path().string() + ": 1 slice is probably missing: between " +
                                  names_[39].string() + " at -204.75 mm and " + names_[41].string() +
                                  " at -196.775 mm"))
      << error();
}

TEST_F(RealDicomSeries, ADoubledSliceIsTakenOnce) {
  write_shuffled();
  test::save(folder_ / "again", slices_[17]);
  expect_original();
  EXPECT_CONTAINS(note("duplicate_slices"), "1 slice is there twice");
  EXPECT_CONTAINS(note("duplicate_slices"), (folder_ / "again").string());
}

TEST_F(RealDicomSeries, ASliceInThePlaceOfAnotherIsRefused) {
  write_shuffled();
  test::save(folder_ / "other", with(slices_[17], position, "-128.414\\-264.414\\-300.446"));  // that of slice 15
  EXPECT_CONTAINS(
      error(), names_[15].string() + " and " + (folder_ / "other").string() + " are two different images in one place");
}

TEST_F(RealDicomSeries, ASecondSeriesIsOffered) {
  write_shuffled();
  for (std::size_t n = 0; n < 40; ++n)
    test::save(folder_ / fmt::format("{}", n), with(slices_[n], series_uid, "1.2.3.40"));
  EXPECT_CONTAINS(error(), "holds 2 CT series: ");
  EXPECT_CONTAINS(error(), "79 slices, 4.172x4.172x3.987 mm, 1.2.826.0.1.3680043.2.1125.");
  EXPECT_CONTAINS(error(), "40 slices, 4.172x4.172x3.987 mm, 1.2.3.40");
  VolumeReader reader = VolumeReader::open(
      folder_.path(), OpenOptions{.series = VolumeReader::open(files_[0]).source().attributes.at("SeriesInstanceUID")});
  EXPECT_EQ(read_volume(std::move(reader)).voxels, original_.voxels);
}

TEST_F(RealDicomSeries, ASliceThatIsCutShortIsNamed) {
  write_shuffled();
  fs::resize_file(names_[3], slices_[3].size() - 1);
  EXPECT_TRUE(error().starts_with(names_[3].string() + ": is cut short or damaged, expected a whole DICOM image"))
      << error();
}

}  // namespace
}  // namespace pulmoseg::volume
