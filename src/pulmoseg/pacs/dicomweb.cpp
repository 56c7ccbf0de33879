// DICOMweb (PS3.18): QIDO-RS finds, WADO-RS retrieves, STOW-RS stores.

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <span>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/pacs/connection.hpp"
#include "pulmoseg/pacs/dicom_json.hpp"
#include "pulmoseg/pacs/http.hpp"
#include "pulmoseg/pacs/multipart.hpp"

namespace pulmoseg::pacs {
namespace {

constexpr std::size_t page_size = 500, most_found = 100'000, most_found_bytes = 256 << 20;
constexpr std::uintmax_t batch_bytes = 64 << 20;  // of one STOW-RS request, unless one file is larger
constexpr const char* json_type = "application/dicom+json";

std::string series_path(const std::string& study, const std::string& series) {
  return fmt::format("/studies/{}/series/{}", study, series);
}

std::uint32_t identifier_of(Level level) {
  return level == Level::study ? tag::study : level == Level::series ? tag::series : tag::sop_instance;
}

/// Path and query of a search.
std::string search_target(Level level, const Attributes& keys) {
  const std::string study = value_of(keys, tag::study), series = value_of(keys, tag::series);
  std::string target = "/studies";
  if (level == Level::series) target += "/" + study + "/series";
  if (level == Level::instance) target = series_path(study, series) + "/instances";
  char separator = '?';
  for (const auto& [tag, value] : keys) {
    const bool in_path =
        (tag == tag::study && level != Level::study) || (tag == tag::series && level == Level::instance);
    if (in_path) continue;
    target += value.empty() ? fmt::format("{}includefield={:08X}", separator, tag)
                            : fmt::format("{}{:08X}={}", separator, tag, percent_encoded(value));
    separator = '&';
  }
  return target + separator;
}

/// The parts of a WADO-RS answer, each into a file of its own.
class Download {
 public:
  explicit Download(Inbox& inbox) : inbox_(inbox) {}

  void take(std::string_view content_type, std::string_view bytes) {
    if (!reader_) {
      const auto boundary = boundary_of(content_type);
      if (!boundary) {
        throw Error(fmt::format("answers {}, expected multipart/related with DICOM instances",
                                content_type.empty() ? "without a type" : one_line(content_type)));
      }
      reader_.emplace(*boundary,
                      MultipartReader::Parts{.begin = [this] { file_.emplace(inbox_.begin()); },
                                             .content = [this](std::string_view content) { file_->write(content); },
                                             .end = [this] { inbox_.accept(std::move(*file_)), file_.reset(); }});
    }
    reader_->feed(bytes);
  }

  void finish() const {
    if (reader_) reader_->finish();
  }

 private:
  Inbox& inbox_;
  std::optional<OutputFile> file_;
  std::optional<MultipartReader> reader_;
};

Answer answer_for(const InstanceFile& instance, const StoreAnswer& said) {
  Answer answer{
      .file = instance.file, .instance = instance.sop_instance, .outcome = Answer::Outcome::failed, .words = {}};
  if (const auto stored = said.stored.find(instance.sop_instance); stored != said.stored.end()) {
    answer.outcome = stored->second == 0 ? Answer::Outcome::stored : Answer::Outcome::warning;
    if (stored->second != 0) answer.words = fmt::format("stored with warning {:04X}H", stored->second);
  } else if (const auto failed = said.failed.find(instance.sop_instance); failed != said.failed.end()) {
    answer.words = fmt::format("refused with reason {:04X}H", failed->second);
  } else {
    answer.words = "the server says nothing of it";
  }
  return answer;
}

class DicomWeb : public Connection {
 public:
  DicomWeb(const Server& server, std::stop_token stop) : server_(server), http_(server, std::move(stop)) {}

  // Servers cap pages as they like, and some give the same one again: it goes on as long as something new comes.
  std::vector<Attributes> find(Level level, const Attributes& keys) override {
    const std::string target = search_target(level, keys);
    std::vector<Attributes> found;
    std::set<std::string> known;
    std::size_t bytes = 0;
    for (bool news = true; news;) {
      const auto page = search(fmt::format("{}limit={}&offset={}", target, page_size, found.size()), bytes);
      news = false;
      for (const auto& item : page) {
        if (!known.insert(value_of(item, identifier_of(level))).second) continue;
        found.push_back(item);
        news = true;
      }
      if (found.size() > most_found || bytes > most_found_bytes)
        throw Error(server_.name + ": finds far too much; ask for less");
    }
    return found;
  }

  void retrieve(const std::string& study, const std::string& series, const std::string& instance,
                Inbox& inbox) override {
    std::string target = series_path(study, series);
    if (!instance.empty()) target += "/instances/" + instance;
    const std::string accept = "multipart/related; type=\"application/dicom\"";
    auto answer = download(target, accept + "; transfer-syntax=*", inbox);  // as it is stored
    if (answer.status == 400 || answer.status == 406) answer = download(target, accept, inbox);
    if (!answer.good()) throw Error(http_.refusal("series " + series, answer));
  }

  void store(const std::vector<InstanceFile>& instances, const std::function<void(const Answer&)>& on_answer) override {
    for (auto begin = instances.begin(); begin != instances.end();) {
      auto end = begin;
      for (std::uintmax_t bytes = 0; end != instances.end(); ++end) {
        bytes += std::filesystem::file_size(end->file);
        if (bytes > batch_bytes && end != begin) break;
      }
      store_batch({begin, end}, on_answer);
      begin = end;
    }
  }

 private:
  std::vector<Attributes> search(const std::string& target, std::size_t& bytes) {
    const auto answer = http_.get(target, json_type);
    bytes += answer.body.size();
    if (answer.status == 204) return {};
    if (!answer.good()) throw Error(http_.refusal("search", answer));
    return parsed(answer, parse_data_sets);
  }

  HttpAnswer download(const std::string& target, const std::string& accept, Inbox& inbox) {
    Download parts(inbox);
    const auto answer =
        http_.download(target, accept, [&](std::string_view type, std::string_view bytes) { parts.take(type, bytes); });
    try {
      parts.finish();
    } catch (const Error& error) {
      throw Error(fmt::format("{}: {}", server_.name, error.what()));
    }
    return answer;
  }

  using Batch = std::span<const InstanceFile>;

  void store_batch(Batch batch, const std::function<void(const Answer&)>& on_answer) {
    constexpr long none_stored = 409, too_large = 413;
    std::vector<std::filesystem::path> files;
    for (const auto& instance : batch) files.push_back(instance.file);
    const auto answer = http_.post("/studies", json_type, files);
    if (answer.status == too_large && batch.size() > 1) {  // for a proxy between us, more often than for the server
      const auto half = batch.size() / 2;
      store_batch(batch.first(half), on_answer);
      return store_batch(batch.subspan(half), on_answer);
    }
    const bool with_reasons = answer.status == none_stored && answer.content_type.find("json") != std::string::npos;
    if (!answer.good() && !with_reasons) throw Error(http_.refusal("store", answer));
    const auto said = parsed(answer, parse_store_answer);
    for (const auto& instance : batch) on_answer(answer_for(instance, said));
  }

  template <class Parse>
  auto parsed(const HttpAnswer& answer, Parse parse) -> decltype(parse(answer.body)) {
    try {
      return parse(answer.body);
    } catch (const Error& error) {
      throw Error(fmt::format("{}: {} (its type is {}); is this the address of a DICOMweb service?", server_.name,
                              error.what(), answer.content_type.empty() ? "not given" : one_line(answer.content_type)));
    }
  }

  Server server_;
  Http http_;
};

}  // namespace

std::unique_ptr<Connection> connect_dicomweb(const Server& server, std::stop_token stop) {
  return std::make_unique<DicomWeb>(server, std::move(stop));
}

}  // namespace pulmoseg::pacs
