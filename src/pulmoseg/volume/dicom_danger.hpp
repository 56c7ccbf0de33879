#pragma once
// Whether a DICOM file can be given to DCMTK. For volume/ and pacs/.

#include <filesystem>
#include <string>

namespace pulmoseg::volume {

/// "" for one that can. Not for one whose items lie more than 64 deep in each other: DCMTK reads an item inside of an item by a
/// call inside of a call, and a file made for it would end the program; real ones have less than ten. Nor for a deflated one that
/// would take all memory, or is cut: DCMTK fills up what is missing. Error when the file cannot be read.
std::string reason_not_to_parse(const std::filesystem::path& file);

}  // namespace pulmoseg::volume
