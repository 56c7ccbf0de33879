#pragma once
// Whether the figures of a case are to be relied on at all.

#include <optional>
#include <string>
#include <vector>

#include "pulmoseg/base/note.hpp"

namespace pulmoseg::quantify {

/// What stands beside a case's first figure where a note says that the masks, or the scan, may be wrong as a whole: "not to be
/// relied on: …". nullopt: no note does; others only say what a figure leaves out.
std::optional<std::string> caution(const std::vector<Note>& notes);

}  // namespace pulmoseg::quantify
