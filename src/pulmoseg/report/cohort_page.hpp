#pragma once
// The page of a cohort: cohort.csv as a table that can be sorted and searched, with distributions, counts and links to the
// reports of its cases. An HTML file that stands alone: nothing is fetched.
//
// It takes whatever columns the table has: labels and units stand here, what is numbers and what is text the cells say.
// Every text from the table is escaped. Threads: any number.

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "pulmoseg/base/csv.hpp"

namespace pulmoseg::report {

/// `report_of` gives the path of a case's report, relative to the page; empty: it has none.
std::string cohort_page_html(const CsvTable& table,
                             const std::function<std::filesystem::path(const std::string& name)>& report_of);

/// Writes cohort.html beside cohort.csv (of any name), with links to NAME.html in the folder that has it; none where several have.
/// Error when the table cannot be read.
void write_cohort_page(const std::filesystem::path& csv, const std::vector<std::filesystem::path>& folders);

}  // namespace pulmoseg::report
