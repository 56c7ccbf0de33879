#pragma once
// Which server is meant, and how it is spoken to: DICOMweb (PS3.18) or the classic messages, DIMSE (PS3.7, PS3.8).
// Threads: as you like.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace pulmoseg::pacs {

/// What TLS needs beyond the system's own authorities. PEM files; an empty path: none.
struct Certificates {
  std::filesystem::path authority;  ///< in the place of the system's: who may vouch for the server
  std::filesystem::path own, key;   ///< for servers that ask who we are
};

/// For DICOMweb: a token (Bearer), or user and password (Basic).
struct Credentials {
  std::string user{}, password{}, token{};
  bool empty() const { return user.empty() && token.empty(); }
};

/// Where a DIMSE node sends what is moved: our AE title as it knows it, and where we listen meanwhile.
struct MoveDestination {
  std::string ae_title;
  std::uint16_t port = 0;
  std::string address{};  ///< ours, of IPv4; empty: that from which the node was called. 0.0.0.0: all
};

struct Server {
  enum class Protocol { dicomweb, dimse };

  Protocol protocol = Protocol::dicomweb;
  std::string name;  ///< the address as messages show it; DICOMweb: the service's root, without a slash at its end
  std::string host;
  std::uint16_t port = 0;
  bool tls = false;
  std::string called_ae;                ///< DIMSE: the AE title of the server
  std::string calling_ae = "PULMOSEG";  ///< DIMSE: ours
  Certificates certificates;
  Credentials credentials;
  std::optional<MoveDestination> move;  ///< DIMSE: C-MOVE in the place of C-GET
  std::chrono::seconds timeout{60};     ///< without a byte from the server
};

/// A server and, when the address goes on to it, one study or one series of it.
struct Address {
  Server server;
  std::string study, series;  ///< UIDs, or empty
};

/// Whether `text` begins as an address does (http://, https://, dicom://, dicoms://), and is no file.
bool is_address(std::string_view text);

/// http[s]://HOST[:PORT]/ROOT or dicom[s]://CALLED_AE@HOST[:PORT], either one with /studies/UID[/series/UID] behind it.
/// Ports that are not given: 80, 443, 104 and 2762. UsageError when it is none of these or holds a password.
Address parse_address(std::string_view text);

/// $PULMOSEG_PACS_TOKEN, or $PULMOSEG_PACS_USER and $PULMOSEG_PACS_PASSWORD. UsageError where one of the two is missing.
Credentials credentials_from_environment();

/// Digits and dots, at most 64 (PS3.5, 9.1): safe as the name of a file.
bool is_uid(std::string_view text);

/// At most 16 printable characters of ASCII without backslash (PS3.5, 6.2). UsageError when `text` is none.
void check_ae_title(std::string_view text);

}  // namespace pulmoseg::pacs
