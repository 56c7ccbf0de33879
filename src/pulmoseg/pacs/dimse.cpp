// DIMSE (PS3.7): C-FIND, C-GET, C-MOVE and C-STORE over associations (PS3.8).

#include <dcmtk/config/osconfig.h>
// osconfig.h comes first
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmnet/diutil.h>
#include <dcmtk/dcmnet/scu.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <set>
#include <stop_token>
#include <utility>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/pacs/connection.hpp"
#include "pulmoseg/pacs/dimse_receiver.hpp"
#include "pulmoseg/pacs/dimse_transport.hpp"
#include "pulmoseg/volume/dcmtk_log.hpp"

namespace pulmoseg::pacs {
namespace {

constexpr std::size_t most_found = 100'000, most_contexts = 128;  // the latter by PS3.8, 9.3.2.2
constexpr Sint32 connect_seconds = 10;

/// When it opens a network, DCMTK ceases, in the whole program, to put values right that it reads. For what it sends and
/// receives that is as it should be; afterwards all is as before.
class KeepsInputCorrection {
 public:
  KeepsInputCorrection() = default;
  KeepsInputCorrection(const KeepsInputCorrection&) = delete;
  KeepsInputCorrection& operator=(const KeepsInputCorrection&) = delete;
  ~KeepsInputCorrection() { dcmEnableAutomaticInputDataCorrection.set(before_); }

 private:
  OFBool before_ = dcmEnableAutomaticInputDataCorrection.get();
};

/// How an operation ended, by its last response.
struct Ending {
  Uint16 status = STATUS_Success;
  std::string words;  // ErrorComment, or what the status means
};

std::string comment_of(DcmDataset* detail) {
  OFString comment;
  if (detail) detail->findAndGetOFString(DCM_ErrorComment, comment);
  return one_line({comment.data(), comment.size()});
}

Ending ending_of(const QRResponse& response, const char* meaning) {
  const std::string comment = comment_of(response.m_statusDetail);
  return {response.m_status, comment.empty() ? one_line(meaning) : comment};
}

struct Context {
  std::string sop_class;
  std::vector<std::string> syntaxes;
  T_ASC_SC_ROLE role = ASC_SC_ROLE_DEFAULT;
};

const std::vector<std::string>& command_syntaxes() {
  static const std::vector<std::string> syntaxes{UID_LittleEndianExplicitTransferSyntax,
                                                 UID_LittleEndianImplicitTransferSyntax};
  return syntaxes;
}

/// One association with the server, from construction to destruction.
class Association : public DcmSCU {
 public:
  Association(const Server& server, const std::stop_token& stop, const std::vector<Context>& contexts);
  ~Association() override;

  std::pair<std::vector<Attributes>, Ending> find(DcmDataset& keys);
  Ending get(DcmDataset& keys, Inbox& inbox);
  Ending move(DcmDataset& keys);
  Ending store(const InstanceFile& instance);

  const std::string& first_error() const { return first_error_; }

 private:
  void require(const OFCondition& condition, std::string_view during) const;
  T_ASC_PresentationContextID context_for(const char* sop_class, std::string_view what);

  OFCondition handleFINDResponse(T_ASC_PresentationContextID, QRResponse* response, OFBool& more) override;
  OFCondition handleMOVEResponse(T_ASC_PresentationContextID, RetrieveResponse* response, OFBool& more) override;
  OFCondition handleCGETResponse(T_ASC_PresentationContextID, RetrieveResponse* response, OFBool& more) override;
  OFCondition handleSTORERequestFile(T_ASC_PresentationContextID* context, const OFString&,
                                     T_DIMSE_C_StoreRQ* request) override;
  OFCondition sendSTOREResponse(T_ASC_PresentationContextID context, Uint16, const T_DIMSE_C_StoreRQ& request) override;

  KeepsInputCorrection as_before_;
  const Server& server_;
  std::stop_token stop_;
  std::unique_ptr<Transport> transport_;
  std::stop_callback<std::function<void()>> on_stop_;
  std::vector<Attributes> found_;
  Inbox* inbox_ = nullptr;
  Ending ending_;
  Uint16 store_status_ = STATUS_Success;
  std::string first_error_;
};

Association::Association(const Server& server, const std::stop_token& stop, const std::vector<Context>& contexts)
    : server_(server),
      stop_(stop),
      transport_(make_transport(server, Transport::Role::requestor)),
      on_stop_(stop, [this] { transport_->stop(); }) {
  for (const auto& context : contexts) {
    OFList<OFString> syntaxes;
    for (const auto& syntax : context.syntaxes) syntaxes.push_back(syntax.c_str());
    addPresentationContext(context.sop_class.c_str(), syntaxes, context.role);
  }
  setAETitle(server.calling_ae.c_str());
  setPeerAETitle(server.called_ae.c_str());
  setPeerHostName(server.host.c_str());
  setPeerPort(server.port);
  setConnectionTimeout(connect_seconds);
  setACSETimeout(static_cast<Uint32>(server.timeout.count()));
  setDIMSETimeout(static_cast<Uint32>(server.timeout.count()));
  setDIMSEBlockingMode(DIMSE_NONBLOCKING);
  setMaxReceivePDULength(ASC_MAXIMUMPDUSIZE);
  setStorageMode(DCMSCU_STORAGE_BIT_PRESERVING);
  require(initNetwork(), "the network");
  require(useSecureConnection(&transport_->layer()), "the network");  // its layer decides whether it is TLS
  const OFCondition opened = negotiateAssociation();
  if (opened == DUL_ASSOCIATIONREJECTED) {
    throw Error(fmt::format("{}: refuses the association; does it know us as {} and itself as {}?", server.name,
                            server.calling_ae, server.called_ae));
  }
  if (opened == NET_EC_NoAcceptablePresentationContexts) {
    throw Error(fmt::format("{}: offers nothing of what this needs", server.name));
  }
  require(opened, "the association");
}

Association::~Association() {
  if (isConnected() && !stop_.stop_requested()) releaseAssociation();
  if (isConnected()) abortAssociation();
  freeNetwork();  // before the transport goes
}

void Association::require(const OFCondition& condition, std::string_view during) const {
  if (stop_.stop_requested()) throw Interrupted("stopped on request; what has arrived is kept");
  if (condition.good()) return;
  OFString chain;
  DimseCondition::dump(chain, condition);  // of several lines, the innermost reason last
  throw Error(fmt::format("{}: {} failed: {}", server_.name, during, one_line({chain.data(), chain.size()})));
}

T_ASC_PresentationContextID Association::context_for(const char* sop_class, std::string_view what) {
  const auto context = findPresentationContextID(sop_class, "");
  if (context == 0) throw Error(fmt::format("{}: does not offer {}", server_.name, what));
  return context;
}

Attributes attributes_of(DcmDataset& data_set) {
  data_set.convertToUTF8();  // where the character set is unknown it stays as it was
  Attributes attributes;
  for (unsigned long i = 0; i < data_set.card(); ++i) {
    DcmElement* element = data_set.getElement(i);
    OFString value;
    if (!element->isLeaf() || element->getOFString(value, 0).bad()) continue;
    const auto tag = static_cast<std::uint32_t>(element->getGTag()) << 16 | element->getETag();
    attributes[tag] = one_line({value.data(), value.size()});
  }
  return attributes;
}

OFCondition Association::handleFINDResponse(T_ASC_PresentationContextID, QRResponse* response, OFBool& more) {
  more = DICOM_PENDING_STATUS(response->m_status) ? OFTrue : OFFalse;
  if (!more) ending_ = ending_of(*response, DU_cfindStatusString(response->m_status));
  if (more && response->m_dataset) found_.push_back(attributes_of(*response->m_dataset));
  if (found_.size() > most_found) {
    ending_ = {STATUS_FIND_Refused_OutOfResources, "it finds far too much; ask for less"};
    more = OFFalse;
  }
  return EC_Normal;
}

std::pair<std::vector<Attributes>, Ending> Association::find(DcmDataset& keys) {
  found_.clear();
  const auto context = context_for(UID_FINDStudyRootQueryRetrieveInformationModel, "C-FIND");
  require(sendFINDRequest(context, &keys, nullptr), "C-FIND");
  return {std::move(found_), ending_};
}

OFCondition Association::handleMOVEResponse(T_ASC_PresentationContextID, RetrieveResponse* response, OFBool& more) {
  more = DICOM_PENDING_STATUS(response->m_status) ? OFTrue : OFFalse;
  if (!more) ending_ = ending_of(*response, DU_cmoveStatusString(response->m_status));
  return EC_Normal;
}

Ending Association::move(DcmDataset& keys) {
  const auto context = context_for(UID_MOVEStudyRootQueryRetrieveInformationModel, "C-MOVE");
  require(sendMOVERequest(context, server_.move->ae_title.c_str(), &keys, nullptr), "C-MOVE");
  return ending_;
}

OFCondition Association::handleCGETResponse(T_ASC_PresentationContextID, RetrieveResponse* response, OFBool& more) {
  more = DICOM_PENDING_STATUS(response->m_status) ? OFTrue : OFFalse;
  if (!more) ending_ = ending_of(*response, DU_cgetStatusString(response->m_status));
  return EC_Normal;
}

/// DCMTK would name the file by what the server sends; ours has a name of its own until it is known to be good.
OFCondition Association::handleSTORERequestFile(T_ASC_PresentationContextID* context, const OFString&,
                                                T_DIMSE_C_StoreRQ* request) {
  store_status_ = STATUS_STORE_Refused_OutOfResources;
  try {
    OutputFile file = inbox_->begin();
    const OFCondition received =
        DcmSCU::handleSTORERequestFile(context, OFString(file.temporary_path().c_str()), request);
    if (received.bad()) return received;
    store_status_ = STATUS_STORE_Error_CannotUnderstand;
    inbox_->accept(std::move(file));
    store_status_ = STATUS_Success;
  } catch (const std::exception& error) {
    if (first_error_.empty()) first_error_ = error.what();
    if (store_status_ == STATUS_STORE_Refused_OutOfResources) return EC_CouldNotCreateTemporaryFile;
  }
  return EC_Normal;
}

OFCondition Association::sendSTOREResponse(T_ASC_PresentationContextID context, Uint16 status,
                                           const T_DIMSE_C_StoreRQ& request) {
  return DcmSCU::sendSTOREResponse(context, status == STATUS_Success ? store_status_ : status, request);
}

Ending Association::get(DcmDataset& keys, Inbox& inbox) {
  inbox_ = &inbox;
  const auto context = context_for(UID_GETStudyRootQueryRetrieveInformationModel, "C-GET; try C-MOVE");
  const OFCondition received = sendCGETRequest(context, &keys, nullptr);
  inbox_ = nullptr;
  if (!first_error_.empty()) throw Error(fmt::format("{}: {}", server_.name, first_error_));
  require(received, "C-GET");
  return ending_;
}

Ending Association::store(const InstanceFile& instance) {
  DcmFileFormat content;  // large values stay in the file
  if (const auto read = content.loadFile(instance.file.c_str()); read.bad()) {
    throw Error(fmt::format("{}: cannot be read: {}", instance.file.string(), read.text()));
  }
  auto context = findPresentationContextID(instance.sop_class.c_str(), instance.transfer_syntax.c_str());
  if (context == 0 && !instance.compressed) context = findPresentationContextID(instance.sop_class.c_str(), "");
  if (context == 0)
    return {STATUS_STORE_Refused_SOPClassNotSupported, "the server takes no such objects in this encoding"};
  T_DIMSE_Message message{}, reply{};
  message.CommandField = DIMSE_C_STORE_RQ;
  T_DIMSE_C_StoreRQ& request = message.msg.CStoreRQ;
  static Uint16 message_id = 0;
  request.MessageID = ++message_id;
  OFStandard::strlcpy(request.AffectedSOPClassUID, instance.sop_class.c_str(), sizeof request.AffectedSOPClassUID);
  OFStandard::strlcpy(request.AffectedSOPInstanceUID, instance.sop_instance.c_str(),
                      sizeof request.AffectedSOPInstanceUID);
  request.DataSetType = DIMSE_DATASET_PRESENT;
  request.Priority = DIMSE_PRIORITY_MEDIUM;
  require(sendDIMSEMessage(context, &message, content.getDataset()), "C-STORE");
  DcmDataset* detail = nullptr;
  const OFCondition received = receiveDIMSECommand(&context, &reply, &detail);
  const std::unique_ptr<DcmDataset> owner(detail);
  require(received, "C-STORE");
  if (reply.CommandField != DIMSE_C_STORE_RSP) throw Error(server_.name + ": answers C-STORE with something else");
  const Uint16 status = reply.msg.CStoreRSP.DimseStatus;
  const std::string comment = comment_of(detail);
  return {status, comment.empty() ? one_line(DU_cstoreStatusString(status)) : comment};
}

DcmDataset query_of(Level level, const Attributes& keys) {
  DcmDataset query;
  const char* name = level == Level::study ? "STUDY" : level == Level::series ? "SERIES" : "IMAGE";
  query.putAndInsertString(DCM_QueryRetrieveLevel, name);
  for (const auto& [tag, value] : keys) {
    const DcmTagKey key(static_cast<Uint16>(tag >> 16), static_cast<Uint16>(tag));
    query.putAndInsertOFStringArray(key, OFString(value.data(), value.size()));
    const bool ascii = std::ranges::all_of(value, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    if (!ascii) query.putAndInsertString(DCM_SpecificCharacterSet, "ISO_IR 192");
  }
  return query;
}

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
      if (contexts.size() < most_contexts) contexts.push_back({sop_class, {syntax}, ASC_SC_ROLE_SCP});
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
  if (ending.status == STATUS_Success) return answer;
  const bool warning = DICOM_WARNING_STATUS(ending.status);
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
    DcmDataset query = query_of(level, keys);
    auto [found, ending] = association.find(query);
    require(ending, "C-FIND");
    return found;
  }

  void retrieve(const std::string& study, const std::string& series, const std::string& instance,
                Inbox& inbox) override {
    Attributes keys{{tag::study, study}, {tag::series, series}};
    if (!instance.empty()) keys[tag::sop_instance] = instance;
    DcmDataset query = query_of(instance.empty() ? Level::series : Level::instance, keys);
    if (server_.move) return move(query, inbox);
    Association association(server_, stop_, contexts_to_receive(inbox));
    require(association.get(query, inbox), "C-GET");
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
  void move(DcmDataset& query, Inbox& inbox) {
    const KeepsInputCorrection as_before;
    StorageReceiver receiver(server_, inbox);
    Association association(server_, stop_, {{UID_MOVEStudyRootQueryRetrieveInformationModel, command_syntaxes()}});
    const Ending ending = association.move(query);
    if (const auto error = receiver.finish(); !error.empty()) throw Error(fmt::format("{}: {}", server_.name, error));
    require(ending, fmt::format("C-MOVE to {}", server_.move->ae_title));
  }

  void require(const Ending& ending, std::string_view during) const {
    if (ending.status == STATUS_Success) return;
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
