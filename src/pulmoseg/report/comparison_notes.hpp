#pragma once
// What stands in the way of reading the change between two scans (inside of report/ only). docs/schemas.md lists the codes.

#include <vector>

#include "pulmoseg/report/comparison.hpp"

namespace pulmoseg::report {

/// Of a comparison whose cases and figures are there; what makes it void stands first.
std::vector<Note> notes_on(const Comparison& comparison);

}  // namespace pulmoseg::report
