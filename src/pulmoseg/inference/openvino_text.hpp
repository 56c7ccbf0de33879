#pragma once
// For this room's .cpp files only.

#include <exception>
#include <string>

namespace pulmoseg::inference {

/// OpenVINO's messages run over several lines and name its own source files.
inline std::string one_line(const std::exception& error) {
  std::string line;
  for (const char* c = error.what(); *c != '\0' && line.size() < 400; ++c) {
    const char letter = *c == '\n' || *c == '\t' ? ' ' : *c;
    if (letter != ' ' || (!line.empty() && line.back() != ' ')) line += letter;
  }
  while (line.ends_with(' ')) line.pop_back();
  return line;
}

}  // namespace pulmoseg::inference
