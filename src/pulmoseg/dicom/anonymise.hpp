#pragma once
// De-identification and new UIDs of a whole data set. Internal to dicom/.

#include <string>

#include "pulmoseg/dicom/objects.hpp"

class DcmItem;

namespace pulmoseg::dicom {

/// Of pulmoseg as the device that observed (PS3.16, TID 1004): the one UID of a report that is nobody's and stays.
inline constexpr const char* device_uid = "2.25.130140912239632841349518260896298944600";

/// Does with the data set of one object, nested ones included, what `anonymity` says. The patient's name and ID become one that
/// is computed from the Study Instance UID that the object then has: all objects of a study have the same.
void anonymise(DcmItem& dataset, const Anonymity& anonymity, const std::string& version);

}  // namespace pulmoseg::dicom
