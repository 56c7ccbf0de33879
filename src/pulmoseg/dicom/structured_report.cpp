#include "pulmoseg/dicom/structured_report.hpp"

#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmsr/cmr/tid1500.h>
#include <dcmtk/dcmsr/dsrdoc.h>
#include <fmt/format.h>

#include <set>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/dicom/anonymise.hpp"
#include "pulmoseg/dicom/attributes.hpp"
#include "pulmoseg/dicom/report_content.hpp"
#include "pulmoseg/dicom/study_attributes.hpp"

namespace pulmoseg::dicom {
namespace {

const volume::Code ct_of_chest{"169069000", "SCT", "Computed tomography of chest"};

void check(const OFCondition& condition, std::string_view what) {
  if (condition.bad()) throw Error(fmt::format("the DICOM report's {} cannot be made: {}", what, condition.text()));
}

DSRCodedEntryValue coded(const volume::Code& code) {
  return {code.value.c_str(), code.scheme.c_str(), code.meaning.c_str()};
}

CMR_CID244e laterality(Side side) {
  if (side == Side::left) return CMR_CID244e::Left;
  if (side == Side::right) return CMR_CID244e::Right;
  return {};
}

/// What both kinds of group have. `group` is new.
template <class Group>
void fill(Group& group, const FigureGroup& of, const Algorithm& algorithm) {
  check(group.setTrackingIdentifier(of.name.c_str()), "tracking identifier");
  check(group.setFinding(coded(of.finding)), "finding");
  check(group.addFindingSite(coded(volume::lung_code), laterality(of.side),
                             of.part ? coded(*of.part) : DSRCodedEntryValue()),
        "finding site");
  for (const Figure& figure : of.figures) {
    using Value = typename Group::MeasurementValue;
    check(group.addMeasurement(coded(figure.name), Value(decimal(figure.value).c_str(), coded(figure.unit))),
          figure.name.meaning);
    auto& measurement = group.getMeasurement();
    if (figure.derivation) check(measurement.setDerivation(coded(*figure.derivation)), figure.derivation->meaning);
    if constexpr (requires { measurement.setAlgorithmIdentification("", ""); })  // TID 1419 has it
      check(measurement.setAlgorithmIdentification("pulmoseg", algorithm.version.c_str()), "algorithm");
  }
}

void add_group(TID1500_MeasurementReport& report, const FigureGroup& of, const Algorithm& algorithm,
               const SegmentationName& segmentation, const std::string& source_series) {
  if (!of.segment) {
    check(report.addIndividualMeasurements(), "measurement group");
    auto& group = report.getIndividualMeasurements();
    check(group.setTrackingUniqueIdentifier(new_uid().c_str()), "tracking UID");
    return fill(group, of, algorithm);
  }
  check(report.addVolumetricROIMeasurements(), "measurement group");
  auto& group = report.getVolumetricROIMeasurements();
  check(group.setTrackingUniqueIdentifier(segmentation.tracking_uids.at(*of.segment).c_str()), "tracking UID");
  DSRImageReferenceValue segment(UID_SegmentationStorage, segmentation.sop_instance_uid.c_str());
  segment.getSegmentList().addItem(static_cast<Uint16>(*of.segment + 1));
  check(group.setReferencedSegment(segment), "reference to a segment");
  check(group.setSourceSeriesForSegmentation(source_series.c_str()), "reference to the source");
  fill(group, of, algorithm);
}

/// The content tree.
void make_content(TID1500_MeasurementReport& report, const Case& of, const quantify::Measurements& measurements,
                  const SegmentationName& segmentation, bool lung_is_segment, const std::string& source_series) {
  check(report.createNewMeasurementReport(CMR_CID7021::ImagingMeasurementReport), "title");
  check(report.setLanguage(CID5000_Languages::English_US), "language");
  check(report.getObservationContext().addDeviceObserver(device_uid, "pulmoseg", "pulmoseg", "pulmoseg",
                                                         of.algorithm.version.c_str()),
        "observer");
  check(report.addProcedureReported(coded(ct_of_chest)), "procedure");
  for (const auto& group : report_figures(measurements, lung_is_segment))
    add_group(report, group, of.algorithm, segmentation, source_series);
  for (const auto& remark : report_remarks(measurements, of.anonymity.deidentify))
    check(report.addQualitativeEvaluation(coded(remark.name), remark.text.c_str()), remark.name.meaning);
}

/// Every instance that the report stands on: the segmentation, and the images it was made of.
void add_evidence(DSRDocument& document, const Case& of, const SegmentationName& segmentation, const std::string& study,
                  const std::string& source_series) {
  auto& evidence = document.getCurrentRequestedProcedureEvidence();
  check(evidence.addItem(study.c_str(), segmentation.series_uid.c_str(), UID_SegmentationStorage,
                         segmentation.sop_instance_uid.c_str()),
        "evidence");
  std::set<std::string> named;
  for (const auto& frame : of.source.frames) {
    if (!named.insert(frame.sop_instance_uid).second) continue;
    check(evidence.addItem(study.c_str(), source_series.c_str(), frame.sop_class_uid.c_str(),
                           frame.sop_instance_uid.c_str()),
          "evidence");
  }
}

void put_equipment(DSRDocument& document, const Algorithm& algorithm) {
  document.setSeriesDescription("pulmoseg measurements");
  document.setSeriesNumber("9003");
  document.setInstanceNumber("1");
  document.setManufacturer("pulmoseg");
  document.setManufacturerModelName("pulmoseg");
  document.setDeviceSerialNumber(algorithm.version.c_str());
  document.setSoftwareVersions(algorithm.version.c_str());
  auto& schemes = document.getCodingSchemeIdentification();
  check(schemes.addItem(own_scheme), "coding scheme");
  check(schemes.setCodingSchemeName("pulmoseg's own codes, whose meanings say all"), "coding scheme");
}

}  // namespace

void write_structured_report(const std::filesystem::path& file, const Case& of,
                             const quantify::Measurements& measurements, const SegmentationName& segmentation,
                             bool lung_is_segment) {
  const auto source_file = load_attributes(of.source.frames.front().file);
  DcmItem& source = *source_file->getDataset();
  const std::string study = value_of(source, DCM_StudyInstanceUID).value_or(""),
                    series = value_of(source, DCM_SeriesInstanceUID).value_or("");
  TID1500_MeasurementReport report;
  make_content(report, of, measurements, segmentation, lung_is_segment, series);
  DSRDocument document;
  check(document.createNewDocument(DSRTypes::DT_Comprehensive3DSR), "document");
  check(document.createNewSeriesInStudy(study.c_str()), "series");
  check(document.setTreeFromRootTemplate(report), "content");  // makes it an Enhanced SR
  check(document.getTree().changeDocumentType(DSRTypes::DT_Comprehensive3DSR, OFFalse), "class");
  put_equipment(document, of.algorithm);
  add_evidence(document, of, segmentation, study, series);
  check(document.completeDocument(), "completion");

  DcmFileFormat made;
  DcmDataset& dataset = *made.getDataset();
  check(document.write(dataset), "data set");
  copy_study_attributes(source, dataset);
  put(dataset, DCM_SOPInstanceUID, new_uid());
  put(dataset, DCM_SeriesInstanceUID, new_uid());
  anonymise(dataset, of.anonymity, of.algorithm.version);
  OutputFile out(file);
  const OFCondition saved = made.saveFile(out.temporary_path().c_str(), EXS_LittleEndianExplicit);
  if (saved.bad()) throw Error(fmt::format("{}: cannot be written ({})", file.string(), saved.text()));
  out.commit();
}

}  // namespace pulmoseg::dicom
