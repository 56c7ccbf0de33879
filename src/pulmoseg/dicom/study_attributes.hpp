#pragma once
// What an object has in common with its source. Internal to dicom/.

class DcmItem;

namespace pulmoseg::dicom {

/// Copies the attributes of the modules Patient, General Study, Patient Study and Frame of Reference (PS3.3, C.7.1.1, C.7.2.1,
/// C.7.2.2, C.7.4.1), and the character set that they are in, as they are; private ones inside of their sequences are left out.
/// Those that the standard wants to be there are then there, empty if need be (type 2).
void copy_study_attributes(DcmItem& source, DcmItem& object);

}  // namespace pulmoseg::dicom
