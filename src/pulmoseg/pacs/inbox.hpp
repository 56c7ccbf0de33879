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

  /// Puts it in place under its instance UID. When it is not whole or not expected it is gone, and the answer is no. One that is
  /// there already is not put there again. Error when the disk is full, and when what is not wanted comes without end.
  bool accept(OutputFile file);

  /// What was wrong with the first that was not accepted, or "".
  const std::string& first_refusal() const { return first_refusal_; }

 private:
  bool refuse(const std::string& reason);
  void count_unwanted();

  std::filesystem::path folder_;
  std::map<std::string, std::string> expected_;
  std::set<std::string> present_;
  std::function<void(std::size_t)> on_arrived_;
  std::string first_refusal_;
  std::size_t unwanted_ = 0;
};

}  // namespace pulmoseg::pacs
