#include "pulmoseg/base/processor.hpp"

#include <fstream>
#include <sstream>

namespace pulmoseg {
namespace {

/// What stands behind the colon in the first line of this name; empty where there is none.
std::string first_entry(const std::string& name) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const auto value = line.find(": ");
    if (line.starts_with(name) && value != std::string::npos) return line.substr(value + 2);
  }
  return "";
}

}  // namespace

std::string processor_name() {
  const std::string name = first_entry("model name");
  return name.empty() ? "unknown processor" : name;
}

std::string processor_flags() {
  const std::string flags = first_entry("flags");
  return flags.empty() ? first_entry("Features") : flags;
}

bool has_fast_bfloat16() {
  std::istringstream flags(processor_flags());
  for (std::string flag; flags >> flag;) {
    if (flag == "avx512_bf16" || flag == "amx_bf16") return true;
  }
  return false;
}

}  // namespace pulmoseg
