#pragma once
// Scans out of a picture archive and results into it: find, fetch, store, the same over DICOMweb (QIDO-RS, WADO-RS, STOW-RS;
// PS3.18, chapter 10) and over DIMSE (C-FIND, C-GET or C-MOVE in the study root, C-STORE; PS3.4, annexes B and C).
// Nothing listens but a C-MOVE that Server::move asks for, and only while it runs.

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "pulmoseg/pacs/server.hpp"

namespace pulmoseg::pacs {

/// What a series must be of; an empty text asks nothing. Values are compared exactly, wildcards are none.
struct Query {
  std::string patient_id{}, accession_number{}, study_date{};  ///< date: YYYYMMDD or a range YYYYMMDD-YYYYMMDD
  std::string study{}, series{};                               ///< UIDs
  std::string modality{};                                      ///< "CT"
};

/// Text in UTF-8, as the server has it.
struct Series {
  std::string study{}, uid{};
  std::string modality{}, description{}, number{};
  std::string study_date{}, study_description{}, accession_number{};
  std::string patient_id{}, patient_name{};
  std::optional<int> instances{};  ///< where the server says
};

struct Fetched {
  std::size_t instances = 0;  ///< of the series
  std::size_t there_before = 0;
};

/// What became of one file.
struct Answer {
  enum class Outcome { stored, warning, failed };
  std::filesystem::path file;
  std::string instance;  ///< UID
  Outcome outcome = Outcome::failed;
  std::string words;  ///< of the server, when it was not simply stored
};

/// DICOM files among `inputs` (files, and folders with all that is below them), in the order of their names; each is looked
/// through to its end. Files in a folder that are no DICOM files are passed over.
/// Error for an input that is no DICOM file or holds none, and for a DICOM file that is not whole.
std::vector<std::filesystem::path> find_dicom_files(const std::vector<std::filesystem::path>& inputs);

/// Errors: Error of one line that begins with the server's address: it cannot be reached, refuses, breaks off, is silent for
/// longer than its timeout, answers what is no answer; UsageError for a query that asks nothing; Interrupted once `stop` asks.
/// Threads: one at a time, and one over DIMSE in a program (DCMTK keeps some of its settings for all).
class Archive {
 public:
  explicit Archive(Server server, std::stop_token stop = {});
  Archive(Archive&& other) noexcept;
  Archive& operator=(Archive&& other) noexcept;
  ~Archive();

  /// The series that match, in the order of their studies and numbers. What the server finds beyond the query is left out.
  std::vector<Series> find(const Query& query);

  /// All instances of a series into `folder` as INSTANCE_UID.dcm, each as the server sends it and only whole; what is there
  /// already is not fetched again. `on_arrived` is told how many of how many are there (with C-MOVE, by another thread).
  /// Error also when some did not arrive; what arrived stays.
  Fetched fetch(const Series& series, const std::filesystem::path& folder,
                const std::function<void(std::size_t done, std::size_t total)>& on_arrived = {});

  /// Sends DICOM files as they are. `on_answer` is told of each; that one is refused is no Error. Sending one twice does no harm.
  void store(const std::vector<std::filesystem::path>& files, const std::function<void(const Answer&)>& on_answer);

 private:
  class Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace pulmoseg::pacs
