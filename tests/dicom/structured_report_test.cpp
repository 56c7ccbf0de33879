// A report as DCMTK reads it back.

#include <dcmtk/dcmsr/dsrdoc.h>

#include <algorithm>
#include <sstream>

#include "objects.hpp"
#include "pulmoseg/dicom/report_content.hpp"
#include "support/contains.hpp"

namespace pulmoseg {
namespace {

class StructuredReportTest : public Objects {
 protected:
  /// As dsrdump shows it.
  std::string shown(const dicom::Case& of) {
    write_report(of, name_ = write_segmentation(of));
    DSRDocument document;
    EXPECT_EQ(text(load(folder_ / "sr.dcm"), DCM_SOPClassUID), UID_Comprehensive3DSRStorage);
    const OFCondition read = document.read(*loaded_.getDataset());
    EXPECT_TRUE(read.good()) << read.text();
    std::ostringstream said;
    document.print(said, DSRTypes::PF_printAllCodes | DSRTypes::PF_printSOPInstanceUID);
    return said.str();
  }
  dicom::SegmentationName name_;
};

TEST_F(StructuredReportTest, HoldsTheFigures) {
  const auto from = source();
  const std::string text = shown({.source = from, .algorithm = algorithm});
  EXPECT_CONTAINS(text, "Imaging Measurement Report");
  // 5 slices of 12 voxels of 0.5 x 0.8 x 2.5 mm, lung in four of them
  EXPECT_CONTAINS(text, "NUM:(118565006,SCT,\"Volume\")=\"0.048\" (ml,UCUM,\"milliliter\")");
  EXPECT_CONTAINS(text, "99PULMOSEG,\"Percentage of lung that is lesion\")=\"25\" (%,UCUM,\"percent\")");
  EXPECT_CONTAINS(text, "\"left lung\"");
  EXPECT_CONTAINS(text, "(7771000,SCT,\"Left\")");
  EXPECT_CONTAINS(text, "Research use only. Not a medical device.");
  EXPECT_CONTAINS(text, name_.sop_instance_uid);
  for (const auto& uid : name_.tracking_uids) EXPECT_CONTAINS(text, uid);
  EXPECT_EQ(text.find("Attenuation"), std::string::npos) << "density is not known";
}

TEST(ReportContentTest, MeanOfTheLesionIsOfItsSegment) {
  quantify::Measurements measurements;
  measurements.density.emplace();
  measurements.density->mean_hu_of_lesion = -300;  // inside of the lung
  const auto has_mean = [&] {
    const auto lesion = dicom::report_figures(measurements, true).front();
    return std::ranges::any_of(lesion.figures, [](const dicom::Figure& figure) { return figure.value == -300; });
  };
  measurements.lesion_outside_lung_voxels = 0;
  EXPECT_TRUE(has_mean());
  measurements.lesion_outside_lung_voxels = 1;
  EXPECT_FALSE(has_mean());
}

TEST_F(StructuredReportTest, DciodvfyFindsNoError) {
  if (!has_dciodvfy()) GTEST_SKIP() << "needs dciodvfy (Debian's dicom3tools)";
  const auto from = source();
  for (const bool deidentify : {false, true}) {
    shown({.source = from, .algorithm = algorithm, .anonymity = {.deidentify = deidentify}});
    EXPECT_EQ(errors_by_dciodvfy(folder_ / "sr.dcm", folder_ / "log"), "");
  }
}

}  // namespace
}  // namespace pulmoseg
