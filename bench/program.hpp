#pragma once
// What the programs here have in common.

#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <string>
#include <vector>

namespace pulmoseg::bench {

/// main(): hands the words of the call to `work`; what goes wrong stands on stderr, behind how to call it.
inline int run(int count, char** words, const char* usage, void (*work)(const std::vector<std::string>&)) {
  try {
    work({words + 1, words + count});
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}: {}\n", usage, error.what());
    return 1;
  }
}

}  // namespace pulmoseg::bench
