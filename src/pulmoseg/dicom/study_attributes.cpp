#include "pulmoseg/dicom/study_attributes.hpp"

#include <dcmtk/dcmdata/dctk.h>

#include <array>
#include <memory>
#include <vector>

#include "pulmoseg/dicom/attributes.hpp"

namespace pulmoseg::dicom {
namespace {

const std::array patient{
    DCM_ReferencedPatientPhotoSequence,
    DCM_PatientName,
    DCM_PatientID,
    DCM_IssuerOfPatientID,
    DCM_TypeOfPatientID,
    DCM_IssuerOfPatientIDQualifiersSequence,
    DCM_SourcePatientGroupIdentificationSequence,
    DCM_GroupOfPatientsIdentificationSequence,
    DCM_PatientBirthDate,
    DCM_PatientBirthTime,
    DCM_PatientBirthDateInAlternativeCalendar,
    DCM_PatientDeathDateInAlternativeCalendar,
    DCM_PatientAlternativeCalendar,
    DCM_PatientSex,
    DCM_QualityControlSubject,
    DCM_StrainDescription,
    DCM_StrainNomenclature,
    DCM_StrainStockSequence,
    DCM_StrainAdditionalInformation,
    DCM_StrainCodeSequence,
    DCM_GeneticModificationsSequence,
    DCM_OtherPatientNames,
    DCM_OtherPatientIDsSequence,
    DCM_ReferencedPatientSequence,
    DCM_EthnicGroup,
    DCM_PatientComments,
    DCM_PatientSpeciesDescription,
    DCM_PatientSpeciesCodeSequence,
    DCM_PatientBreedDescription,
    DCM_PatientBreedCodeSequence,
    DCM_BreedRegistrationSequence,
    DCM_ResponsiblePerson,
    DCM_ResponsiblePersonRole,
    DCM_ResponsibleOrganization,
    DCM_PatientIdentityRemoved,
    DCM_DeidentificationMethod,
    DCM_DeidentificationMethodCodeSequence,
};

const std::array study{
    DCM_StudyInstanceUID,
    DCM_StudyDate,
    DCM_StudyTime,
    DCM_ReferringPhysicianName,
    DCM_ReferringPhysicianIdentificationSequence,
    DCM_ConsultingPhysicianName,
    DCM_ConsultingPhysicianIdentificationSequence,
    DCM_StudyID,
    DCM_AccessionNumber,
    DCM_IssuerOfAccessionNumberSequence,
    DCM_StudyDescription,
    DCM_PhysiciansOfRecord,
    DCM_PhysiciansOfRecordIdentificationSequence,
    DCM_NameOfPhysiciansReadingStudy,
    DCM_PhysiciansReadingStudyIdentificationSequence,
    DCM_RequestingService,
    DCM_RequestingServiceCodeSequence,
    DCM_ReferencedStudySequence,
    DCM_ProcedureCodeSequence,
    DCM_ReasonForPerformedProcedureCodeSequence,
};

const std::array patient_study{
    DCM_AdmittingDiagnosesDescription,
    DCM_AdmittingDiagnosesCodeSequence,
    DCM_PatientAge,
    DCM_PatientSize,
    DCM_PatientSizeCodeSequence,
    DCM_PatientBodyMassIndex,
    DCM_MeasuredAPDimension,
    DCM_MeasuredLateralDimension,
    DCM_PatientWeight,
    DCM_MedicalAlerts,
    DCM_Allergies,
    DCM_SmokingStatus,
    DCM_PregnancyStatus,
    DCM_LastMenstrualDate,
    DCM_PatientState,
    DCM_Occupation,
    DCM_AdditionalPatientHistory,
    DCM_AdmissionID,
    DCM_IssuerOfAdmissionIDSequence,
    DCM_ReasonForVisit,
    DCM_ReasonForVisitCodeSequence,
    DCM_ServiceEpisodeID,
    DCM_IssuerOfServiceEpisodeIDSequence,
    DCM_ServiceEpisodeDescription,
    DCM_PatientSexNeutered,
};

const std::array clinical_trial{
    DCM_ClinicalTrialSponsorName,
    DCM_ClinicalTrialProtocolID,
    DCM_ClinicalTrialProtocolName,
    DCM_ClinicalTrialSiteID,
    DCM_ClinicalTrialSiteName,
    DCM_ClinicalTrialSubjectID,
    DCM_ClinicalTrialSubjectReadingID,
    DCM_ClinicalTrialProtocolEthicsCommitteeName,
    DCM_ClinicalTrialProtocolEthicsCommitteeApprovalNumber,
    DCM_ClinicalTrialTimePointID,
    DCM_ClinicalTrialTimePointDescription,
    DCM_LongitudinalTemporalOffsetFromEvent,
    DCM_LongitudinalTemporalEventType,
    DCM_ConsentForClinicalTrialUseSequence,
};

const std::array type_2{DCM_PatientName,    DCM_PatientID, DCM_PatientBirthDate,       DCM_PatientSex,
                        DCM_StudyDate,      DCM_StudyTime, DCM_ReferringPhysicianName, DCM_StudyID,
                        DCM_AccessionNumber};

/// Drops what is private, and wrong padding.
void clean(DcmItem& item) {
  for (unsigned long i = item.card(); i-- > 0;) {
    DcmElement* element = item.getElement(i);
    if (element->getTag().isPrivate()) {
      delete item.remove(i);
    } else if (element->ident() == EVR_SQ) {
      auto& sequence = dynamic_cast<DcmSequenceOfItems&>(*element);
      for (unsigned long j = 0; j < sequence.card(); ++j) clean(*sequence.getItem(j));
    } else if (element->isaString()) {
      OFString text;  // bytes of blanks and backslashes may be halves of signs, and are then not to be trimmed
      element->getOFStringArray(text, !element->isAffectedBySpecificCharacterSet());
      put(item, element->getTag(), text.c_str());
    }
  }
}

template <class Tags>
void copy(const Tags& tags, DcmItem& source, DcmItem& object) {
  for (const DcmTagKey& tag : tags) source.findAndInsertCopyOfElement(tag, &object);
}

}  // namespace

void copy_study_attributes(DcmItem& source, DcmItem& object) {
  DcmItem shared;
  copy(std::array{DCM_SpecificCharacterSet}, source, shared);
  copy(patient, source, shared);
  copy(study, source, shared);
  copy(patient_study, source, shared);
  copy(clinical_trial, source, shared);
  clean(shared);
  for (const DcmTagKey& tag : type_2) {
    if (!shared.tagExists(tag)) put(shared, tag, "");
  }
  while (shared.card() > 0) object.insert(shared.remove(0UL), OFTrue);
}

void copy_frame_of_reference(DcmItem& source, DcmItem& object) {
  const auto uid = value_of(source, DCM_FrameOfReferenceUID);
  if (!uid) return;
  put(object, DCM_FrameOfReferenceUID, *uid);
  put(object, DCM_PositionReferenceIndicator, value_of(source, DCM_PositionReferenceIndicator).value_or(""));
}

}  // namespace pulmoseg::dicom
