#pragma once
// Data sets as DICOM JSON (PS3.18, annex F): what QIDO-RS and STOW-RS answer. Internal to pacs/.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "pulmoseg/pacs/attributes.hpp"

namespace pulmoseg::pacs {

/// The data sets of an array. Error when `text` is none. Sequences and binary values are left out.
std::vector<Attributes> parse_data_sets(std::string_view text);

/// What became of the instances of a STOW-RS request (PS3.18, 10.5.3): instance UID to 0 (stored), or the reason that the
/// server gave for a failure or a warning (PS3.18, tables I.2-1 and I.2-2).
struct StoreAnswer {
  std::map<std::string, int> stored, failed;
};
StoreAnswer parse_store_answer(std::string_view text);

}  // namespace pulmoseg::pacs
