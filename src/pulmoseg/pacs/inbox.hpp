#pragma once
// The folder into which the instances of one series arrive, each whole or not at all. Internal to pacs/.

#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "pulmoseg/base/output_file.hpp"

namespace pulmoseg::pacs {

/// Threads: one at a time.
class Inbox {
 public:
  /// `expected`: instance UID to SOP class UID (empty where the server did not say). What is in the folder already, and whole,
  /// is not missing. `on_arrived` is told how many are there.
  Inbox(std::filesystem::path folder, std::map<std::string, std::string> expected,
        std::function<void(std::size_t)> on_arrived);

  const std::map<std::string, std::string>& expected() const { return expected_; }
  std::vector<std::string> missing() const;

  /// A file for whatever comes next.
  OutputFile begin() const;

  /// Puts it in place under its instance UID. Error, and it is gone, when it is not whole or not expected.
  void accept(OutputFile file);

 private:
  std::filesystem::path folder_;
  std::map<std::string, std::string> expected_;
  std::set<std::string> present_;
  std::function<void(std::size_t)> on_arrived_;
};

}  // namespace pulmoseg::pacs
