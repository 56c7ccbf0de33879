#include "pulmoseg/pacs/dimse_receiver.hpp"

#include <dcmtk/config/osconfig.h>
// osconfig.h comes first
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmnet/scp.h>
#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <thread>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/pacs/attributes.hpp"
#include "pulmoseg/pacs/dimse_transport.hpp"
#include "pulmoseg/pacs/ipv4.hpp"

namespace pulmoseg::pacs {
namespace {

/// DCMTK takes the next association on this connection, and no other, as long as this lives.
class HandedOver {
 public:
  explicit HandedOver(int connection) { dcmExternalSocketHandle.set(connection); }
  HandedOver(const HandedOver&) = delete;
  HandedOver& operator=(const HandedOver&) = delete;
  ~HandedOver() { dcmExternalSocketHandle.set(DCMNET_INVALID_SOCKET); }
};

constexpr Uint16 unprivileged_port = 1024;  // DCMTK asks whether it may listen there, although it does not

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
    setPort(unprivileged_port);
    setAETitle(server.move->ae_title.c_str());
    setConnectionBlockingMode(DUL_NOBLOCK);
    setConnectionTimeout(static_cast<Uint32>(server.timeout.count()));
    setDIMSEBlockingMode(DIMSE_NONBLOCKING);
    setDIMSETimeout(static_cast<Uint32>(server.timeout.count()));
    setACSETimeout(static_cast<Uint32>(server.timeout.count()));
    setHostLookupEnabled(OFFalse);
    getConfig().setTransportLayer(&transport.layer());
  }

  /// Takes what comes over a connection, until the other side ends it.
  void receive(int connection) {
    const HandedOver handed_over(connection);
    if (const OFCondition begun = openListenPort(); begun.bad()) {
      ::close(connection);
      return note(one_line(begun.text()));
    }
    acceptAssociations();
  }

  /// What was wrong with the first thing that could not be taken.
  const std::string& error() const { return error_; }

 private:
  OFBool stopAfterConnectionTimeout() override { return OFTrue; }
  OFBool stopAfterCurrentAssociation() override { return OFTrue; }
  OFBool checkCalledAETitleAccepted(const OFString& title) override { return title == getAETitle(); }
  OFBool checkCallingAETitleAccepted(const OFString& title) override { return title == server_.called_ae.c_str(); }

  OFCondition handleIncomingCommand(T_DIMSE_Message* message, const DcmPresentationContextInfo& context) override {
    if (message->CommandField != DIMSE_C_STORE_RQ) return DcmSCP::handleIncomingCommand(message, context);
    T_DIMSE_C_StoreRQ& request = message->msg.CStoreRQ;
    try {
      OutputFile file = inbox_.begin();
      const OFCondition received =
          receiveSTORERequest(request, context.presentationContextID, OFString(file.temporary_path().c_str()));
      if (received.bad()) {
        note(one_line(received.text()));
        return received;
      }
      const bool taken = inbox_.accept(std::move(file));
      return sendSTOREResponse(context.presentationContextID, request,
                               taken ? STATUS_Success : STATUS_STORE_Error_CannotUnderstand);
    } catch (const std::exception& error) {
      note(error.what());
      return EC_CouldNotCreateTemporaryFile;  // ends the association
    }
  }

  void note(const std::string& error) {
    if (error_.empty()) error_ = error;
  }

  const Server& server_;
  Inbox& inbox_;
  std::string error_;
};

}  // namespace

class StorageReceiver::Implementation {
 public:
  Implementation(const Server& server, Inbox& inbox, Transport& caller)
      : server_(server),
        welcome_(addresses_of(server)),
        listener_(server.move->address.empty() ? caller.local_address() : server.move->address, server.move->port),
        transport_(make_transport(server, Transport::Role::acceptor)),
        receiver_(server_, inbox, *transport_),
        caller_(caller) {
    caller_.waits_for(transport_.get());
    thread_ = std::thread([this] { run(); });
  }

  ~Implementation() { finish(); }

  std::string finish() {
    wanted_ = false;
    transport_->stop();
    if (thread_.joinable()) thread_.join();
    listener_.close();
    caller_.waits_for(nullptr);
    if (const auto reason = transport_->reason(); !reason.empty()) return "the node " + reason;
    return receiver_.error().empty() ? stranger_ : receiver_.error();
  }

  const std::string& address() const { return listener_.name(); }

 private:
  void run() {
    while (wanted_) {
      const auto [connection, who] = listener_.accept();
      if (connection < 0) continue;
      if (welcome_.contains(who)) {
        receiver_.receive(connection);
        continue;
      }
      ::close(connection);
      stranger_ = fmt::format("{} wanted to send, which is not the server", who);
    }
  }

  Server server_;
  std::set<std::string> welcome_;
  Listener listener_;
  std::unique_ptr<Transport> transport_;
  Receiver receiver_;
  Transport& caller_;
  std::atomic<bool> wanted_ = true;
  std::string stranger_;
  std::thread thread_;
};

StorageReceiver::StorageReceiver(const Server& server, Inbox& inbox, Transport& caller)
    : implementation_(std::make_unique<Implementation>(server, inbox, caller)) {}
StorageReceiver::~StorageReceiver() = default;
std::string StorageReceiver::finish() { return implementation_->finish(); }
const std::string& StorageReceiver::address() const { return implementation_->address(); }

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
