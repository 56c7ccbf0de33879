#pragma once
// What the DICOM objects of one case have in common.

#include <memory>
#include <string>
#include <vector>

#include "pulmoseg/dicom/uid_map.hpp"
#include "pulmoseg/volume/source.hpp"

namespace pulmoseg::dicom {

/// What made the masks.
struct Algorithm {
  std::string version;       ///< of pulmoseg
  std::string model;         ///< name of its file
  std::string model_sha256;  ///< 64 hexadecimal digits
};

struct Anonymity {
  /// The Basic Application Level Confidentiality Profile of PS3.15 Annex E; without `new_uids`, with its Retain UIDs Option.
  bool deidentify = false;
  std::shared_ptr<const UidMap> new_uids = {};  ///< every UID of the study is replaced by its value; nullptr: none is
};

/// A scan and what is made of it. The source is a DICOM series: its first file is read again for the attributes of patient,
/// study and frame of reference, which each object gets as they are.
struct Case {
  const volume::SourceInfo& source;
  Algorithm algorithm;
  Anonymity anonymity = {};
};

/// A segmentation that a report refers to, by its UIDs before new_uids.
struct SegmentationName {
  std::string series_uid, sop_instance_uid;
  std::vector<std::string> tracking_uids;  ///< of its segments
};

}  // namespace pulmoseg::dicom
