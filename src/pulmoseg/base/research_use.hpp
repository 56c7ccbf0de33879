#pragma once
// The sentence that every result carries: each JSON and model as "research_use", each picture in its last line.

#include <string_view>

namespace pulmoseg {

inline constexpr std::string_view research_use = "Research use only. Not a medical device.";

}  // namespace pulmoseg
