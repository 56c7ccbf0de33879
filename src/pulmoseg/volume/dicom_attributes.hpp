#pragma once
// What is said of a scan beside its pixels (DCMTK behind). Internal to volume/.

#include <map>
#include <string>

class DcmItem;

namespace pulmoseg::volume {

/// Keyword -> value in UTF-8, of those attributes in source.hpp that the data set has. Of a multi-frame file also from its shared
/// functional groups, or the first frame's.
std::map<std::string, std::string> read_attributes(DcmItem& data_set);

}  // namespace pulmoseg::volume
