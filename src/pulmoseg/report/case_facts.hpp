#pragma once
// Who was examined, when and how, as a report says it (inside of report/ only).

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pulmoseg/quantify/measurements.hpp"
#include "pulmoseg/volume/source.hpp"

namespace pulmoseg::report {

using Fact = std::pair<std::string, std::string>;

/// "Doe, Jane Ann" for DICOM's "Doe^Jane^Ann" (PS3.5 6.2, value representation PN).
std::string person_name(std::string_view pn);

/// "2021-03-31" for "20210331" (DA), as it is for anything else.
std::string iso_date(std::string_view da);

/// What is known, in the order of a form. `anonymous` leaves out whatever may tell who it was.
std::vector<Fact> case_facts(const volume::SourceInfo& source, const quantify::Measurements& measurements,
                             bool anonymous);

}  // namespace pulmoseg::report
