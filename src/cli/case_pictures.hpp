#pragma once
// What people look at of a case: a picture (NAME.png) and a report (NAME.html), for `segment` and `quantify`.

#include <string>

#include "pulmoseg/quantify/measurements.hpp"
#include "pulmoseg/report/case_views.hpp"
#include "pulmoseg/report/measurement_report.hpp"
#include "pulmoseg/report/overlay.hpp"
#include "pulmoseg/volume/source.hpp"

namespace pulmoseg::cli {

struct CaseFacts {
  const std::string& name;
  const quantify::Measurements& measurements;
  const report::Provenance& provenance;
  const volume::SourceInfo& source;
  bool anonymous = false;
};

/// Keeps of the slices that go by what is shown of them. Threads: one at a time for add(); png() and html() at the same time.
class CasePictures {
 public:
  explicit CasePictures(const volume::Geometry& grid) : gallery_(grid.size[2]), views_(grid) {}

  void add(const quantify::MeasuredSlice& slice);

  /// The bytes of the files. Errors name the picture.
  std::string png(const CaseFacts& facts, const std::filesystem::path& picture) const;
  std::string html(const CaseFacts& facts) const;

 private:
  report::SliceGallery gallery_;
  report::CaseViews views_;
};

}  // namespace pulmoseg::cli
