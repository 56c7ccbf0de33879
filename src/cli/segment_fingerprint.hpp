#pragma once
// Which scan a result is of, without its name.

#include <string>

#include "segment_plan.hpp"

namespace pulmoseg::cli {

/// Tells a scan from others wherever it lies, by little of it: SHA-256 of the size and both ends of its file, of a folder's first
/// DICOM file by name; of a scan in an archive, of its address. The results' own folder counts for nothing. "" for a case whose
/// results shall not lead to its scan, and where no such file can be read.
std::string fingerprint_of(const SegmentCase& planned);

}  // namespace pulmoseg::cli
