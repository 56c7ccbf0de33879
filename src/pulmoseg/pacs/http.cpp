#include "pulmoseg/pacs/http.hpp"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <nlohmann/json.hpp>
#include <utility>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/pacs/attributes.hpp"

namespace pulmoseg::pacs {
namespace {

constexpr std::size_t largest_body = 64 << 20;                            // of an answer that is kept in memory
constexpr long connect_seconds = 10, most_redirects = 5, slowest = 1000;  // the latter in bytes a second

template <class Value>
void set(CURL* curl, CURLoption option, Value value) {
  if (const auto code = curl_easy_setopt(curl, option, value); code != CURLE_OK) {
    throw Error(fmt::format("libcurl: {}", curl_easy_strerror(code)));
  }
}

struct Headers {
  curl_slist* list = nullptr;
  Headers() = default;
  Headers(const Headers&) = delete;
  Headers& operator=(const Headers&) = delete;
  ~Headers() { curl_slist_free_all(list); }
  void add(const std::string& line) { list = curl_slist_append(list, line.c_str()); }
};

/// The message in an error's body: Orthanc and others answer JSON, some plain text.
std::string words_of(const HttpAnswer& answer) {
  std::string words;
  if (answer.content_type.find("json") != std::string::npos) {
    const auto json = nlohmann::json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
    for (const char* key : {"Details", "Message", "message", "errorMessage", "error"}) {
      if (words.empty() && json.is_object() && json.contains(key) && json[key].is_string()) words = json[key];
    }
  } else if (answer.content_type.starts_with("text/plain")) {
    words = answer.body;
  }
  return one_line(std::string_view(words).substr(0, 200));
}

}  // namespace

struct Http::Handle {
  CURL* curl;
  std::array<char, CURL_ERROR_SIZE> message{};

  Handle() {
    static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
    curl = ready == CURLE_OK ? curl_easy_init() : nullptr;
    if (!curl) throw Error("libcurl cannot be started");
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { curl_easy_cleanup(curl); }
};

struct Http::Request {
  Request(CURL* used, const std::stop_token& asked) : curl(used), stop(asked) {}

  CURL* curl;
  std::stop_token stop;
  Headers headers;
  Take take;  // of a good answer's body, in the place of `answer.body`
  HttpAnswer answer;
  std::exception_ptr thrown;  // may not pass through libcurl, which is C

  void receive(std::string_view bytes) {
    if (answer.status == 0) read_head();
    if (take && answer.good()) return take(answer.content_type, bytes);
    if (answer.body.size() + bytes.size() > largest_body) {
      throw Error(fmt::format("answers more than {} MiB", largest_body >> 20));
    }
    answer.body += bytes;
  }

  void read_head() {
    const char* type = nullptr;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    answer.content_type = type ? type : "";
  }

  static std::size_t on_body(char* bytes, std::size_t size, std::size_t count, void* self) {
    auto& request = *static_cast<Request*>(self);
    try {
      request.receive({bytes, size * count});
      return size * count;
    } catch (...) {
      request.thrown = std::current_exception();
      return 0;
    }
  }

  static int on_progress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<Request*>(self)->stop.stop_requested() ? 1 : 0;
  }
};

Http::Http(const Server& server, std::stop_token stop)
    : server_(server), stop_(std::move(stop)), handle_(std::make_unique<Handle>()) {
  CURL* curl = handle_->curl;
  set(curl, CURLOPT_ERRORBUFFER, handle_->message.data());
  set(curl, CURLOPT_NOSIGNAL, 1L);
  set(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  set(curl, CURLOPT_REDIR_PROTOCOLS_STR, server_.tls ? "https" : "http");
  set(curl, CURLOPT_MAXREDIRS, most_redirects);
  set(curl, CURLOPT_CONNECTTIMEOUT, connect_seconds);
  set(curl, CURLOPT_LOW_SPEED_LIMIT, slowest);
  set(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(server_.timeout.count()));
  set(curl, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  const auto& [authority, own, key] = server_.certificates;
  if (!authority.empty()) set(curl, CURLOPT_CAINFO, authority.c_str());
  if (!own.empty()) set(curl, CURLOPT_SSLCERT, own.c_str());
  if (!key.empty()) set(curl, CURLOPT_SSLKEY, key.c_str());
  if (!server_.credentials.token.empty()) {
    set(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
    set(curl, CURLOPT_XOAUTH2_BEARER, server_.credentials.token.c_str());
  } else if (!server_.credentials.user.empty()) {
    set(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    set(curl, CURLOPT_USERNAME, server_.credentials.user.c_str());
    set(curl, CURLOPT_PASSWORD, server_.credentials.password.c_str());
  }
}

Http::~Http() = default;

HttpAnswer Http::perform(const std::string& target, Request& request) {
  CURL* curl = handle_->curl;
  set(curl, CURLOPT_URL, (server_.name + target).c_str());
  set(curl, CURLOPT_HTTPHEADER, request.headers.list);
  set(curl, CURLOPT_WRITEFUNCTION, &Request::on_body);
  set(curl, CURLOPT_WRITEDATA, &request);
  set(curl, CURLOPT_NOPROGRESS, 0L);
  set(curl, CURLOPT_XFERINFOFUNCTION, &Request::on_progress);
  set(curl, CURLOPT_XFERINFODATA, &request);
  handle_->message[0] = '\0';
  const CURLcode code = curl_easy_perform(curl);
  if (stop_.stop_requested()) throw Interrupted("stopped on request; what has arrived is kept");
  try {
    if (request.thrown) std::rethrow_exception(request.thrown);
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", server_.name, error.what()));
  }
  if (code != CURLE_OK) {
    const char* reason = handle_->message[0] ? handle_->message.data() : curl_easy_strerror(code);
    throw Error(fmt::format("{}: {}", server_.name, one_line(reason)));
  }
  request.read_head();
  return std::move(request.answer);
}

HttpAnswer Http::get(const std::string& target, const std::string& accept) { return download(target, accept, {}); }

HttpAnswer Http::download(const std::string& target, const std::string& accept, const Take& take) {
  Request request(handle_->curl, stop_);
  request.headers.add("Accept: " + accept);
  request.take = take;
  set(handle_->curl, CURLOPT_HTTPGET, 1L);
  set(handle_->curl, CURLOPT_FOLLOWLOCATION, 1L);
  return perform(target, request);
}

HttpAnswer Http::post(const std::string& target, const std::string& accept,
                      const std::vector<std::filesystem::path>& files) {
  Request request(handle_->curl, stop_);
  request.headers.add("Accept: " + accept);
  request.headers.add("Content-Type: multipart/related; type=\"application/dicom\"");  // libcurl adds the boundary
  request.headers.add("Expect:");  // not all servers answer "100 Continue"
  const std::unique_ptr<curl_mime, decltype(&curl_mime_free)> message(curl_mime_init(handle_->curl), curl_mime_free);
  for (const auto& file : files) {
    curl_mimepart* part = curl_mime_addpart(message.get());
    if (curl_mime_filedata(part, file.c_str()) != CURLE_OK) throw Error(file.string() + ": cannot be read");
    curl_mime_filename(part, nullptr);  // it is nobody else's affair
    curl_mime_type(part, "application/dicom");
  }
  set(handle_->curl, CURLOPT_FOLLOWLOCATION, 0L);
  set(handle_->curl, CURLOPT_MIMEPOST, message.get());
  return perform(target, request);
}

std::string Http::refusal(std::string_view asked, const HttpAnswer& answer) const {
  std::string text = fmt::format("{}: {}: the server answers {}", server_.name, asked, answer.status);
  if (const auto words = words_of(answer); !words.empty()) text += fmt::format(" ({})", words);
  if (answer.status == 401 || answer.status == 403) {
    return text + "; set PULMOSEG_PACS_USER and PULMOSEG_PACS_PASSWORD, or PULMOSEG_PACS_TOKEN, to what it accepts";
  }
  if (answer.status == 404) return text + "; is this the address of its DICOMweb service, and what is asked for there?";
  return text;
}

std::string percent_encoded(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
                       c == '.' || c == '_' || c == '~';
    if (plain)
      encoded += c;
    else
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

}  // namespace pulmoseg::pacs
