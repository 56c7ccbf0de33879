// Multi-frame files, made element by element: what their functional groups say, and what is no single volume. (Encodings of enhanced
// files: dicom_golden_test.cpp.)

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "pulmoseg/volume/volume.hpp"
#include "support/contains.hpp"
#include "support/data.hpp"
#include "support/dicom.hpp"
#include "volume/raw_nifti.hpp"

namespace pulmoseg::volume {
namespace {

using test::DicomFile;

constexpr int frames = 4;
constexpr std::uint32_t frame_content = 0x00209111, plane_position = 0x00209113, plane_orientation = 0x00209116,
                        pixel_measures = 0x00289110, value_transformation = 0x00289145;

std::string unsigned_long(unsigned value) { return {static_cast<char>(value), 0, 0, 0}; }

/// The groups of slice `n` of the made-up series.
DicomFile groups_of(int n) {
  const std::string position = fmt::format("{:.3f}\\{:.3f}\\{:.3f}", 10.5 + 0.42 * n, -20 - 1.44 * n, 30 + 2.0 * n);
  return DicomFile()
      .put_sequence(frame_content, {DicomFile().put(0x00209056, "SH", "1").put(0x00209128, "UL", unsigned_long(1))})
      .put_sequence(plane_position, {DicomFile().put(0x00200032, "DS", position)})
      .put_sequence(value_transformation, {DicomFile()
                                               .put(0x00281052, "DS", fmt::format("{}", -1024 - n))
                                               .put(0x00281053, "DS", "2")
                                               .put(0x00281054, "LO", "HU")});
}

/// The slices of the made-up series, the last one first, as a file of Legacy Converted Enhanced CT (PS3.3, A.70): what is the same in
/// all frames stands in the shared groups, and nothing of it in the data set.
DicomFile legacy_converted(const std::function<void(DicomFile& groups, int n)>& change = {}) {
  std::vector<DicomFile> per_frame;
  std::string pixels;
  for (int n = frames - 1; n >= 0; --n) {
    per_frame.push_back(groups_of(n));
    if (change) change(per_frame.back(), n);
    pixels += test::ct_slice(n).value(0x7fe00010);
  }
  const DicomFile shared =
      DicomFile()
          .put_sequence(plane_orientation, {DicomFile().put(0x00200037, "DS", "0.96\\0.28\\0\\-0.224\\0.768\\0.6")})
          .put_sequence(pixel_measures, {DicomFile().put(0x00180050, "DS", "2.5").put(0x00280030, "DS", "0.8\\0.5")})
          .put_sequence(0x00209170, {DicomFile().put(0x00080008, "CS", "ORIGINAL\\PRIMARY\\AXIAL")});
  DicomFile file = test::ct_slice(0);
  for (const std::uint32_t tag : {0x00200032, 0x00200037, 0x00280030, 0x00180050, 0x00281052, 0x00281053, 0x00281054})
    file.remove(tag);
  return file.put(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2.2")
      .put(0x00280008, "IS", fmt::format("{}", frames))
      .put_sequence(0x52009229, {shared})
      .put_sequence(0x52009230, per_frame)
      .put(0x7fe00010, "OW", pixels);
}

class DicomEnhanced : public testing::Test {
 protected:
  void write(const DicomFile& file) { test::save(folder_ / "frames.dcm", file.bytes()); }
  std::string error() const { return test::reading_error(folder_.path()); }

  test::TemporaryFolder folder_;
};

TEST_F(DicomEnhanced, LegacyConvertedIsReadFrameByFrame) {
  write(legacy_converted());
  VolumeReader reader = VolumeReader::open(folder_.path());
  const SourceInfo source = reader.source();
  EXPECT_EQ(source.attributes.at("SliceThickness"), "2.5");
  EXPECT_EQ(source.attributes.at("RescaleType"), "HU");
  ASSERT_EQ(source.frames.size(), 4U);
  EXPECT_EQ(source.frames.front().frame_number, 4);
  const Volume volume = read_volume(std::move(reader));
  const Geometry expected{.size = {4, 3, frames},
                          .spacing = {0.5, 0.8, 2.5},
                          .origin = {10.5, -20, 30},
                          .direction = {{{0.96, 0.28, 0}, {-0.224, 0.768, 0.6}, {0.168, -0.576, 0.8}}}};
  EXPECT_TRUE(same_grid(volume.geometry, expected)) << describe(volume.geometry);
  for (int n = 0; n < frames; ++n) {
    for (int i = 0; i < 12; ++i)
      EXPECT_EQ(volume.slice(n)[static_cast<std::size_t>(i)],
                static_cast<float>(200 * n + 20 * (i / 4) + 2 * (i % 4) - 1024 - n));
  }
}

TEST_F(DicomEnhanced, SeveralPointsInTimeAreRefused) {
  write(legacy_converted([](DicomFile& groups, int n) {
    groups.put_sequence(frame_content, {DicomFile().put(0x00209128, "UL", unsigned_long(n < 2 ? 1 : 2))});
  }));
  EXPECT_EQ(error(), (folder_ / "frames.dcm").string() +
                         ": holds several points in time, expected one; export them as series of their own");
}

TEST_F(DicomEnhanced, SeveralStacksAreRefused) {
  write(legacy_converted([](DicomFile& groups, int n) {
    groups.put_sequence(frame_content, {DicomFile().put(0x00209056, "SH", n < 2 ? "1" : "2")});
  }));
  EXPECT_EQ(error(), (folder_ / "frames.dcm").string() +
                         ": holds several stacks of slices, expected one; export them as series of their own");
}

TEST_F(DicomEnhanced, AMissingFrameIsNamed) {
  write(legacy_converted([](DicomFile& groups, int n) {
    if (n == 3) groups.put_sequence(plane_position, {DicomFile().put(0x00200032, "DS", "12.18\\-25.76\\38")});
  }));
  EXPECT_CONTAINS(error(), "1 slice is probably missing: between ");
  EXPECT_CONTAINS(error(), "frames.dcm, frame 2 at ");
  EXPECT_CONTAINS(error(), "frames.dcm, frame 1 at ");
}

TEST_F(DicomEnhanced, GroupsForAnotherNumberOfFramesAreRefused) {
  for (const char* number : {"3", "5"}) {
    write(legacy_converted().put(0x00280008, "IS", number));
    EXPECT_FALSE(error().empty()) << number;
  }
  write(legacy_converted().put(0x00280008, "IS", "3"));
  EXPECT_CONTAINS(error(), "frames.dcm: describes 4 frames and has 3");
}

TEST_F(DicomEnhanced, AFrameWithoutRescalingAmongOthersIsRefused) {
  write(legacy_converted([](DicomFile& groups, int n) {
    if (n == 2) groups.remove(value_transformation);
  }));
  EXPECT_CONTAINS(error(), "frames.dcm, frame 2: has no RescaleSlope and RescaleIntercept as others have");
}

}  // namespace
}  // namespace pulmoseg::volume
