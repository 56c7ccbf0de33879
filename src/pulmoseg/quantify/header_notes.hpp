#pragma once
// What looks wrong with a scan by its header alone: position, spacing, field of view.
//
// Pure functions. Codes in docs/schemas.md.

#include <vector>

#include "pulmoseg/base/note.hpp"
#include "pulmoseg/volume/geometry.hpp"
#include "pulmoseg/volume/source.hpp"

namespace pulmoseg::quantify {

/// `grid`: canonical.
std::vector<Note> header_notes(const volume::Geometry& grid, const volume::SourceInfo& source);

}  // namespace pulmoseg::quantify
