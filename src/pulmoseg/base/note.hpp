#pragma once
// What the reader of a result must know.

#include <string>

namespace pulmoseg {

struct Note {
  std::string code;  ///< for machines; never changes once published, e.g. "spacing_unknown"; docs/schemas.md lists them
  std::string text;  ///< a sentence for people
};

}  // namespace pulmoseg
