// DIMSE (PS3.7): C-FIND, C-GET, C-MOVE and C-STORE in the study root (PS3.4, annexes B and C).

#include <dcmtk/config/osconfig.h>
// osconfig.h comes first
#include <dcmtk/dcmdata/dcuid.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <set>
#include <stop_token>
#include <utility>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/pacs/connection.hpp"
#include "pulmoseg/pacs/dimse_association.hpp"
#include "pulmoseg/pacs/dimse_receiver.hpp"
#include "pulmoseg/volume/dcmtk_log.hpp"

namespace pulmoseg::pacs {
namespace {

/// One context for each class and encoding: one with many encodings would let the server choose, and it would convert.
std::vector<Context> contexts_to_receive(const Inbox& inbox) {
  std::set<std::string> classes;
  for (const auto& [instance, sop_class] : inbox.expected()) {
    if (is_uid(sop_class)) classes.insert(sop_class);
  }
  if (classes.empty()) classes.insert(storage_classes().begin(), storage_classes().end());
  std::vector<Context> contexts{{UID_GETStudyRootQueryRetrieveInformationModel, command_syntaxes()}};
  for (const auto& sop_class : classes) {
    for (const auto& syntax : transfer_syntaxes()) {
      if (contexts.size() < most_contexts) contexts.push_back({sop_class, {syntax}, /*we_receive=*/true});
    }
  }
  return contexts;
}

/// What is not compressed may also go in the two encodings that every server knows (PS3.5, 10.1).
std::vector<Context> contexts_to_send(const InstanceFile& instance) {
  std::vector<Context> contexts{{instance.sop_class, {instance.transfer_syntax}}};
  if (!instance.compressed) contexts.push_back({instance.sop_class, command_syntaxes()});
  return contexts;
}

Answer answer_for(const InstanceFile& instance, const Ending& ending) {
  Answer answer{
      .file = instance.file, .instance = instance.sop_instance, .outcome = Answer::Outcome::stored, .words = {}};
  if (ending.is_success()) return answer;
  const bool warning = ending.is_warning();
  answer.outcome = warning ? Answer::Outcome::warning : Answer::Outcome::failed;
  answer.words = fmt::format("{} with status {:04X}H: {}", warning ? "stored" : "refused", ending.status, ending.words);
  return answer;
}

class Dimse : public Connection {
 public:
  Dimse(const Server& server, std::stop_token stop) : server_(server), stop_(std::move(stop)) {
    volume::silence_dcmtk();
    check_ae_title(server_.calling_ae);
    if (server_.move) check_ae_title(server_.move->ae_title);
  }

  std::vector<Attributes> find(Level level, const Attributes& keys) override {
    Association association(server_, stop_, {{UID_FINDStudyRootQueryRetrieveInformationModel, command_syntaxes()}});
    auto [found, ending] = association.find(level, keys);
    require(ending, "C-FIND");
    return found;
  }

  void retrieve(const std::string& study, const std::string& series, const std::string& instance,
                Inbox& inbox) override {
    Attributes keys{{tag::study, study}, {tag::series, series}};
    if (!instance.empty()) keys[tag::sop_instance] = instance;
    const Level level = instance.empty() ? Level::series : Level::instance;
    if (server_.move) return move(level, keys, inbox);
    Association association(server_, stop_, contexts_to_receive(inbox));
    require(association.get(level, keys, inbox), "C-GET");
  }

  void store(const std::vector<InstanceFile>& instances, const std::function<void(const Answer&)>& on_answer) override {
    for (auto begin = instances.begin(); begin != instances.end();) {
      std::vector<Context> contexts;
      std::set<std::pair<std::string, std::string>> known;
      auto end = begin;
      for (; end != instances.end() && contexts.size() + 2 <= most_contexts; ++end) {
        if (!known.emplace(end->sop_class, end->transfer_syntax).second) continue;
        std::ranges::copy(contexts_to_send(*end), std::back_inserter(contexts));
      }
      Association association(server_, stop_, contexts);
      for (; begin != end; ++begin) on_answer(answer_for(*begin, association.store(*begin)));
    }
  }

 private:
  void move(Level level, const Attributes& keys, Inbox& inbox) {
    Association association(server_, stop_, {{UID_MOVEStudyRootQueryRetrieveInformationModel, command_syntaxes()}});
    StorageReceiver receiver(server_, inbox, association.transport());
    const Ending ending = association.move(level, keys, server_.move->ae_title);
    const auto error = receiver.finish();
    if (!error.empty() && !inbox.missing().empty()) throw Error(fmt::format("{}: {}", server_.name, error));
    require(ending, fmt::format("C-MOVE to {} (at {})", server_.move->ae_title, receiver.address()));
  }

  void require(const Ending& ending, std::string_view during) const {
    if (ending.is_success()) return;
    throw Error(fmt::format("{}: {} ended with status {:04X}H: {}", server_.name, during, ending.status, ending.words));
  }

  Server server_;
  std::stop_token stop_;
};

}  // namespace

std::unique_ptr<Connection> connect_dimse(const Server& server, std::stop_token stop) {
  return std::make_unique<Dimse>(server, std::move(stop));
}

}  // namespace pulmoseg::pacs
