#pragma once
// Measurements as the tables of a case's report, each an HTML fragment; empty where nothing is known (inside of report/ only).

#include <string>

#include "pulmoseg/quantify/measurements.hpp"
#include "pulmoseg/report/measurement_report.hpp"

namespace pulmoseg::report {

std::string headline_cards(const quantify::Measurements& measurements);
std::string region_table(const quantify::Measurements& measurements);
std::string size_table(const quantify::Measurements& measurements);
std::string density_table(const quantify::Measurements& measurements);
std::string all_figures(const quantify::Measurements& measurements);  ///< and what they mean
std::string provenance_lines(const Provenance& provenance, bool anonymous);

}  // namespace pulmoseg::report
