#pragma once
// Attributes into and out of a DICOM data set. Internal to dicom/.
//
// Errors: Error when DCMTK refuses a value.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "pulmoseg/volume/segment.hpp"

class DcmFileFormat;
class DcmItem;
class DcmTagKey;

namespace pulmoseg::dicom {

void put(DcmItem& item, const DcmTagKey& tag, const std::string& value);  ///< "": there, but empty
void put(DcmItem& item, const DcmTagKey& tag, std::uint16_t value);
void put(DcmItem& item, const DcmTagKey& tag, std::span<const std::uint16_t> values);
void put(DcmItem& item, const DcmTagKey& tag, std::span<const std::uint32_t> values);

/// A decimal string, which has 16 characters at most (PS3.5, 6.2): the very number, or as many of its digits as fit.
std::string decimal(double number);
void put_decimals(DcmItem& item, const DcmTagKey& tag, std::span<const double> values);

/// The value of an AT.
void put_tag(DcmItem& item, const DcmTagKey& tag, const DcmTagKey& value);

/// A new item at the end of a sequence, which is made if need be.
DcmItem& add_item(DcmItem& item, const DcmTagKey& sequence);

/// An item of the Code Sequence Macro.
DcmItem& add_code(DcmItem& item, const DcmTagKey& sequence, const volume::Code& code);

/// The whole value; nullopt where the attribute is missing or empty.
std::optional<std::string> value_of(DcmItem& item, const DcmTagKey& tag);

/// Of a file, without its pixels. Error that names it.
std::unique_ptr<DcmFileFormat> load_attributes(const std::filesystem::path& file);

/// Signs beyond ASCII as they are written without them, or "?": an object is in its source's character set.
std::string ascii(std::string_view text);

/// A local time as DICOM writes it.
struct Moment {
  std::string date, time;  ///< DA, TM
};
Moment now();

}  // namespace pulmoseg::dicom
