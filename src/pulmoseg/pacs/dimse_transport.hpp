#pragma once
// What a DIMSE association runs on: TCP, or TLS with the profile of BCP 195 (PS3.15, B.9), which checks certificate and host
// name. Internal to pacs/.

#include <memory>
#include <string>

#include "pulmoseg/pacs/server.hpp"

class DcmTransportLayer;  // DCMTK's

namespace pulmoseg::pacs {

/// Its connections end when not a byte moves for longer than the server's timeout, and when DimseWatch says so.
/// Threads: stop() and reason() may be called by any, the rest by the one that owns it.
class Transport {
 public:
  enum class Role { requestor, acceptor };

  virtual ~Transport() = default;
  virtual DcmTransportLayer& layer() = 0;

  /// Ends its connections: whoever reads from or writes to one gets an error, now and later.
  virtual void stop() = 0;

  /// From now on nothing is waited for longer than 5 seconds: only farewells are to come.
  virtual void hurry() = 0;

  /// Why it ended a connection on its own, or "".
  virtual std::string reason() const = 0;

  /// Our address on the connection that was opened last.
  virtual std::string local_address() const = 0;

  /// Silence is no silence while something moves on `other`, unless that is null.
  virtual void waits_for(const Transport* other) = 0;
};

/// Error when a certificate or a key cannot be used.
std::unique_ptr<Transport> make_transport(const Server& server, Transport::Role role);

}  // namespace pulmoseg::pacs
