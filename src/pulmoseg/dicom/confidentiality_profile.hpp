#pragma once
// What becomes of an attribute when it is de-identified. Internal to dicom/.
//
// Source: DICOM PS3.15, Annex E, Table E.1-1, column "Basic Prof.", with the Retain UIDs Option. That table says what must go;
// this one says what may stay: the attributes of CT images, segmentations and measurement reports that the table does not
// name, or that it names as UIDs. What stands in neither goes, private attributes too.

#include <cstdint>

namespace pulmoseg::dicom {

enum class Action {
  keep,     ///< K; the items of a sequence are gone through
  empty,    ///< Z, with zero length
  replace,  ///< D (or Z/D of an attribute that must not be empty), with a value that says nothing
  remove,   ///< X
};

/// `tag`: 0xGGGGEEEE. `report`: of a structured report, whose content is kept (Clean Structured Content Option: our own has
/// nothing of the person in it).
Action action_on(std::uint32_t tag, bool report);

}  // namespace pulmoseg::dicom
