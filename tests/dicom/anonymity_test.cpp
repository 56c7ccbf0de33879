// De-identification: nothing of the person is left in the bytes. New UIDs: the same everywhere.

#include <map>
#include <set>

#include "objects.hpp"
#include "pulmoseg/base/error.hpp"
#include "support/contains.hpp"

namespace pulmoseg {
namespace {

class AnonymityTest : public Objects {
 protected:
  static constexpr const char* secrets[] = {"Doe^Jane", "P1",       "19500101", "074Y",  "20240229", "101500",
                                            "A17",      "Roe^Rich", "S1  ",     "Chest", "Lung 2.5", "SECRET"};

  void SetUp() override {
    std::filesystem::create_directories(folder_ / "ct");
    for (int n = 0; n < slices; ++n) {
      test::write_bytes(folder_ / "ct" / test::ct_slice_name(n), test::ct_slice(n)
                                                                     .put(0x00080012, "DA", "20240229")
                                                                     .put(0x00080080, "LO", "SECRET clinic")
                                                                     .put(0x00104000, "LT", "SECRET comment")
                                                                     .put(0x00090010, "LO", "SECRET maker")
                                                                     .put(0x00091001, "LO", "SECRET value")
                                                                     .put(0x60004000, "LT", "SECRET overlay")
                                                                     .bytes());
    }
  }

  void expect_nobody_in(const std::filesystem::path& file) {
    const std::string bytes = read_file(file);
    for (const char* secret : secrets) EXPECT_EQ(bytes.find(secret), std::string::npos) << file << ": " << secret;
  }

  void write_all(const dicom::Case& of) {
    write_report(of, write_segmentation(of));
    dicom::write_source_copies(of, folder_ / "copies");
  }
};

TEST_F(AnonymityTest, NothingOfThePersonIsLeft) {
  const auto from = source();
  write_all({.source = from, .algorithm = algorithm, .anonymity = {.deidentify = true}});
  std::set<std::string> names;
  for (const char* name : {"seg.dcm", "sr.dcm", "copies/00001.dcm", "copies/00005.dcm"}) {
    expect_nobody_in(folder_ / name);
    DcmDataset& object = load(folder_ / name);
    EXPECT_EQ(text(object, DCM_PatientIdentityRemoved), "YES") << name;
    EXPECT_EQ(text(object, DCM_StudyDate), "") << name;
    EXPECT_EQ(text(object, DCM_StudyInstanceUID), "2.25.1") << name << ": Retain UIDs Option";
    EXPECT_EQ(text(item_of(object, DCM_DeidentificationMethodCodeSequence), DCM_CodeValue), "113100");
    names.insert(text(object, DCM_PatientID));
  }
  EXPECT_EQ(names.size(), 1U) << "one patient in all objects";
  EXPECT_EQ(names.begin()->find("PULMOSEG-"), 0U);
}

TEST_F(AnonymityTest, WithoutItTheSourceIsFoundInAll) {
  const auto from = source();
  write_all({.source = from, .algorithm = algorithm});
  for (const char* name : {"seg.dcm", "sr.dcm", "copies/00001.dcm"}) {
    EXPECT_EQ(text(load(folder_ / name), DCM_PatientName), "Doe^Jane") << name;
  }
  EXPECT_EQ(read_file(folder_ / "seg.dcm").find("SECRET clinic"), std::string::npos) << "no attribute of the machine";
}

TEST_F(AnonymityTest, NewUidsAreTheSameEverywhere) {
  const auto map = std::make_shared<const dicom::UidMap>("key");
  const auto from = source();
  write_all({.source = from, .algorithm = algorithm, .anonymity = {.new_uids = map}});
  std::map<std::string, std::string> instances;  // of the copies, and their positions
  for (int n = 1; n <= slices; ++n) {
    DcmDataset& copy = load(folder_ / "copies" / ("0000" + std::to_string(n) + ".dcm"));
    EXPECT_EQ(text(copy, DCM_StudyInstanceUID), (*map)("2.25.1"));
    EXPECT_EQ(text(copy, DCM_SOPClassUID), UID_CTImageStorage);
    EXPECT_EQ(text(copy, DCM_SOPInstanceUID), text(*loaded_.getMetaInfo(), DCM_MediaStorageSOPInstanceUID));
    instances[text(copy, DCM_SOPInstanceUID)] = text(copy, DCM_ImagePositionPatient);
  }
  EXPECT_EQ(instances.size(), 5U);
  const std::string segmentation = text(load(folder_ / "seg.dcm"), DCM_SOPInstanceUID);
  for (int n = 0; n < 2 * slices; ++n) {
    DcmItem& frame = item_of(*loaded_.getDataset(), DCM_PerFrameFunctionalGroupsSequence, n);
    EXPECT_EQ(instances.count(text(frame, DCM_ReferencedSOPInstanceUID)), 1U);
  }
  EXPECT_EQ(text(*loaded_.getDataset(), DCM_FrameOfReferenceUID), (*map)("2.25.4"));
  EXPECT_NE(read_file(folder_ / "sr.dcm").find(segmentation), std::string::npos);
  for (const char* name : {"seg.dcm", "sr.dcm", "copies/00001.dcm"})
    EXPECT_EQ(read_file(folder_ / name).find(std::string("2.25.1\0", 7)), std::string::npos) << name;
}

TEST_F(AnonymityTest, CopiesHaveTheSameVoxels) {
  const auto from = source();
  dicom::write_source_copies({.source = from, .algorithm = algorithm, .anonymity = {.deidentify = true}},
                             folder_ / "copies");
  expect_same_voxels(folder_ / "ct", folder_ / "copies");
}

TEST_F(AnonymityTest, BurnedInAnnotationIsRefused) {
  test::write_bytes(folder_ / "ct" / test::ct_slice_name(3), test::ct_slice(3).put(0x00280301, "CS", "YES").bytes());
  const auto from = source();
  const dicom::Case named{.source = from, .algorithm = algorithm},
      nameless{.source = from, .algorithm = algorithm, .anonymity = {.deidentify = true}};
  EXPECT_NO_THROW(dicom::refuse_burned_in(named));
  EXPECT_THROW(dicom::write_source_copies(nameless, folder_ / "copies"), Error);
  try {
    dicom::refuse_burned_in(nameless);
    FAIL();
  } catch (const Error& error) {
    EXPECT_CONTAINS(error.what(), "burned into its pixels");
    EXPECT_CONTAINS(error.what(), test::ct_slice_name(3));
  }
}

TEST_F(AnonymityTest, WhatCannotBeLookedIntoGoes) {
  // Referenced Image Sequence, which may stay, as bytes of unknown VR: an item with a patient's name (PS3.5, 7.5).
  const std::string name("\x10\0\x10\0\x08\0\0\0Doe^Jane", 16), item("\xfe\xff\0\xe0\x10\0\0\0", 8);
  test::write_bytes(folder_ / "ct" / test::ct_slice_name(0),
                    test::ct_slice(0).put(0x00081140, "UN", item + name).bytes());
  const auto from = source();
  dicom::write_source_copies({.source = from, .algorithm = algorithm}, folder_ / "named");
  EXPECT_NE(read_file(folder_ / "named/00001.dcm").find(item + name), std::string::npos) << "it is there";
  dicom::write_source_copies({.source = from, .algorithm = algorithm, .anonymity = {.deidentify = true}},
                             folder_ / "copies");
  expect_nobody_in(folder_ / "copies/00001.dcm");
}

}  // namespace
}  // namespace pulmoseg
