#pragma once
// Values of a DICOM data set whose writer is not trusted (DCMTK behind). Internal to volume/.

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

class DcmElement;
class DcmItem;
class DcmTagKey;

namespace pulmoseg::volume {

/// Nothing where it is missing, or longer than any value that is wanted: a length that lies would be given memory first.
DcmElement* element_of(DcmItem& item, const DcmTagKey& tag);

/// The first item of a sequence; nothing where there is none, or no `item`.
DcmItem* first_item(DcmItem* item, const DcmTagKey& sequence);

/// As it is encoded in the file, without padding of either kind (PS3.5, 6.2); "" where it is missing, or there is no `item`.
std::string encoded_text(DcmItem* item, const DcmTagKey& tag);

/// The same without what a terminal would take for an order: such texts stand in messages.
std::string text_of(DcmItem* item, const DcmTagKey& tag);

/// A text of the data set's character set in UTF-8, without orders. What cannot be converted becomes question marks.
std::string to_utf8(DcmItem& data_set, const std::string& encoded);

/// A finite number (PS3.5, 6.2): a DS may be padded with spaces and begin with a plus.
std::optional<double> decimal(std::string_view text);

/// `count` numbers, no more and no fewer.
template <std::size_t count>
std::optional<std::array<double, count>> decimals(std::string_view text);

}  // namespace pulmoseg::volume
