#pragma once
// Comma-separated tables as RFC 4180 defines them: first line names the columns, quotes protect commas, quotes and line breaks.

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pulmoseg {

struct CsvTable {
  std::filesystem::path file;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;  ///< each as long as `columns`

  std::optional<std::size_t> find_column(std::string_view name) const;
  std::size_t column(std::string_view name) const;  ///< Error naming the file and the columns that are there
};

/// Reads a table. A byte-order mark, CRLF and blank lines are accepted.
/// Error when the file cannot be read, is empty, has a row of another length or a column name twice.
CsvTable read_csv(const std::filesystem::path& file);

/// One line with its line end, each cell quoted where it must be.
std::string csv_line(std::span<const std::string> cells);

}  // namespace pulmoseg
