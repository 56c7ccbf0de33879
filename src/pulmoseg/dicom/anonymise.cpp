#include "pulmoseg/dicom/anonymise.hpp"

#include <dcmtk/dcmdata/dctk.h>
#include <fmt/format.h>

#include <array>
#include <span>

#include "pulmoseg/base/sha256.hpp"
#include "pulmoseg/dicom/attributes.hpp"
#include "pulmoseg/dicom/confidentiality_profile.hpp"

namespace pulmoseg::dicom {
namespace {

/// UIDs of classes and codes, not of instances.
const std::array class_uids{DCM_SOPClassUID,
                            DCM_RelatedGeneralSOPClassUID,
                            DCM_OriginalSpecializedSOPClassUID,
                            DCM_SOPClassesSupported,
                            DCM_CodingSchemeUID,
                            DCM_ContextGroupExtensionCreatorUID,
                            DCM_ContextUID,
                            DCM_MappingResourceUID,
                            DCM_ReferencedSOPClassUID,
                            DCM_MACCalculationTransferSyntaxUID,
                            DCM_EncryptedContentTransferSyntaxUID};

/// What DICOM itself defines lies under this root (PS3.6, Annex A).
bool is_instance(const DcmTagKey& tag, const std::string& uid) {
  return std::ranges::find(class_uids, tag) == class_uids.end() && !uid.starts_with("1.2.840.10008.") &&
         uid != device_uid && !uid.empty();
}

void replace_uids(DcmElement& element, const UidMap& new_uids) {
  OFString text;
  std::string replaced;
  for (unsigned long i = 0; i < element.getVM(); ++i) {
    element.getOFString(text, i);
    const std::string uid = text.c_str();
    replaced += (i > 0 ? "\\" : "") + (is_instance(element.getTag(), uid) ? new_uids(uid) : uid);
  }
  element.putString(replaced.c_str());
}

template <class Work>
void for_each_item(DcmElement& element, const Work& work) {
  auto* sequence = dynamic_cast<DcmSequenceOfItems*>(&element);
  if (!sequence || element.ident() != EVR_SQ) return;
  for (unsigned long i = 0; i < sequence->card(); ++i) work(*sequence->getItem(i));
}

void replace_uids(DcmItem& item, const UidMap& new_uids) {
  for (unsigned long i = 0; i < item.card(); ++i) {
    DcmElement& element = *item.getElement(i);
    if (element.ident() == EVR_UI) replace_uids(element, new_uids);
    for_each_item(element, [&](DcmItem& nested) { replace_uids(nested, new_uids); });
  }
  for (const DcmTagKey& signature : {DCM_MACParametersSequence, DCM_DigitalSignaturesSequence})  // of other UIDs
    item.findAndDeleteElement(signature);
}

/// A value of its VR that is nobody's.
const char* nobody(DcmElement& element) {
  switch (element.ident()) {
    case EVR_DA: return "19000101";
    case EVR_TM: return "000000";
    case EVR_DT: return "19000101000000";
    default: return "0";
  }
}

/// What is of an unknown VR goes too: nobody can look into it, and it may be a sequence.
Action action_of(DcmElement& element, bool report) {
  if (element.ident() == EVR_UN) return Action::remove;
  return action_on((std::uint32_t{element.getGTag()} << 16) | element.getETag(), report);
}

void apply_profile(DcmItem& item, bool report) {
  for (unsigned long i = item.card(); i-- > 0;) {
    DcmElement& element = *item.getElement(i);
    switch (action_of(element, report)) {
      case Action::keep: for_each_item(element, [&](DcmItem& nested) { apply_profile(nested, report); }); break;
      case Action::empty: put(item, element.getTag(), ""); break;
      case Action::replace: put(item, element.getTag(), nobody(element)); break;
      case Action::remove: delete item.remove(i); break;
    }
  }
}

void name_the_patient(DcmItem& dataset) {
  const std::string study = value_of(dataset, DCM_StudyInstanceUID).value_or("");
  const std::string name = fmt::format("PULMOSEG-{:.12}", sha256(std::as_bytes(std::span(study))));
  put(dataset, DCM_PatientName, name);
  put(dataset, DCM_PatientID, name);
}

/// Codes of CID 7050.
void say_so(DcmItem& dataset, bool report, bool uids_retained, const std::string& version) {
  put(dataset, DCM_PatientIdentityRemoved, "YES");
  put(dataset, DCM_LongitudinalTemporalInformationModified, "REMOVED");
  put(dataset, DCM_DeidentificationMethod,
      fmt::format("pulmoseg {}: PS3.15 Annex E Basic Profile{}", version, uids_retained ? ", Retain UIDs" : ""));
  dataset.findAndDeleteElement(DCM_DeidentificationMethodCodeSequence);
  const auto code = [&](const char* value, const char* meaning) {
    add_code(dataset, DCM_DeidentificationMethodCodeSequence, {value, "DCM", meaning});
  };
  code("113100", "Basic Application Confidentiality Profile");
  if (report) code("113104", "Clean Structured Content Option");
  if (uids_retained) code("113110", "Retain UIDs Option");
}

}  // namespace

void anonymise(DcmItem& dataset, const Anonymity& anonymity, const std::string& version) {
  const bool report = value_of(dataset, DCM_SOPClassUID) == UID_Comprehensive3DSRStorage;
  if (anonymity.deidentify) apply_profile(dataset, report);
  if (anonymity.new_uids) replace_uids(dataset, *anonymity.new_uids);
  if (!anonymity.deidentify) return;
  name_the_patient(dataset);
  say_so(dataset, report, !anonymity.new_uids, version);
}

}  // namespace pulmoseg::dicom
