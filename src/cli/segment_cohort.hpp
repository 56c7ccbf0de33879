#pragma once
// The table of a cohort, cohort.csv: one line a case.

#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace pulmoseg::cli {

/// A table that grows line by line: a run that is killed leaves it with the lines so far, at worst with a cut one, which the next
/// run takes off. Errors: Error naming the file; for one with other columns than this version's.
class CohortTable {
 public:
  explicit CohortTable(std::filesystem::path file);

  bool has(const std::string& name) const { return names_.contains(name); }

  /// At the end of the file; in place of the line of the same case, where there is one.
  void add(const std::vector<std::string>& row);

 private:
  void replace(const std::vector<std::string>& row);

  std::filesystem::path file_;
  std::set<std::string> names_;
};

struct Gathered {
  std::size_t cases = 0, failed = 0;
};

/// The whole table from the measurements (NAME.json) in some folders, by name: nothing else is asked, so no table can disagree
/// with them. Replaces `file` and its page (.html), unless there is no case. A file that is damaged is logged, and the others go on.
Gathered gather_cohort(const std::vector<std::filesystem::path>& folders, const std::filesystem::path& file);

}  // namespace pulmoseg::cli
