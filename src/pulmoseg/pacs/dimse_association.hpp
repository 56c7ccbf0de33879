#pragma once
// One association with a DIMSE node (PS3.8) and what is asked for over it (PS3.7). Internal to pacs/.

#include <cstdint>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "pulmoseg/pacs/attributes.hpp"
#include "pulmoseg/pacs/dimse_transport.hpp"
#include "pulmoseg/pacs/inbox.hpp"
#include "pulmoseg/pacs/instance_file.hpp"
#include "pulmoseg/pacs/server.hpp"

namespace pulmoseg::pacs {

/// The most presentation contexts of an association (PS3.8, 9.3.2.2).
constexpr std::size_t most_contexts = 128;

/// A presentation context: a SOP class in any one of some transfer syntaxes (UIDs).
struct Context {
  std::string sop_class;
  std::vector<std::string> syntaxes;
  bool we_receive = false;  ///< during C-GET the node stores with us
};

/// How an operation ended, by its last response.
struct Ending {
  std::uint16_t status = 0xffff;               ///< PS3.7, annex C; 0: success
  std::string words = "no final answer came";  ///< ErrorComment, or what the status means
  bool is_success() const { return status == 0; }
  bool is_warning() const;
};

/// Explicit and implicit VR little endian: every node knows the latter (PS3.5, 10.1).
const std::vector<std::string>& command_syntaxes();

/// Open from its construction to its destruction.
/// Errors: Error with the server's name when the node cannot be reached, refuses, breaks off, is silent for longer than the
/// timeout or sends what cannot be read; Interrupted once `stop` asks. Threads: one at a time.
class Association {
 public:
  Association(const Server& server, const std::stop_token& stop, const std::vector<Context>& contexts);
  Association(const Association&) = delete;
  Association& operator=(const Association&) = delete;
  ~Association();

  struct Found {
    std::vector<Attributes> items;
    Ending ending;
  };
  Found find(Level level, const Attributes& keys);
  Ending get(Level level, const Attributes& keys, Inbox& inbox);
  Ending move(Level level, const Attributes& keys, const std::string& destination);
  Ending store(const InstanceFile& instance);

  Transport& transport();

 private:
  class Implementation;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<Implementation> implementation_;  // goes before what it runs on
};

}  // namespace pulmoseg::pacs
