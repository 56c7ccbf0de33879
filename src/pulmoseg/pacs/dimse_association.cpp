#include "pulmoseg/pacs/dimse_association.hpp"

#include <dcmtk/config/osconfig.h>
// osconfig.h comes first
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmnet/diutil.h>
#include <dcmtk/dcmnet/scu.h>
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/pacs/ipv4.hpp"

namespace pulmoseg::pacs {
namespace {

constexpr std::size_t most_found = 100'000;
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

std::string comment_of(DcmDataset* detail) {
  OFString comment;
  if (detail) detail->findAndGetOFString(DCM_ErrorComment, comment);
  return one_line({comment.data(), comment.size()});
}

Ending ending_of(const QRResponse& response, const char* meaning) {
  const std::string comment = comment_of(response.m_statusDetail);
  return {response.m_status, comment.empty() ? one_line(meaning) : comment};
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

}  // namespace

bool Ending::is_warning() const { return DICOM_WARNING_STATUS(status); }

const std::vector<std::string>& command_syntaxes() {
  static const std::vector<std::string> syntaxes{UID_LittleEndianExplicitTransferSyntax,
                                                 UID_LittleEndianImplicitTransferSyntax};
  return syntaxes;
}

class Association::Implementation : public DcmSCU {
 public:
  Implementation(const Server& server, std::stop_token stop, const std::vector<Context>& contexts,
                 Transport& transport);
  ~Implementation() override;

  Found find(DcmDataset& keys);
  Ending get(DcmDataset& keys, Inbox& inbox);
  Ending move(DcmDataset& keys, const std::string& destination);
  Ending store(const InstanceFile& instance);

 private:
  void require(const OFCondition& condition, std::string_view during) const;
  T_ASC_PresentationContextID context_for(const char* sop_class, std::string_view what);
  T_ASC_PresentationContextID context_to_store(const InstanceFile& instance);

  OFCondition handleFINDResponse(T_ASC_PresentationContextID, QRResponse* response, OFBool& more) override;
  OFCondition handleMOVEResponse(T_ASC_PresentationContextID, RetrieveResponse* response, OFBool& more) override;
  OFCondition handleCGETResponse(T_ASC_PresentationContextID, RetrieveResponse* response, OFBool& more) override;
  OFCondition handleSTORERequestFile(T_ASC_PresentationContextID* context, const OFString&,
                                     T_DIMSE_C_StoreRQ* request) override;
  OFCondition sendSTOREResponse(T_ASC_PresentationContextID context, Uint16, const T_DIMSE_C_StoreRQ& request) override;

  const KeepsInputCorrection as_before_;
  const Server& server_;
  std::stop_token stop_;
  Transport& transport_;
  std::stop_callback<std::function<void()>> on_stop_;
  std::vector<Attributes> found_;
  std::size_t answers_ = 0;
  Inbox* inbox_ = nullptr;
  Ending ending_;
  Uint16 store_status_ = STATUS_Success;
  Uint16 message_id_ = 0;
  std::string error_;  // our own, which ends a C-GET
};

Association::Implementation::Implementation(const Server& server, std::stop_token stop,
                                            const std::vector<Context>& contexts, Transport& transport)
    : server_(server), stop_(std::move(stop)), transport_(transport), on_stop_(stop_, [this] { transport_.stop(); }) {
  for (const auto& context : contexts) {
    OFList<OFString> syntaxes;
    for (const auto& syntax : context.syntaxes) syntaxes.push_back(syntax.c_str());
    addPresentationContext(context.sop_class.c_str(), syntaxes,
                           context.we_receive ? ASC_SC_ROLE_SCP : ASC_SC_ROLE_DEFAULT);
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
  addresses_of(server);  // says clearly when there are none
  require(initNetwork(), "the network");
  require(useSecureConnection(&transport_.layer()), "the network");  // its layer decides whether it is TLS
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

Association::Implementation::~Implementation() {
  transport_.hurry();
  if (isConnected() && !stop_.stop_requested()) releaseAssociation();
  if (isConnected()) abortAssociation();
  freeNetwork();  // before the transport goes
}

void Association::Implementation::require(const OFCondition& condition, std::string_view during) const {
  if (stop_.stop_requested()) throw Interrupted("stopped on request; what has arrived is kept");
  if (const auto reason = transport_.reason(); !reason.empty()) {
    throw Error(fmt::format("{}: {}: the node {}", server_.name, during, reason));
  }
  if (condition.good()) return;
  OFString chain;
  DimseCondition::dump(chain, condition);  // of several lines, the innermost reason last
  throw Error(fmt::format("{}: {} failed: {}", server_.name, during, one_line({chain.data(), chain.size()})));
}

T_ASC_PresentationContextID Association::Implementation::context_for(const char* sop_class, std::string_view what) {
  const auto context = findPresentationContextID(sop_class, "");
  if (context == 0) throw Error(fmt::format("{}: does not offer {}", server_.name, what));
  return context;
}

OFCondition Association::Implementation::handleFINDResponse(T_ASC_PresentationContextID, QRResponse* response,
                                                            OFBool& more) {
  more = DICOM_PENDING_STATUS(response->m_status) ? OFTrue : OFFalse;
  if (!more) ending_ = ending_of(*response, DU_cfindStatusString(response->m_status));
  if (more && response->m_dataset) found_.push_back(attributes_of(*response->m_dataset));
  if (++answers_ > most_found) {
    ending_ = {STATUS_FIND_Refused_OutOfResources, "it finds far too much; ask for less"};
    more = OFFalse;
  }
  return EC_Normal;
}

Association::Found Association::Implementation::find(DcmDataset& keys) {
  const auto context = context_for(UID_FINDStudyRootQueryRetrieveInformationModel, "C-FIND");
  require(sendFINDRequest(context, &keys, nullptr), "C-FIND");
  return {std::move(found_), ending_};
}

OFCondition Association::Implementation::handleMOVEResponse(T_ASC_PresentationContextID, RetrieveResponse* response,
                                                            OFBool& more) {
  more = DICOM_PENDING_STATUS(response->m_status) ? OFTrue : OFFalse;
  if (!more) ending_ = ending_of(*response, DU_cmoveStatusString(response->m_status));
  return EC_Normal;
}

Ending Association::Implementation::move(DcmDataset& keys, const std::string& destination) {
  const auto context = context_for(UID_MOVEStudyRootQueryRetrieveInformationModel, "C-MOVE");
  require(sendMOVERequest(context, destination.c_str(), &keys, nullptr), "C-MOVE");
  return ending_;
}

OFCondition Association::Implementation::handleCGETResponse(T_ASC_PresentationContextID, RetrieveResponse* response,
                                                            OFBool& more) {
  more = DICOM_PENDING_STATUS(response->m_status) ? OFTrue : OFFalse;
  if (!more) ending_ = ending_of(*response, DU_cgetStatusString(response->m_status));
  return EC_Normal;
}

/// DCMTK would name the file by what the server sends; ours has a name of its own until it is known to be good.
OFCondition Association::Implementation::handleSTORERequestFile(T_ASC_PresentationContextID* context, const OFString&,
                                                                T_DIMSE_C_StoreRQ* request) {
  store_status_ = STATUS_STORE_Refused_OutOfResources;
  try {
    OutputFile file = inbox_->begin();
    const OFCondition received =
        DcmSCU::handleSTORERequestFile(context, OFString(file.temporary_path().c_str()), request);
    if (received.bad()) {
      error_ = one_line(received.text());
      return received;
    }
    store_status_ = inbox_->accept(std::move(file)) ? STATUS_Success : STATUS_STORE_Error_CannotUnderstand;
    return EC_Normal;
  } catch (const std::exception& error) {
    error_ = error.what();
    return EC_CouldNotCreateTemporaryFile;
  }
}

OFCondition Association::Implementation::sendSTOREResponse(T_ASC_PresentationContextID context, Uint16 status,
                                                           const T_DIMSE_C_StoreRQ& request) {
  return DcmSCU::sendSTOREResponse(context, status == STATUS_Success ? store_status_ : status, request);
}

Ending Association::Implementation::get(DcmDataset& keys, Inbox& inbox) {
  inbox_ = &inbox;
  const auto context = context_for(UID_GETStudyRootQueryRetrieveInformationModel, "C-GET; try C-MOVE");
  const OFCondition received = sendCGETRequest(context, &keys, nullptr);
  inbox_ = nullptr;
  require(received, "C-GET");
  if (!error_.empty()) throw Error(fmt::format("{}: C-GET failed: {}", server_.name, error_));
  return ending_;
}

/// 0 when there is none.
T_ASC_PresentationContextID Association::Implementation::context_to_store(const InstanceFile& instance) {
  auto context = findPresentationContextID(instance.sop_class.c_str(), instance.transfer_syntax.c_str());
  for (const auto& syntax : command_syntaxes()) {
    if (context != 0 || instance.compressed) break;
    context = findPresentationContextID(instance.sop_class.c_str(), syntax.c_str());
  }
  return context;
}

Ending Association::Implementation::store(const InstanceFile& instance) {
  DcmFileFormat content;  // large values stay in the file
  if (const auto read = content.loadFile(instance.file.c_str()); read.bad()) {
    throw Error(fmt::format("{}: cannot be read: {}", instance.file.string(), read.text()));
  }
  auto context = context_to_store(instance);
  if (context == 0) {
    return {STATUS_STORE_Refused_SOPClassNotSupported, "the server takes no such objects in this encoding"};
  }
  T_DIMSE_Message message{}, reply{};
  message.CommandField = DIMSE_C_STORE_RQ;
  T_DIMSE_C_StoreRQ& request = message.msg.CStoreRQ;
  request.MessageID = ++message_id_;
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

Association::Association(const Server& server, const std::stop_token& stop, const std::vector<Context>& contexts)
    : transport_(make_transport(server, Transport::Role::requestor)),
      implementation_(std::make_unique<Implementation>(server, stop, contexts, *transport_)) {}
Association::~Association() = default;

Association::Found Association::find(Level level, const Attributes& keys) {
  DcmDataset query = query_of(level, keys);
  return implementation_->find(query);
}

Ending Association::get(Level level, const Attributes& keys, Inbox& inbox) {
  DcmDataset query = query_of(level, keys);
  return implementation_->get(query, inbox);
}

Ending Association::move(Level level, const Attributes& keys, const std::string& destination) {
  DcmDataset query = query_of(level, keys);
  return implementation_->move(query, destination);
}

Ending Association::store(const InstanceFile& instance) { return implementation_->store(instance); }

Transport& Association::transport() { return *transport_; }

}  // namespace pulmoseg::pacs
