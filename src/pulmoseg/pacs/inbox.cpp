#include "pulmoseg/pacs/inbox.hpp"

#include <fmt/format.h>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/pacs/instance_file.hpp"

namespace pulmoseg::pacs {
namespace {

constexpr std::size_t few = 10;  // unwanted instances more than a series has are borne with

std::string file_name(const std::string& instance) { return instance + ".dcm"; }

bool is_there(const std::filesystem::path& file, const std::string& instance) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored)) return false;
  try {
    const auto found = read_instance(file);
    return found && found->sop_instance == instance;
  } catch (const Error&) {
    return false;  // it is fetched again
  }
}

}  // namespace

Inbox::Inbox(std::filesystem::path folder, std::map<std::string, std::string> expected,
             std::function<void(std::size_t)> on_arrived)
    : folder_(std::move(folder)), expected_(std::move(expected)), on_arrived_(std::move(on_arrived)) {
  for (const auto& [instance, sop_class] : expected_) {
    if (is_there(folder_ / file_name(instance), instance)) present_.insert(instance);
  }
}

std::vector<std::string> Inbox::missing() const {
  std::vector<std::string> missing;
  for (const auto& [instance, sop_class] : expected_) {
    if (!present_.contains(instance)) missing.push_back(instance);
  }
  return missing;
}

OutputFile Inbox::begin() const { return OutputFile(folder_ / "arriving.dcm"); }

bool Inbox::accept(OutputFile file) {
  std::optional<InstanceFile> instance;
  try {
    instance = read_instance(file.temporary_path());
  } catch (const Error&) {  // its text names a file that will not be there
  }
  if (!instance) return refuse("the server sent something that is no whole DICOM file");
  if (!expected_.contains(instance->sop_instance)) {
    return refuse(fmt::format("the server sent instance {}, which was not asked for", instance->sop_instance));
  }
  if (present_.contains(instance->sop_instance)) {  // a server that did not hear our answer sends again
    count_unwanted();
    return true;
  }
  file.commit_as(folder_ / file_name(instance->sop_instance));
  present_.insert(instance->sop_instance);
  if (on_arrived_) on_arrived_(present_.size());
  return true;
}

bool Inbox::refuse(const std::string& reason) {
  if (first_refusal_.empty()) first_refusal_ = reason;
  count_unwanted();
  return false;
}

void Inbox::count_unwanted() {
  if (++unwanted_ <= expected_.size() + few) return;
  throw Error("the server goes on sending what is not wanted" + (first_refusal_.empty() ? "" : ": " + first_refusal_));
}

}  // namespace pulmoseg::pacs
