#include "pacs_options.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::cli {

using Protocol = pacs::Server::Protocol;

const char* const pacs_manual =
    R"(SERVER is a DICOMweb service, http[s]://HOST[:PORT]/ROOT, or a classic DICOM node, dicom[s]://AE_TITLE@HOST[:PORT]
(dicoms: TLS). DICOMweb credentials come from the environment, never from the command line: PULMOSEG_PACS_USER
and PULMOSEG_PACS_PASSWORD, or PULMOSEG_PACS_TOKEN. Certificates are always checked: against the system's
authorities, or with --ca against that one.)";

void add_server(CLI::App& command, std::string& address) {
  command.add_option("SERVER", address, "http[s]://HOST[:PORT]/ROOT or dicom[s]://AE_TITLE@HOST[:PORT]")->required();
}

void add_pacs_options(CLI::App& command, PacsOptions& options) {
  command.add_option("--calling-aet", options.calling_ae, "our AE title, for a classic node")->capture_default_str();
  command.add_option("--ca", options.authority, "PEM file of the authority that vouches for the server (TLS)");
  auto* certificate = command.add_option("--cert", options.certificate, "PEM file of our own certificate (TLS)");
  auto* key = command.add_option("--key", options.key, "PEM file of its key");
  certificate->needs(key);
  key->needs(certificate);
  command.add_option("--timeout", options.timeout, "seconds that the server may be silent")
      ->check(CLI::Range(1, 86400))
      ->capture_default_str();
}

void add_move_options(CLI::App& command, PacsOptions& options) {
  auto* move_to =
      command.add_option("--move-to", options.move_to, "C-MOVE to this AE title, ours as the node knows it");
  auto* listen = command.add_option("--listen", options.listen, "with --move-to: the port to listen on meanwhile")
                     ->check(CLI::Range(1, 65535));
  auto* listen_on = command.add_option("--listen-on", options.listen_on,
                                       "with --listen: our IPv4 address to listen on, 0.0.0.0 for all (default: that "
                                       "from which the node is called)");
  listen_on->needs(listen);
  move_to->needs(listen);
  listen->needs(move_to);
}

pacs::Address address_of(const std::string& text, const PacsOptions& options) {
  pacs::Address address = pacs::parse_address(text);
  pacs::Server& server = address.server;
  server.timeout = std::chrono::seconds(options.timeout);
  if (server.tls)
    server.certificates = {.authority = options.authority, .own = options.certificate, .key = options.key};
  if (server.protocol == Protocol::dicomweb) {
    server.credentials = pacs::credentials_from_environment();
  } else {
    server.calling_ae = options.calling_ae;
    if (!options.move_to.empty()) {
      server.move = {.ae_title = options.move_to, .port = options.listen, .address = options.listen_on};
    }
  }
  return address;
}

pacs::Server server_of(const std::string& text, const PacsOptions& options) {
  auto [server, study, series] = address_of(text, options);
  if (!study.empty()) throw UsageError(text + ": names a study, expected the server alone");
  return server;
}

void check_pacs_options(const PacsOptions& options, const std::vector<pacs::Server>& servers) {
  const bool tls = std::ranges::any_of(servers, &pacs::Server::tls);
  for (const auto& file : {options.authority, options.certificate, options.key}) {
    if (!file.empty() && !tls) throw UsageError("--ca, --cert and --key are for https:// and dicoms://");
    if (!file.empty() && !std::filesystem::exists(file)) throw Error(fmt::format("{}: is not there", file.string()));
  }
  const bool node = std::ranges::count(servers, Protocol::dimse, &pacs::Server::protocol) > 0;
  if (node) pacs::check_ae_title(options.calling_ae);
  if (!options.move_to.empty()) {
    if (!node) throw UsageError("--move-to is for dicom:// and dicoms://");
    pacs::check_ae_title(options.move_to);
  }
  for (const auto& server : servers) {
    if (!server.credentials.empty() && !server.tls)
      spdlog::warn("{}: the password goes there unencrypted; prefer https://", server.name);
  }
}

}  // namespace pulmoseg::cli
