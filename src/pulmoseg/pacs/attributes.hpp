#pragma once
// What a server is asked for and answers, whatever it is spoken to in: values by tag. Internal to pacs/.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace pulmoseg::pacs {

enum class Level { study, series, instance };

/// Tags as 0xGGGGEEEE; text in UTF-8, of several values the first, numbers as they are written.
using Attributes = std::map<std::uint32_t, std::string>;

namespace tag {
constexpr std::uint32_t sop_class = 0x00080016, sop_instance = 0x00080018, study_date = 0x00080020,
                        accession_number = 0x00080050, modality = 0x00080060, study_description = 0x00081030,
                        series_description = 0x0008103e, patient_name = 0x00100010, patient_id = 0x00100020,
                        study = 0x0020000d, series = 0x0020000e, series_number = 0x00200011,
                        series_instances = 0x00201209;
}  // namespace tag

/// The value, or an empty text.
const std::string& value_of(const Attributes& attributes, std::uint32_t tag);

/// Fit for one line of a terminal: without control characters, and without the spaces that DICOM pads with.
std::string one_line(std::string_view text);

}  // namespace pulmoseg::pacs
