#pragma once
// The report of one case: an HTML file that stands alone (pictures, style and all inside; no script, nothing is fetched), opens
// in any browser and prints on two A4 pages.
//
//   page 1  who and when, headline figures, what the reader must know, sides and thirds of the lungs, the axial slice with the
//           most lesion, a coronal and a sagittal plane, lesion depth over the lungs
//   page 2  montage of slices, lesion slice by slice, sizes of lesions, densities, all figures, model and version
//
// What is not known is left out or said to be unknown. The same case gives the same bytes: no clock is asked.
// Every text from outside (names, headers) is escaped. Threads: any number.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "pulmoseg/quantify/measurements.hpp"
#include "pulmoseg/report/case_views.hpp"
#include "pulmoseg/report/measurement_report.hpp"
#include "pulmoseg/report/overlay.hpp"
#include "pulmoseg/volume/source.hpp"

namespace pulmoseg::report {

struct CaseReport {
  std::string name;  ///< of the case
  const quantify::Measurements& measurements;
  const Provenance& provenance;
  const volume::SourceInfo& source;
  std::vector<GallerySlice> slices;   ///< of the montage; may be empty
  std::optional<UprightViews> views;  ///< shown where the header tells the spacing
  bool anonymous = false;             ///< no person, no dates, no numbers or descriptions of the examination
};

std::string case_report_html(const CaseReport& report);

void write_case_report(const CaseReport& report, const std::filesystem::path& html);

}  // namespace pulmoseg::report
