#include "pacs_options.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "pulmoseg/base/error.hpp"

namespace pulmoseg::cli {

const char* const pacs_manual =
    R"(SERVER is a DICOMweb service, http[s]://HOST[:PORT]/ROOT, or a classic DICOM node, dicom[s]://AE_TITLE@HOST[:PORT]
(dicoms: TLS). DICOMweb credentials come from the environment, never from the command line: PULMOSEG_PACS_USER
and PULMOSEG_PACS_PASSWORD, or PULMOSEG_PACS_TOKEN. Certificates are always checked: against the system's
authorities, or with --ca against that one.)";

void add_pacs_options(CLI::App& command, PacsOptions& options) {
  command.add_option("SERVER", options.address, "http[s]://HOST[:PORT]/ROOT or dicom[s]://AE_TITLE@HOST[:PORT]")
      ->required();
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

pacs::Address address_of(const PacsOptions& options) {
  pacs::Address address = pacs::parse_address(options.address);
  pacs::Server& server = address.server;
  server.calling_ae = options.calling_ae;
  server.certificates = {.authority = options.authority, .own = options.certificate, .key = options.key};
  server.timeout = std::chrono::seconds(options.timeout);
  for (const auto& file : {options.authority, options.certificate, options.key}) {
    if (!file.empty() && !server.tls) throw UsageError("--ca, --cert and --key are for https:// and dicoms://");
    if (!file.empty() && !std::filesystem::exists(file)) throw Error(fmt::format("{}: is not there", file.string()));
  }
  if (server.protocol == pacs::Server::Protocol::dimse) {
    pacs::check_ae_title(server.calling_ae);
    return address;
  }
  server.credentials = pacs::credentials_from_environment();
  if (!server.credentials.empty() && !server.tls) {
    spdlog::warn("{}: the password goes there unencrypted; prefer https://", server.name);
  }
  return address;
}

}  // namespace pulmoseg::cli
