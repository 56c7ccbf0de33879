#pragma once
// What is not known as null (inside of report/ only).

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace pulmoseg::report {

template <class T>
nlohmann::ordered_json or_null(const std::optional<T>& value) {
  return value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json(nullptr);
}

/// An empty text is not known.
inline nlohmann::ordered_json or_null(const std::string& text) {
  return text.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(text);
}

}  // namespace pulmoseg::report
