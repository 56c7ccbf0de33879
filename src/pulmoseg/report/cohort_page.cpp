#include "pulmoseg/report/cohort_page.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>

#include "pulmoseg/base/number.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/base/research_use.hpp"
#include "pulmoseg/report/cohort_script.hpp"
#include "pulmoseg/report/histogram.hpp"
#include "pulmoseg/report/html.hpp"

namespace pulmoseg::report {
namespace {

namespace fs = std::filesystem;

struct Label {
  std::string_view column, words;
  int decimals;
};
/// Others are called as in the table.
constexpr std::array<Label, 17> labels{{{"lesion_slices", "slices with lesion", 0},
                                        {"lesion_voxels", "lesion, voxels", 0},
                                        {"lesion_ml", "lesion, ml", 1},
                                        {"lung_voxels", "lung, voxels", 0},
                                        {"lung_ml", "lung, ml", 0},
                                        {"lesion_outside_lung_voxels", "outside of lung, voxels", 0},
                                        {"percent_affected", "lung affected, %", 1},
                                        {"left_percent_affected", "left, %", 1},
                                        {"right_percent_affected", "right, %", 1},
                                        {"upper_percent_affected", "upper third, %", 1},
                                        {"middle_percent_affected", "middle third, %", 1},
                                        {"lower_percent_affected", "lower third, %", 1},
                                        {"lesion_parts", "parts of lesion", 0},
                                        {"mean_hu", "mean density, HU", 0},
                                        {"mass_g", "mass of lung, g", 0},
                                        {"expected_dice", "expected Dice", 2},
                                        {"slices", "slices", 0}}};

Label label_of(const std::string& column) {
  const auto found = std::ranges::find(labels, column, &Label::column);
  return found != labels.end() ? *found : Label{column, {}, 2};
}

std::string words_of(const std::string& column) {
  if (const auto label = label_of(column); !label.words.empty()) return std::string(label.words);
  std::string words = column;
  std::ranges::replace(words, '_', ' ');
  return words;
}

/// nullopt: the column holds text.
std::optional<std::vector<double>> numbers_in(const CsvTable& table, std::size_t column) {
  std::vector<double> numbers;
  for (const auto& row : table.rows) {
    if (row[column].empty()) continue;
    const auto number = parse_number<double>(row[column]);
    if (!number || !std::isfinite(*number)) return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers.empty() ? std::nullopt : std::optional(numbers);
}

bool is_number(const CsvTable& table, std::size_t column) {
  return table.columns[column] != "case" && numbers_in(table, column).has_value();
}

/// Voxels stand in the CSV only where their volume is known in every case.
CsvTable without_needless_voxels(const CsvTable& table) {
  std::vector<bool> shown;
  for (const std::string& column : table.columns) {
    const auto ml =
        column.ends_with("_voxels") ? table.find_column(column.substr(0, column.size() - 6) + "ml") : std::nullopt;
    shown.push_back(!ml || std::ranges::any_of(table.rows, [&](const auto& row) { return row[*ml].empty(); }));
  }
  const auto chosen = [&](const std::vector<std::string>& cells) {
    std::vector<std::string> kept;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (shown[i]) kept.push_back(cells[i]);
    }
    return kept;
  };
  CsvTable result{.file = table.file, .columns = chosen(table.columns), .rows = {}};
  for (const auto& row : table.rows) result.rows.push_back(chosen(row));
  return result;
}

/// For the inside of a <script>: "</script>" and "<!--" must not be seen there.
std::string json_in_script(const nlohmann::json& json) {
  std::string safe;
  for (const char c : json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace))
    c == '<' ? safe += "\\u003c" : safe += c;
  return safe;
}

std::string percent_encoded(const fs::path& path) {
  std::string url;
  for (const char c : path.generic_string()) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
                       c == '_' || c == '.' || c == '~' || c == '/';
    url += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return url.empty() || url.starts_with('/') ? url : "./" + url;
}

std::string data_of(const CsvTable& table, const std::function<fs::path(const std::string&)>& report_of) {
  auto columns = nlohmann::json::array(), links = nlohmann::json::array();
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    columns.push_back({{"label", words_of(table.columns[i])},
                       {"number", is_number(table, i)},
                       {"decimals", label_of(table.columns[i]).decimals}});
  }
  const auto name = table.find_column("case");
  for (const auto& row : table.rows) links.push_back(name ? percent_encoded(report_of(row[*name])) : "");
  return json_in_script({{"columns", columns}, {"rows", table.rows}, {"links", links}, {"link", name.value_or(0)}});
}

/// How often each word stands in a column.
std::map<std::string, std::size_t> words_in(const CsvTable& table, std::size_t column) {
  std::map<std::string, std::size_t> counts;
  for (const auto& row : table.rows) {
    std::string_view text = row[column];
    while (!text.empty()) {
      const std::size_t end = std::min(text.find(' '), text.size());
      if (end > 0) ++counts[std::string(text.substr(0, end))];
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }
  return counts;
}

/// As buttons that search the table for the word.
std::string counts_of(const CsvTable& table, std::string_view column, std::string_view title) {
  const auto at = table.find_column(column);
  if (!at) return {};
  std::string items;
  for (const auto& [word, count] : words_in(table, *at))
    items += fmt::format("<li><button type=\"button\" data-filter=\"{0}\">{0}</button> {1}</li>", escaped(word), count);
  if (items.empty()) items = "<li>none</li>";
  return fmt::format("<div><h2>{}</h2><ul class=\"counts\">{}</ul></div>", title, items);
}

double middle(std::vector<double> numbers) {
  std::ranges::sort(numbers);
  return (numbers[(numbers.size() - 1) / 2] + numbers[numbers.size() / 2]) / 2;
}

std::string cards_of(const CsvTable& table) {
  std::string cards = fmt::format("<div class=\"card\"><span>Cases</span><b>{}</b></div>", table.rows.size());
  for (const std::string_view column : {"percent_affected", "lesion_ml", "expected_dice"}) {
    const auto at = table.find_column(column);
    const auto numbers = at ? numbers_in(table, *at) : std::nullopt;
    if (!numbers) continue;
    cards += fmt::format(
        "<div class=\"card\"><span>Median: {}</span><b>{:.{}f}</b><span>of {} cases where it is "
        "known</span></div>",
        words_of(std::string(column)), middle(*numbers), label_of(std::string(column)).decimals, numbers->size());
  }
  return "<div class=\"cards\">" + cards + "</div>";
}

std::string distributions_of(const CsvTable& table) {
  std::string charts;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const std::string& column = table.columns[i];
    const bool wanted = column == "percent_affected" || column == "lesion_ml" || column == "expected_dice" ||
                        column.find("mean_hu") != std::string::npos;
    const auto numbers = wanted ? numbers_in(table, i) : std::nullopt;
    if (numbers) charts += "<div>" + histogram_svg(*numbers, words_of(column)) + "</div>";
  }
  if (charts.empty()) return {};
  return "<h2>Distributions</h2><div class=\"histograms\">" + charts + "</div>";
}

}  // namespace

std::string cohort_page_html(const CsvTable& table, const std::function<fs::path(const std::string&)>& report_of) {
  std::string body = fmt::format(
      "<main><section class=\"page cohort\"><header><div><h1>Chest CT: lung lesions of a cohort</h1><p "
      "class=\"sub\">{} "
      "cases</p></div><div class=\"right\"><p class=\"use\">{}</p></div></header>",
      table.rows.size(), escaped(research_use));
  body += cards_of(table) + distributions_of(table) + "<div class=\"two\">" +
          counts_of(table, "severity", "Cases of each severity") +
          counts_of(table, "notes", "Cases with notes, by code") + "</div>";
  body +=
      "<div class=\"head\"><h2>Cases</h2><label>Search <input id=\"filter\" type=\"search\" "
      "placeholder=\"case, note …\"></label></div><p id=\"shown\" class=\"small\" aria-live=\"polite\"></p>"
      "<div class=\"scroll\"><table id=\"cases\"><thead></thead><tbody></tbody></table></div>"
      "<p class=\"pager\"><button type=\"button\" id=\"back\">‹ back</button> <button type=\"button\" id=\"on\">on "
      "›</button></p><noscript>The table needs JavaScript; the same figures stand in the CSV file beside this "
      "page.</noscript>";
  body += fmt::format(
      "<footer><span>{}</span><span>Percentages are of the volume of "
      "that part of the lungs. An empty cell is not known.</span></footer></section></main>",
      escaped(research_use));
  return html_page(
      fmt::format("Cohort of {} cases – pulmoseg", table.rows.size()), body,
      "const data=" + data_of(without_needless_voxels(table), report_of) + ";" + std::string(cohort_script));
}

void write_cohort_page(const fs::path& csv, const std::vector<fs::path>& folders) {
  fs::path page = csv;
  page.replace_extension(".html");
  if (page == csv) page += ".html";
  const auto whole = [](const fs::path& path) { return fs::absolute(path).lexically_normal(); };
  const fs::path home = whole(page).parent_path();
  write_file(page, cohort_page_html(read_csv(csv), [&](const std::string& name) {
               fs::path link;
               for (const auto& folder : folders) {
                 const fs::path report = whole(folder / (name + ".html"));
                 if (!fs::exists(report)) continue;
                 if (!link.empty()) return fs::path();  // whose it is, the table does not say
                 link = report.lexically_relative(home);
               }
               return link;
             }));
}

}  // namespace pulmoseg::report
