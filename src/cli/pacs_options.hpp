#pragma once
// What `pull` and `push` share: the server, and how to get into it.

#include <cstdint>
#include <filesystem>
#include <string>

#include "common.hpp"
#include "pulmoseg/pacs/archive.hpp"

namespace pulmoseg::cli {

struct PacsOptions {
  std::string address, calling_ae = "PULMOSEG";
  std::filesystem::path authority, certificate, key;
  int timeout = 60;
};

void add_pacs_options(CLI::App& command, PacsOptions& options);

/// The address with these options and with the credentials of the environment. UsageError where they contradict each other.
/// Warns of a password that would be sent in the clear.
pacs::Address address_of(const PacsOptions& options);

/// Their part of the commands' manuals.
extern const char* const pacs_manual;

}  // namespace pulmoseg::cli
