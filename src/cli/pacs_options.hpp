#pragma once
// What the commands that speak to picture archives share: how to get into one.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common.hpp"
#include "pulmoseg/pacs/archive.hpp"

namespace pulmoseg::cli {

struct PacsOptions {
  std::string calling_ae = "PULMOSEG";
  std::filesystem::path authority, certificate, key;
  int timeout = 60;
  std::string move_to;       ///< AE title; "": C-GET
  std::uint16_t listen = 0;  ///< with move_to: the port
  std::string listen_on;     ///< and our address, of IPv4; "": that from which the node is called
};

/// The one server that a command is about.
void add_server(CLI::App& command, std::string& address);

void add_pacs_options(CLI::App& command, PacsOptions& options);
void add_move_options(CLI::App& command, PacsOptions& options);  ///< for those that fetch

/// The address with these options and with the credentials of the environment.
pacs::Address address_of(const std::string& text, const PacsOptions& options);

/// The same of an address that names no study. UsageError for one that does.
pacs::Server server_of(const std::string& text, const PacsOptions& options);

/// UsageError for an option that is for none of `servers`, and for one that no server could take. Warns of a password that would
/// be sent in the clear.
void check_pacs_options(const PacsOptions& options, const std::vector<pacs::Server>& servers);

/// Their part of the commands' manuals.
extern const char* const pacs_manual;

}  // namespace pulmoseg::cli
