#pragma once
// What a DIMSE association runs on: TCP, or TLS with the profile of BCP 195 (PS3.15, B.9), which checks certificate and host
// name. Internal to pacs/.

#include <memory>

#include "pulmoseg/pacs/server.hpp"

class DcmTransportLayer;  // DCMTK's

namespace pulmoseg::pacs {

/// Threads: stop() may be called by any, the rest by the one that owns it.
class Transport {
 public:
  enum class Role { requestor, acceptor };

  virtual ~Transport() = default;
  virtual DcmTransportLayer& layer() = 0;

  /// Ends its connections: whoever reads from or writes to one gets an error, now and later.
  virtual void stop() = 0;
};

/// Error when a certificate or a key cannot be used.
std::unique_ptr<Transport> make_transport(const Server& server, Transport::Role role);

}  // namespace pulmoseg::pacs
