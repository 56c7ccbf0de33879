#pragma once
// Takes what a DIMSE node sends during a C-MOVE (C-STORE; PS3.4, annex B). Internal to pacs/.

#include <memory>
#include <string>

#include "pulmoseg/pacs/dimse_transport.hpp"
#include "pulmoseg/pacs/inbox.hpp"
#include "pulmoseg/pacs/server.hpp"

namespace pulmoseg::pacs {

/// Listens on Server::move's port and address from its construction to its destruction, in a thread of its own. Only that server,
/// known by AE title and address, may connect, and only instances that `inbox` expects are taken. `caller`: over which the move
/// is asked for; it is patient as long as something comes here, and gives the address to listen on where none is named.
/// Error when the port cannot be had.
class StorageReceiver {
 public:
  StorageReceiver(const Server& server, Inbox& inbox, Transport& caller);
  StorageReceiver(const StorageReceiver&) = delete;
  StorageReceiver& operator=(const StorageReceiver&) = delete;
  ~StorageReceiver();

  /// Ends it; then says what was wrong with the first thing that was not taken, if anything was.
  std::string finish();

  /// ADDRESS:PORT
  const std::string& address() const;

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

/// Transfer syntaxes in which instances are taken as they are stored: uncompressed, deflated, JPEG, JPEG-LS, JPEG 2000, RLE.
const std::vector<std::string>& transfer_syntaxes();

/// SOP classes that a series of a scan or of its results may hold.
const std::vector<std::string>& storage_classes();

}  // namespace pulmoseg::pacs
