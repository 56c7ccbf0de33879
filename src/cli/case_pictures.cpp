#include "case_pictures.hpp"

#include <fmt/format.h>

#include "pulmoseg/base/own_name.hpp"
#include "pulmoseg/report/case_report.hpp"

namespace pulmoseg::cli {
namespace {

/// Where the masks come from.
std::string caption_of(const report::Provenance& provenance) {
  if (provenance.model.empty())
    return fmt::format("pulmoseg {}, lesion mask {}", provenance.version, own_name(provenance.lesion_mask));
  return fmt::format("pulmoseg {}, model {}, sha256 {:.12}", provenance.version, own_name(provenance.model),
                     provenance.model_sha256);
}

}  // namespace

void CasePictures::add(const quantify::MeasuredSlice& slice) {
  gallery_.offer(slice.index, slice.rows, slice.columns, slice.pixels, slice.lesion, slice.lung);
  views_.add(slice);
}

std::string CasePictures::png(const CaseFacts& facts, const std::filesystem::path& picture) const {
  return report::montage_png({.title = facts.name,
                              .facts = report::measurement_facts(facts.measurements),
                              .slices = gallery_.finish(),
                              .spacing = report::pixel_spacing(facts.measurements.grid),
                              .pixel_area_mm2 = facts.measurements.pixel_area_mm2,
                              .window = {},
                              .orientation_known = facts.source.has_geometry,
                              .caption = caption_of(facts.provenance)},
                             picture);
}

std::string CasePictures::html(const CaseFacts& facts) const {
  return report::case_report_html({.name = facts.name,
                                   .measurements = facts.measurements,
                                   .provenance = facts.provenance,
                                   .source = facts.source,
                                   .slices = gallery_.finish(),
                                   .views = views_.finish(),
                                   .anonymous = facts.anonymous});
}

}  // namespace pulmoseg::cli
