#pragma once
// What every command shares: results on stdout, messages on stderr, progress on a terminal, Ctrl-C.

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <future>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <string>
#include <string_view>

#include "pulmoseg/base/own_name.hpp"
#include "pulmoseg/base/research_use.hpp"

namespace pulmoseg::cli {

/// The first Ctrl-C (or SIGTERM) asks this token to stop, a second one, half a second later or more, ends the program at once.
std::stop_token stop_token();

/// Throws Interrupted when Ctrl-C was pressed: for loops between two cases.
void stop_if_asked();

/// Whether a folder holds a run of `pulmoseg train`; other tools' folders have a config.json, too.
bool is_run(const std::filesystem::path& folder);

/// Where things are kept that can be made again: $PULMOSEG_CACHE, else pulmoseg in $XDG_CACHE_HOME or ~/.cache. Empty: nowhere.
std::filesystem::path cache_folder();

/// For std::async: in a thread of its own, or where none can be had, by whoever waits for it.
constexpr auto parallel = std::launch::async | std::launch::deferred;

/// One line of a result on stdout. Error when it cannot be written (a full disk).
void print_line(std::string_view line);

/// A JSON result on stdout, indented.
void print_json(const nlohmann::ordered_json& json);

/// "1 h 02 min", "3 min 10 s", "12 s".
std::string describe_duration(double seconds);

/// A counter with the time left, drawn over itself on a terminal and silent elsewhere.
class Progress {
 public:
  Progress(std::string label, std::int64_t total);
  ~Progress();
  void update(std::int64_t done, std::string_view detail = {});

 private:
  std::string label_;
  std::int64_t total_;
  bool terminal_;
  std::chrono::steady_clock::time_point start_, drawn_;
};

}  // namespace pulmoseg::cli
