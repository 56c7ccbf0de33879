#pragma once
// HTTP requests to one server, over libcurl: one connection that is kept, no byte of a password in a message. Internal to pacs/.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "pulmoseg/pacs/server.hpp"

namespace pulmoseg::pacs {

struct HttpAnswer {
  long status = 0;
  std::string content_type, body;
  bool good() const { return status >= 200 && status < 300; }
};

/// Targets are what follows the server's root, percent-encoded: "/studies?PatientID=1". Redirects are followed for GET, to the
/// same scheme, and do not carry the credentials to another host.
/// Errors: Error with the server's name when it cannot be reached, breaks off, is silent for longer than its timeout or answers
/// more than it may; Interrupted once `stop` asks. An answer that says no is none: see refusal(). Threads: one at a time.
class Http {
 public:
  Http(const Server& server, std::stop_token stop);
  Http(const Http&) = delete;
  Http& operator=(const Http&) = delete;
  ~Http();

  HttpAnswer get(const std::string& target, const std::string& accept);

  /// Hands the body of a good answer on as it comes, together with its Content-Type. What `take` throws is thrown here.
  using Take = std::function<void(std::string_view content_type, std::string_view bytes)>;
  HttpAnswer download(const std::string& target, const std::string& accept, const Take& take);

  /// POST of whole files as the parts of one multipart/related message; they are read as they are sent.
  HttpAnswer post(const std::string& target, const std::string& accept,
                  const std::vector<std::filesystem::path>& files);

  /// What to tell of an answer that says no: what was asked for, the status, the server's own words, what to do.
  std::string refusal(std::string_view asked, const HttpAnswer& answer) const;

 private:
  struct Request;
  HttpAnswer perform(const std::string& target, Request& request);

  struct Handle;
  Server server_;
  std::stop_token stop_;
  std::unique_ptr<Handle> handle_;
};

/// For the path or the query of a target.
std::string percent_encoded(std::string_view text);

}  // namespace pulmoseg::pacs
