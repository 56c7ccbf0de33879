#include "pulmoseg/pacs/server.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"

namespace pulmoseg::pacs {
namespace {

struct Scheme {
  std::string_view begin;
  Server::Protocol protocol;
  bool tls;
  std::uint16_t port;
};

constexpr std::array<Scheme, 4> schemes{{{"http://", Server::Protocol::dicomweb, false, 80},
                                         {"https://", Server::Protocol::dicomweb, true, 443},
                                         {"dicom://", Server::Protocol::dimse, false, 104},
                                         {"dicoms://", Server::Protocol::dimse, true, 2762}}};

const Scheme* scheme_of(std::string_view text) {
  const auto found =
      std::ranges::find_if(schemes, [&](const Scheme& scheme) { return text.starts_with(scheme.begin); });
  return found == schemes.end() ? nullptr : &*found;
}

[[noreturn]] void refuse(std::string_view text, std::string_view what) {
  throw UsageError(fmt::format(
      "{}: {}; expected http[s]://HOST[:PORT]/ROOT (DICOMweb) or dicom[s]://AE_TITLE@HOST[:PORT]", text, what));
}

/// Cuts "/studies/UID[/series/UID]" off the end of `path`.
void take_study(std::string_view whole, std::string_view& path, Address& address) {
  constexpr std::string_view studies = "/studies/", series = "/series/";
  const auto at = path.rfind(studies);
  if (at == std::string_view::npos) return;
  std::string_view study = path.substr(at + studies.size());
  if (const auto end = study.find(series); end != std::string_view::npos) {
    address.series = study.substr(end + series.size());
    study = study.substr(0, end);
    if (!is_uid(address.series)) refuse(whole, "what follows /series/ is no UID");
  }
  address.study = study;
  if (!is_uid(study)) refuse(whole, "what follows /studies/ is no UID");
  path = path.substr(0, at);
}

/// HOST[:PORT]; a host with colons (IPv6) stands in brackets.
void take_host(std::string_view whole, std::string_view text, Server& server) {
  const auto bracket = text.starts_with('[') ? text.find(']') : std::string_view::npos;
  if (bracket != std::string_view::npos && bracket + 1 < text.size() && text[bracket + 1] != ':') {
    refuse(whole, "names no host");
  }
  const auto colon = text.find(':', bracket == std::string_view::npos ? 0 : bracket);
  server.host = text.substr(0, colon);
  if (bracket != std::string_view::npos) server.host = text.substr(1, bracket - 1);
  if (server.host.empty()) refuse(whole, "names no host");
  if (bracket != std::string_view::npos && server.protocol == Server::Protocol::dimse) {
    refuse(whole, "is an IPv6 address, which is for DICOMweb alone; give the node's name or IPv4 address");
  }
  if (colon == std::string_view::npos) return;
  const auto port = parse_number<std::uint16_t>(text.substr(colon + 1));
  if (!port || *port == 0) refuse(whole, fmt::format("'{}' is no port", text.substr(colon + 1)));
  server.port = *port;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

bool is_uid(std::string_view text) {
  return !text.empty() && text.size() <= 64 && text.front() != '.' &&
         text.find_first_not_of("0123456789.") == std::string_view::npos;
}

void check_ae_title(std::string_view text) {
  const bool printable = std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~' && c != '\\'; });
  const bool blank = text.find_first_not_of(' ') == std::string_view::npos;
  if (printable && !blank && text.size() <= 16) return;
  throw UsageError(fmt::format("'{}' is no AE title; expected 1 to 16 characters of ASCII", text));
}

bool is_address(std::string_view text) { return scheme_of(text) != nullptr; }

Address parse_address(std::string_view text) {
  const Scheme* scheme = scheme_of(text);
  if (!scheme) refuse(text, "is no address of a server");
  Address address;
  Server& server = address.server;
  server.protocol = scheme->protocol;
  server.tls = scheme->tls;
  server.port = scheme->port;

  const std::string_view rest = text.substr(scheme->begin.size());
  const auto slash = std::min(rest.find('/'), rest.size());
  std::string_view authority = rest.substr(0, slash), path = rest.substr(slash);
  const auto at = authority.rfind('@');
  const std::string_view before = at == std::string_view::npos ? "" : authority.substr(0, at);
  if (at != std::string_view::npos) authority = authority.substr(at + 1);
  const bool web = server.protocol == Server::Protocol::dicomweb;
  if (web && path.find('@') != std::string_view::npos) authority = "...";  // a password with a slash in it
  if (before.find(':') != std::string_view::npos || (web && rest.find('@') != std::string_view::npos)) {
    throw UsageError(
        fmt::format("{}{}: an address is no place for a user and a password; set PULMOSEG_PACS_USER and "
                    "PULMOSEG_PACS_PASSWORD instead",
                    scheme->begin, authority));
  }
  if (web && path.find_first_of("?#") != std::string_view::npos) {
    refuse(text.substr(0, text.find_first_of("?#")), "holds a query");
  }
  take_host(text, authority, server);
  while (path.ends_with('/')) path.remove_suffix(1);
  take_study(text, path, address);
  if (web) {
    server.name = fmt::format("{}{}{}", scheme->begin, authority, path);
    return address;
  }
  if (!path.empty()) refuse(text, fmt::format("'{}' does not belong there", path));
  if (before.empty()) refuse(text, "lacks the AE title of the server");
  check_ae_title(before);
  server.called_ae = before;
  server.name = fmt::format("{}{}@{}", scheme->begin, before, authority);
  return address;
}

Credentials credentials_from_environment() {
  Credentials credentials{.user = environment("PULMOSEG_PACS_USER"),
                          .password = environment("PULMOSEG_PACS_PASSWORD"),
                          .token = environment("PULMOSEG_PACS_TOKEN")};
  if (credentials.user.empty() != credentials.password.empty()) {
    throw UsageError("of PULMOSEG_PACS_USER and PULMOSEG_PACS_PASSWORD one is not set; set both or none");
  }
  return credentials;
}

}  // namespace pulmoseg::pacs
