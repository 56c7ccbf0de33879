#pragma once
// Whether a DICOM file can be given to DCMTK. For volume/ and pacs/.

#include <filesystem>
#include <string>

namespace pulmoseg::volume {

/// "" for one that can. DCMTK sets itself no limits, and a file made for it could end the program: not for one whose sequences lie so
/// deep in each other that they take 1 MiB of the stack (a hundred levels and more; real ones have less than ten), that has
/// millions of elements, or that is deflated and unpacks to 1 GiB or more. Nor for a deflated one that is cut: DCMTK fills up
/// what is missing. "" also for one that DCMTK will refuse by itself. Error when the file cannot be read.
std::string reason_not_to_parse(const std::filesystem::path& file);

}  // namespace pulmoseg::volume
