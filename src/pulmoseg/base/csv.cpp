#include "pulmoseg/base/csv.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"

namespace pulmoseg {
namespace {

using Row = std::vector<std::string>;

/// Splits the whole text at once, since a quoted cell may hold line breaks.
std::vector<Row> split_rows(std::string_view text, const std::filesystem::path& file) {
  std::vector<Row> rows;
  Row row;
  std::string cell;
  bool quoted = false, cell_was_quoted = false;
  const auto end_row = [&] {
    const bool blank = row.empty() && cell.empty() && !cell_was_quoted;
    if (!blank) {
      row.push_back(std::move(cell));
      rows.push_back(std::move(row));
    }
    row.clear(), cell.clear(), cell_was_quoted = false;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c != '"')
        cell += c;
      else if (i + 1 < text.size() && text[i + 1] == '"')
        cell += '"', ++i;
      else
        quoted = false;
    } else if (c == '"' && cell.empty()) {
      quoted = cell_was_quoted = true;
    } else if (c == ',') {
      row.push_back(std::move(cell));
      cell.clear(), cell_was_quoted = false;
    } else if (c == '\n') {
      end_row();
    } else if (c != '\r' || (i + 1 < text.size() && text[i + 1] != '\n')) {
      cell += c;
    }
  }
  if (quoted) throw Error(fmt::format("{}: a quoted cell does not end; close its quote", file.string()));
  end_row();
  return rows;
}

}  // namespace

std::optional<std::size_t> CsvTable::find_column(std::string_view name) const {
  const auto found = std::ranges::find(columns, name);
  if (found == columns.end()) return std::nullopt;
  return static_cast<std::size_t>(found - columns.begin());
}

std::size_t CsvTable::column(std::string_view name) const {
  if (const auto found = find_column(name)) return *found;
  throw Error(
      fmt::format("{}: has the columns {}, expected one named {}", file.string(), fmt::join(columns, ","), name));
}

CsvTable read_csv(const std::filesystem::path& file) {
  const std::string text = read_file(file);
  std::string_view content = text;
  if (content.starts_with("\xEF\xBB\xBF")) content.remove_prefix(3);

  CsvTable table{.file = file, .columns = {}, .rows = split_rows(content, file)};
  if (table.rows.empty()) throw Error(fmt::format("{}: is empty, expected a line of column names", file.string()));
  table.columns = std::move(table.rows.front());
  table.rows.erase(table.rows.begin());
  if (std::set(table.columns.begin(), table.columns.end()).size() != table.columns.size()) {
    throw Error(fmt::format("{}: names a column twice: {}; rename one", file.string(), fmt::join(table.columns, ",")));
  }
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    if (table.rows[i].size() == table.columns.size()) continue;
    throw Error(fmt::format("{}: row {} has {} cells, expected {} ({})", file.string(), i + 1, table.rows[i].size(),
                            table.columns.size(), fmt::join(table.columns, ",")));
  }
  return table;
}

std::string csv_line(std::span<const std::string> cells) {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) line += ',';
    if (cells[i].find_first_of(",\"\r\n") == std::string::npos) {
      line += cells[i];
      continue;
    }
    line += '"';
    for (const char c : cells[i]) line.append(c == '"' ? 2 : 1, c);
    line += '"';
  }
  return line + '\n';
}

}  // namespace pulmoseg
