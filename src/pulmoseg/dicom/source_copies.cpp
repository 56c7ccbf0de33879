#include "pulmoseg/dicom/source_copies.hpp"

#include <dcmtk/dcmdata/dctk.h>
#include <fmt/format.h>

#include <set>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/dicom/anonymise.hpp"
#include "pulmoseg/dicom/attributes.hpp"

namespace pulmoseg::dicom {
namespace {

namespace fs = std::filesystem;

void refuse_burned_in(DcmItem& dataset, const fs::path& file) {
  if (value_of(dataset, DCM_BurnedInAnnotation) != "YES") return;
  throw Error(
      fmt::format("{}: says that annotation is burned into its pixels, which cannot be removed here; clean it "
                  "with a tool for that first, or leave out --deidentify",
                  file.string()));
}

void copy(const fs::path& file, const fs::path& to, const Case& of) {
  DcmFileFormat read;
  const OFCondition condition = read.loadFile(file.c_str());
  if (condition.bad()) throw Error(fmt::format("{}: cannot be read as DICOM ({})", file.string(), condition.text()));
  const E_TransferSyntax syntax = read.getDataset()->getOriginalXfer();
  DcmFileFormat made(read.getAndRemoveDataset(), OFFalse);  // preamble and meta information are not taken over
  DcmDataset& dataset = *made.getDataset();
  if (of.anonymity.deidentify) refuse_burned_in(dataset, file);
  anonymise(dataset, of.anonymity, of.algorithm.version);
  OutputFile out(to);
  const OFCondition saved = made.saveFile(out.temporary_path().c_str(), syntax);
  if (saved.bad()) throw Error(fmt::format("{}: cannot be written ({})", to.string(), saved.text()));
  out.commit();
}

}  // namespace

void refuse_burned_in(const Case& of) {
  if (!of.anonymity.deidentify) return;
  std::set<fs::path> seen;
  for (const auto& frame : of.source.frames) {
    if (seen.insert(frame.file).second) refuse_burned_in(*load_attributes(frame.file)->getDataset(), frame.file);
  }
}

void write_source_copies(const Case& of, const fs::path& folder, const std::function<void()>& go_on) {
  fs::remove_all(folder);
  fs::create_directories(folder);
  std::set<fs::path> copied;
  for (const auto& frame : of.source.frames) {
    go_on();
    if (copied.insert(frame.file).second) copy(frame.file, folder / fmt::format("{:05}.dcm", copied.size()), of);
  }
}

}  // namespace pulmoseg::dicom
