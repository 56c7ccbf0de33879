#pragma once
// What an object has in common with its source. Internal to dicom/.

class DcmItem;

namespace pulmoseg::dicom {

/// Copies the attributes of the modules Patient, Clinical Trial Subject, General Study, Patient Study and Clinical Trial Study
/// (PS3.3, C.7.1.1, C.7.1.3, C.7.2.1 to C.7.2.3), and the character set that they are in; private ones inside of their
/// sequences are left out. Texts are as they are, but for bytes of zero at their end, which some writers pad with and PS3.5
/// forbids. Those attributes that the standard wants to be there are then there, empty if need be (type 2).
void copy_study_attributes(DcmItem& source, DcmItem& object);

/// The module Frame of Reference (C.7.4.1), where the source has one.
void copy_frame_of_reference(DcmItem& source, DcmItem& object);

}  // namespace pulmoseg::dicom
