#pragma once
// What DICOMweb and DIMSE have in common. Internal to pacs/.

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "pulmoseg/pacs/archive.hpp"
#include "pulmoseg/pacs/attributes.hpp"
#include "pulmoseg/pacs/inbox.hpp"
#include "pulmoseg/pacs/instance_file.hpp"

namespace pulmoseg::pacs {

class Connection {
 public:
  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  virtual ~Connection() = default;

  /// `keys`: what must match, and with an empty value what is wanted besides. The UIDs of the levels above are among them.
  virtual std::vector<Attributes> find(Level level, const Attributes& keys) = 0;

  /// One instance of a series, or with an empty UID all of them, into the inbox.
  virtual void retrieve(const std::string& study, const std::string& series, const std::string& instance,
                        Inbox& inbox) = 0;

  virtual void store(const std::vector<InstanceFile>& instances,
                     const std::function<void(const Answer&)>& on_answer) = 0;
};

std::unique_ptr<Connection> connect_dicomweb(const Server& server, std::stop_token stop);
std::unique_ptr<Connection> connect_dimse(const Server& server, std::stop_token stop);

}  // namespace pulmoseg::pacs
