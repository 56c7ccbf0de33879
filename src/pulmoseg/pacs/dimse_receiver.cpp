#include "pulmoseg/pacs/dimse_receiver.hpp"

#include <dcmtk/config/osconfig.h>
// osconfig.h comes first
#include <arpa/inet.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmnet/scp.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>

#include <atomic>
#include <set>
#include <thread>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/pacs/dimse_transport.hpp"

namespace pulmoseg::pacs {
namespace {

std::set<std::string> addresses_of(const std::string& host) {
  addrinfo hints{};
  hints.ai_family = AF_INET;
  addrinfo* list = nullptr;
  std::set<std::string> addresses;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &list) != 0) return addresses;
  for (const addrinfo* entry = list; entry; entry = entry->ai_next) {
    std::array<char, INET_ADDRSTRLEN> text{};
    const auto* address = reinterpret_cast<const sockaddr_in*>(entry->ai_addr);
    if (::inet_ntop(AF_INET, &address->sin_addr, text.data(), text.size())) addresses.insert(text.data());
  }
  ::freeaddrinfo(list);
  return addresses;
}

constexpr Uint32 listening_step = 1;  // seconds after which it looks whether it is still wanted

class Receiver : public DcmSCP {
 public:
  Receiver(const Server& server, Inbox& inbox, Transport& transport) : server_(server), inbox_(inbox) {
    OFList<OFString> syntaxes;
    for (const auto& syntax : transfer_syntaxes()) syntaxes.push_back(syntax.c_str());
    std::set<std::string> classes(storage_classes().begin(), storage_classes().end());
    for (const auto& [instance, sop_class] : inbox.expected()) {
      if (!sop_class.empty()) classes.insert(sop_class);
    }
    for (const auto& sop_class : classes) addPresentationContext(sop_class.c_str(), syntaxes);
    setPort(server.move->port);
    setAETitle(server.move->ae_title.c_str());
    setConnectionBlockingMode(DUL_NOBLOCK);
    setConnectionTimeout(listening_step);
    setDIMSEBlockingMode(DIMSE_NONBLOCKING);
    setDIMSETimeout(static_cast<Uint32>(server.timeout.count()));
    setACSETimeout(static_cast<Uint32>(server.timeout.count()));
    setHostLookupEnabled(OFFalse);
    getConfig().setTransportLayer(&transport.layer());
  }

  void stop() { wanted_ = false; }
  const std::string& first_error() const { return first_error_; }

 private:
  OFBool stopAfterConnectionTimeout() override { return wanted_ ? OFFalse : OFTrue; }
  OFBool stopAfterCurrentAssociation() override { return wanted_ ? OFFalse : OFTrue; }
  OFBool checkCalledAETitleAccepted(const OFString& title) override { return title == getAETitle(); }
  OFBool checkCallingAETitleAccepted(const OFString& title) override { return title == server_.called_ae.c_str(); }
  void notifyAssociationRequest(const T_ASC_Parameters& parameters, DcmSCPActionType& action) override {
    const std::string address = parameters.DULparams.callingPresentationAddress;
    if (addresses_.contains(address)) return;
    action = DCMSCP_ACTION_REFUSE_ASSOCIATION;
    note(fmt::format("{} wanted to send, which is not the server", address));
  }

  OFCondition handleIncomingCommand(T_DIMSE_Message* message, const DcmPresentationContextInfo& context) override {
    if (message->CommandField != DIMSE_C_STORE_RQ) return DcmSCP::handleIncomingCommand(message, context);
    T_DIMSE_C_StoreRQ& request = message->msg.CStoreRQ;
    Uint16 status = STATUS_STORE_Refused_OutOfResources;
    try {
      OutputFile file = inbox_.begin();
      const OFCondition received =
          receiveSTORERequest(request, context.presentationContextID, OFString(file.temporary_path().c_str()));
      if (received.bad()) return received;
      status = STATUS_STORE_Error_CannotUnderstand;
      inbox_.accept(std::move(file));
      status = STATUS_Success;
    } catch (const std::exception& error) {
      note(error.what());
    }
    return sendSTOREResponse(context.presentationContextID, request, status);
  }

  void note(const std::string& error) {
    if (first_error_.empty()) first_error_ = error;
  }

  const Server& server_;
  Inbox& inbox_;
  std::set<std::string> addresses_ = addresses_of(server_.host);
  std::atomic<bool> wanted_ = true;
  std::string first_error_;
};

}  // namespace

class StorageReceiver::Implementation {
 public:
  Implementation(const Server& server, Inbox& inbox)
      : server_(server),
        transport_(make_transport(server, Transport::Role::acceptor)),
        receiver_(server_, inbox, *transport_) {
    const OFCondition opened = receiver_.openListenPort();
    if (opened.bad()) throw Error(fmt::format("port {} cannot be listened on: {}", server.move->port, opened.text()));
    thread_ = std::thread([this] { receiver_.acceptAssociations(); });
  }

  ~Implementation() { finish(); }

  std::string finish() {
    receiver_.stop();
    transport_->stop();
    if (thread_.joinable()) thread_.join();
    return receiver_.first_error();
  }

 private:
  Server server_;
  std::unique_ptr<Transport> transport_;
  Receiver receiver_;
  std::thread thread_;
};

StorageReceiver::StorageReceiver(const Server& server, Inbox& inbox)
    : implementation_(std::make_unique<Implementation>(server, inbox)) {}
StorageReceiver::~StorageReceiver() = default;
std::string StorageReceiver::finish() { return implementation_->finish(); }

const std::vector<std::string>& transfer_syntaxes() {
  static const std::vector<std::string> syntaxes{
      UID_LittleEndianExplicitTransferSyntax, UID_LittleEndianImplicitTransferSyntax,
      UID_BigEndianExplicitTransferSyntax,    UID_DeflatedExplicitVRLittleEndianTransferSyntax,
      UID_JPEGProcess1TransferSyntax,         UID_JPEGProcess2_4TransferSyntax,
      UID_JPEGProcess14TransferSyntax,        UID_JPEGProcess14SV1TransferSyntax,
      UID_JPEGLSLosslessTransferSyntax,       UID_JPEGLSLossyTransferSyntax,
      UID_JPEG2000LosslessOnlyTransferSyntax, UID_JPEG2000TransferSyntax,
      UID_RLELosslessTransferSyntax};
  return syntaxes;
}

const std::vector<std::string>& storage_classes() {
  static const std::vector<std::string> classes{
      UID_CTImageStorage,         UID_EnhancedCTImageStorage,       UID_LegacyConvertedEnhancedCTImageStorage,
      UID_SegmentationStorage,    UID_SecondaryCaptureImageStorage, UID_EnhancedSRStorage,
      UID_ComprehensiveSRStorage, UID_Comprehensive3DSRStorage};
  return classes;
}

}  // namespace pulmoseg::pacs
