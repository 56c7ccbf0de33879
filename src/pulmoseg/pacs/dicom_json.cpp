#include "pulmoseg/pacs/dicom_json.hpp"

#include <nlohmann/json.hpp>
#include <optional>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"

namespace pulmoseg::pacs {
namespace {

using Json = nlohmann::json;

Json parsed(std::string_view text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) throw Error("the answer is no DICOM JSON");
  return json;
}

/// The first value of an element {"vr": …, "Value": […]}; nothing where it has none that is text or a number.
std::optional<std::string> first_value(const Json& element) {
  if (!element.is_object()) return std::nullopt;
  const auto values = element.find("Value");
  if (values == element.end() || !values->is_array() || values->empty()) return std::nullopt;
  const Json* value = &values->front();
  if (value->is_object()) {  // a person's name
    const auto alphabetic = value->find("Alphabetic");
    if (alphabetic == value->end()) return std::nullopt;
    value = &*alphabetic;
  }
  if (value->is_string()) return one_line(value->get_ref<const std::string&>());
  if (value->is_number()) return value->dump();
  return std::nullopt;
}

std::optional<std::uint32_t> tag_of(std::string_view key) {
  std::uint32_t tag = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), tag, 16);
  if (key.size() != 8 || error != std::errc{} || end != key.data() + key.size()) return std::nullopt;
  return tag;
}

/// Instance UID to the reason that stands in `reason_tag`, or 0.
std::map<std::string, int> instances_of(const Json& answer, const char* sequence_tag, const char* reason_tag) {
  std::map<std::string, int> instances;
  const auto sequence = answer.find(sequence_tag);
  if (sequence == answer.end() || !sequence->is_object()) return instances;
  const auto items = sequence->find("Value");
  if (items == sequence->end() || !items->is_array()) return instances;
  for (const Json& item : *items) {
    if (!item.is_object()) continue;
    const auto value = [&](const char* key) {
      return item.contains(key) ? first_value(item[key]).value_or("") : std::string();
    };
    instances[value("00081155")] = parse_number<int>(value(reason_tag)).value_or(0);
  }
  return instances;
}

}  // namespace

std::vector<Attributes> parse_data_sets(std::string_view text) {
  const Json json = parsed(text);
  if (!json.is_array()) throw Error("the answer is no list of DICOM JSON");
  std::vector<Attributes> data_sets;
  for (const Json& data_set : json) {
    if (!data_set.is_object()) throw Error("the answer is no list of DICOM JSON");
    Attributes attributes;
    for (const auto& [key, element] : data_set.items()) {
      const auto tag = tag_of(key);
      const auto value = first_value(element);
      if (tag && value) attributes[*tag] = *value;
    }
    data_sets.push_back(std::move(attributes));
  }
  return data_sets;
}

StoreAnswer parse_store_answer(std::string_view text) {
  Json json = parsed(text);
  if (json.is_array() && json.size() == 1) json = Json(std::move(json.front()));  // some servers wrap it
  if (!json.is_object()) throw Error("the answer is no DICOM JSON of what was stored");
  return {.stored = instances_of(json, "00081199", "00081196"), .failed = instances_of(json, "00081198", "00081197")};
}

}  // namespace pulmoseg::pacs
