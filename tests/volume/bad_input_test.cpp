// Every refusal with its exact words: they are what the user has to go by.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cmath>
#include <limits>

#include "support/data.hpp"
#include "volume/raw_nifti.hpp"

namespace pulmoseg::volume {
namespace {

using test::gzip;
using test::RawNifti;

const std::vector<std::int16_t> eight{1, 2, 3, 4, 5, 6, 7, 8};

class BadInput : public testing::Test {
 protected:
  /// What reading a file of these bytes says, behind the file's name.
  std::string said(const std::string& bytes, const std::string& name = "scan.nii") {
    const std::string file = (folder_ / name).string();
    test::save(file, bytes);
    const std::string message = test::reading_error(file);
    EXPECT_EQ(message.substr(0, file.size() + 2), file + ": ");
    return message.substr(std::min(message.size(), file.size() + 2));
  }

  test::TemporaryFolder folder_;
};

TEST_F(BadInput, MissingEmptyOrNoImage) {
  const std::string missing = (folder_ / "no such file.nii").string();
  EXPECT_EQ(test::reading_error(missing), missing + ": no such file or folder");
  EXPECT_EQ(said(""), "is empty, expected a NIfTI, NRRD or DICOM image");
  const std::string no_image =
      "is not an image that pulmoseg reads, expected NIfTI, NRRD or DICOM (a file, a folder with a series, a ZIP, a "
      "DICOMDIR)";
  EXPECT_EQ(said("hello"), no_image);
  EXPECT_EQ(said(std::string(2000, 'x')), no_image);
  EXPECT_EQ(said(gzip("hello")), no_image);
  EXPECT_EQ(said(gzip("")), "is empty, expected a NIfTI, NRRD or DICOM image");
  EXPECT_EQ(said(gzip(RawNifti({2, 2, 2}).with(eight)).substr(0, 10)),
            "is cut short: its gzip stream has no end; copy or download the file again");
  const std::string pipe = (folder_ / "pipe.nii").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(test::reading_error(pipe), pipe + ": is not an ordinary file, expected an image or a folder");
  const std::string folder = folder_.path().string();
  EXPECT_EQ(test::reading_error(folder),
            folder + ": holds no DICOM files, expected a CT series; give the folder that holds the slices");
  EXPECT_EQ(said(std::string(128, '\0') + "DICM and so on"),
            "is cut short or damaged, expected a whole DICOM image; copy or download the file again, or remove it from "
            "the folder");
}

TEST_F(BadInput, CutShort) {
  const std::string whole = RawNifti({2, 2, 2}).with(eight);
  EXPECT_EQ(said(whole.substr(0, 100)),
            "is cut short: ends after 100 bytes, expected a NIfTI header of 348 bytes and voxels; copy or download the "
            "file again");
  EXPECT_EQ(said(whole.substr(0, 367)),
            "is cut short: has 367 bytes, its header announces 368; copy or download the file again");
  EXPECT_EQ(
      said(gzip(whole.substr(0, 360))),
      "is cut short: ends after 360 bytes (unpacked), its header announces more; copy or download the file again");
  const std::string packed = gzip(whole);
  EXPECT_EQ(said(packed.substr(0, packed.size() - 1)),
            "is cut short: its gzip stream has no end; copy or download the file again");
  EXPECT_EQ(said(gzip(RawNifti({30000, 30000, 30000}).bytes())),
            "is cut short: has " + std::to_string(gzip(RawNifti({30000, 30000, 30000}).bytes()).size()) +
                " bytes (gzip), its header announces 54000000000352; copy or download the file again");
}

TEST_F(BadInput, CutInTheMiddleOfTheGzipStream) {
  std::vector<std::int16_t> noise(8 * 8 * 8);
  std::uint32_t state = 1;
  for (auto& voxel : noise) voxel = static_cast<std::int16_t>((state = state * 1664525 + 1013904223) >> 16);
  const std::string packed = gzip(RawNifti({8, 8, 8}).with(noise));
  const std::string message = said(packed.substr(0, packed.size() / 2));
  EXPECT_TRUE(message.starts_with("is cut short: ends after ")) << message;
  EXPECT_TRUE(message.ends_with(" bytes (unpacked), its header announces more; copy or download the file again"))
      << message;
}

TEST_F(BadInput, DamagedGzip) {
  std::string packed = gzip(RawNifti({2, 2, 2}).with(eight));
  packed[packed.size() - 8] ^= 1;  // the checksum
  EXPECT_EQ(said(packed),
            "is damaged: a wrong checksum in its gzip stream after 368 bytes; copy or download the file again");
}

TEST_F(BadInput, Dimensions) {
  EXPECT_EQ(said(RawNifti({2, 2, 2}).dim({4, 2, 2, 2, 3}).with(eight)),
            "has 4 dimensions (3 frames), expected one 3-D volume; extract one frame first");
  EXPECT_EQ(said(RawNifti({2, 2, 2}).dim({1, 8}).with(eight)),
            "is 1-dimensional, expected one 2-D slice or 3-D volume");
  EXPECT_EQ(said(RawNifti({2, 0, 2}).with(eight)),
            "has the size 2x0x2, expected positive numbers of voxels; the file is damaged");
  EXPECT_EQ(said(RawNifti({2, -4, 2}).with(eight)),
            "has the size 2x-4x2, expected positive numbers of voxels; the file is damaged");
}

TEST_F(BadInput, VoxelTypes) {
  const std::string expected = ", expected one integer or 32/64-bit float a voxel";
  EXPECT_EQ(said(RawNifti({2, 2, 2}).type(128).with(eight)),
            "has voxels that are RGB colours (NIfTI datatype 128)" + expected);
  EXPECT_EQ(said(RawNifti({2, 2, 2}).type(32).with(eight)),
            "has voxels that are complex numbers (NIfTI datatype 32)" + expected);
  EXPECT_EQ(said(RawNifti({2, 2, 2}).type(1).with(eight)),
            "has voxels that are single bits (NIfTI datatype 1)" + expected);
  EXPECT_EQ(said(RawNifti({2, 2, 2}).type(1536).with(eight)),
            "has voxels that are 128-bit floats (NIfTI datatype 1536)" + expected);
  EXPECT_EQ(said(RawNifti({2, 2, 2}).type(0).with(eight)),
            "has voxels that are of an unknown type (NIfTI datatype 0)" + expected);
}

TEST_F(BadInput, NotFiniteVoxels) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const std::string expected = ", expected finite numbers; replace such voxels, e.g. by air";
  EXPECT_EQ(said(RawNifti({2, 2, 2}).type(16).with(std::vector<float>{1, 2, 3, 4, 5, 6, nan, 8})),
            "axial slice 1 has a voxel that is not a number (row 1, column 0)" + expected);
  EXPECT_EQ(said(RawNifti({2, 2, 2}).type(16).with(std::vector<float>{1, -infinity, 3, 4, 5, 6, 7, 8})),
            "axial slice 0 has a voxel that is infinite (row 0, column 1)" + expected);
  EXPECT_EQ(said(RawNifti({2, 2, 2}).type(64).with(std::vector<double>{1, 2, 3, 4, 5, 1e300, 7, 8})),
            "axial slice 1 has a voxel that is infinite (row 0, column 1)" + expected);
}

TEST_F(BadInput, Geometry) {
  EXPECT_EQ(said(RawNifti({2, 2, 2}).sform({{{-1, 0, 0, 0}, {0, -1, 0, 0}, {0, 0, 0, 0}}}).with(eight)),
            "has a voxel spacing of 0 mm along axis 3, expected a positive number; repair its header");
  EXPECT_EQ(
      said(RawNifti({2, 2, 2}).sform({{{-1, -1, 0, 0}, {0, 0, 0, 0}, {0, 0, 1, 0}}}).with(eight)),
      "has axes that lie in one plane (a singular affine), expected three independent directions; repair its header");
  EXPECT_EQ(said(RawNifti({2, 2, 2}).sform({{{-1, 0, 0, NAN}, {0, -1, 0, 0}, {0, 0, 1, 0}}}).with(eight)),
            "has the origin (nan, 0, 0), expected finite numbers; repair its header");
  EXPECT_EQ(said(RawNifti({2, 2, 2}).sform({{{-1, 0, 0, 0}, {0, NAN, 0, 0}, {0, 0, 1, 0}}}).with(eight)),
            "has a voxel spacing of nan mm along axis 2, expected a positive number; repair its header");
  EXPECT_EQ(said(RawNifti({2, 2, 2}).put(254, std::int16_t{0}).put(80, 0.0F).with(eight)),
            "has a voxel spacing of 0 mm along axis 1, expected a positive number; repair its header");
  EXPECT_EQ(said(RawNifti({2, 2, 2}).put(254, std::int16_t{0}).put(252, std::int16_t{1}).put(84, 0.0F).with(eight)),
            "has a voxel spacing of 0 mm along axis 2, expected a positive number; repair its header");
}

TEST_F(BadInput, NiftiOfAnotherKind) {
  EXPECT_EQ(said(RawNifti({2, 2, 2}).put(345, 'i').with(eight)),
            "is the header of a NIfTI .hdr/.img pair, expected a single .nii or .nii.gz file; convert the pair");
  EXPECT_EQ(said(RawNifti({2, 2, 2}).put(344, std::int32_t{0}).with(eight)),
            "lacks the mark \"n+1\" of a NIfTI file (Analyze 7.5 or damaged), expected NIfTI; convert the file");
  EXPECT_EQ(said(RawNifti({2, 2, 2}).put(108, 4.0F).with(eight)),
            "says that its voxels begin at byte 4, expected 352 or more; correct vox_offset in its header");
  EXPECT_EQ(
      said(RawNifti({2, 2, 2}).put(112, 2.0F).put(116, NAN).with(eight)),
      "has the intensity intercept nan beside the slope 2, expected a finite number; correct scl_inter in its header");
}

TEST_F(BadInput, Nrrd) {
  const std::string start = "NRRD0004\ntype: short\n", sizes = "dimension: 3\nsizes: 2 2 2\n",
                    end = "endian: little\nencoding: raw\n\n";
  const std::string voxels(16, '\1');
  EXPECT_EQ(said(start + sizes + end + voxels.substr(1)),
            "is cut short: has 15 bytes, its header announces 16; copy or download the file again");
  EXPECT_EQ(said(start + "dimension: 4\nsizes: 2 2 2 3\n" + end + voxels),
            "has 4 dimensions (3 frames), expected one 3-D volume; extract one frame first");
  EXPECT_EQ(said(start + "dimension: 3\nsizes: 3 2 2\nkinds: RGB-color domain domain\n" + end + voxels),
            "has 3 values a voxel (kind \"RGB-color\"), expected one; extract one component first");
  EXPECT_EQ(said(start + sizes + "spacings: 1 0 1\n" + end + voxels),
            "has a voxel spacing of 0 mm along axis 2, expected a positive number; repair its header");
  EXPECT_EQ(
      said(start + sizes + "space: LPS\nspace directions: (1,0,0) (0,1,0) (1,1,0)\n" + end + voxels),
      "has axes that lie in one plane (a singular affine), expected three independent directions; repair its header");
  EXPECT_EQ(said(start + sizes + "space: LPS\nspace directions: (1,0,0) (0,1,0)\n" + end + voxels),
            "has the NRRD field \"space directions: (1,0,0) (0,1,0)\", which is not well-formed or does not fit its "
            "other fields; correct it or write the file anew");
  EXPECT_EQ(said(start + "dimension: 3\nsizes: 2 2 two\n" + end + voxels),
            "has the NRRD field \"sizes: 2 2 two\", which is not well-formed or does not fit its other fields; correct "
            "it or write the file anew");
  EXPECT_EQ(said(start + sizes + "endian: little\nencoding: bzip2\n\n" + voxels),
            "has the NRRD encoding \"bzip2\", expected \"gzip\" or \"raw\"; save it in one of these");
  EXPECT_EQ(said(start + sizes + "encoding: raw\n\n" + voxels),
            "has no field \"endian\" in its NRRD header, expected one");
  EXPECT_EQ(said("NRRD0004\n" + sizes + end + voxels), "has no field \"type\" in its NRRD header, expected one");
  EXPECT_EQ(said("NRRD0004\ntype: block\n" + sizes + end + voxels),
            "has NRRD voxels of type \"block\", expected an integer or floating-point type");
  EXPECT_EQ(said(start + sizes + "nonsense\n" + end + voxels),
            "has the line \"nonsense\" in its NRRD header, expected \"field: value\"");
  EXPECT_EQ(said(start + sizes + "data file: gone.raw\n" + end),
            "names the data file gone.raw, which is not there, expected it beside the header");
  EXPECT_EQ(said(start + sizes + "endian: little\nencoding: gzip\n\n" + gzip(voxels).substr(0, 10)),
            "is cut short: ends after 0 bytes (unpacked), its header announces more; copy or download the file again");
}

}  // namespace
}  // namespace pulmoseg::volume
