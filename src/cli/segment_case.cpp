#include "segment_case.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <future>
#include <iterator>
#include <optional>
#include <span>
#include <vector>

#include "case_pictures.hpp"
#include "common.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/dicom/source_copies.hpp"
#include "pulmoseg/dicom/structured_report.hpp"
#include "pulmoseg/evaluation/interpret.hpp"
#include "pulmoseg/inference/segment.hpp"
#include "pulmoseg/metrics/confidence.hpp"
#include "pulmoseg/volume/volume_reader.hpp"
#include "segment_volumes.hpp"

namespace pulmoseg::cli {
namespace {

/// classes x pixels, summed over the classes of a region.
std::vector<float> sum_of(std::span<const float> probabilities, const dataset::Region& region, std::size_t pixels) {
  std::vector<float> sum(pixels);
  for (std::size_t c = 0; c < region.has.size(); ++c) {
    if (!region.has[c]) continue;
    const auto of_class = probabilities.subspan(c * pixels, pixels);
    std::ranges::transform(sum, of_class, sum.begin(), std::plus());
  }
  return sum;
}

/// Entropy of lesion or not, in bits.
std::vector<float> uncertainty_of(std::span<const float> lesion) {
  std::vector<float> entropy(lesion.size());
  std::ranges::transform(lesion, entropy.begin(), [](float p) {
    const auto bits = [](float share) { return share > 0 ? -share * std::log2(share) : 0.0F; };
    return bits(p) + bits(1 - p);
  });
  return entropy;
}

/// What the network found in a scan. No lung: the network does not know it.
struct Found {
  std::vector<std::int64_t> order;  // of the slices, as the file has them
  masks::RunMask lesion;
  std::optional<masks::RunMask> lung;
  dataset::CaseAppearance appearance;
  metrics::ExpectedDice expected_dice;
  bool equalised = false;
};

Found find(volume::VolumeReader& scan, const SegmentWork& work, ResultVolumes& volumes, const CaseEvents& events) {
  inference::Engine& engine = work.engine;
  evaluation::require_lesion(engine.classes(), engine.file());
  const masks::Size size = scan.geometry().size;
  const dataset::Region lesion = engine.classes().lesion(), lung = engine.classes().lung();
  Found found{.order = {}, .lesion = masks::RunMask(size), .lung = {}, .appearance = {}, .expected_dice = {}};
  if (engine.classes().has_lung()) found.lung.emplace(size);
  const auto preprocessing = inference::preprocessing_for(scan, engine, work.wanted);
  found.equalised = preprocessing.equalisation > 0;
  inference::segment(
      scan, engine, preprocessing,
      [&](const inference::SegmentedSlice& slice) {
        found.order.push_back(slice.index);
        const auto mask = evaluation::mask_of(slice.labels, lesion);
        const auto probability = sum_of(slice.probabilities, lesion, slice.labels.size());
        found.lesion.set(slice.index, mask);
        found.expected_dice.add(probability, mask);
        if (found.lung) found.lung->set(slice.index, evaluation::mask_of(slice.labels, lung));
        volumes.write_probability(slice.index, probability);
        if (volumes.has_uncertainty()) volumes.write_uncertainty(slice.index, uncertainty_of(probability));
        if (slice.computed) found.appearance.add(slice.appearance);
        events.on_slice(std::ssize(found.order), size[2]);
      },
      work.wanted);
  return found;
}

/// What a reader must know when the scan does not look like what the model was trained on.
std::optional<quantify::Note> unfamiliarity(const Found& found, const masks::Size& grid,
                                            const inference::Engine& engine) {
  std::vector<std::string> reasons;
  const auto appearance = found.appearance.mean();
  if (engine.familiarity() && appearance) reasons = engine.familiarity()->strangeness(*appearance);
  const std::int64_t size = engine.preprocessing().size;
  if (2 * std::min(grid[0], grid[1]) < size)
    reasons.push_back(fmt::format("slices of {}x{} pixels (trained on {}x{})", grid[0], grid[1], size, size));
  if (reasons.empty()) return std::nullopt;
  return quantify::Note{
      "unfamiliar_input",
      fmt::format("the scan does not look like those that the model was trained on, so its masks may be "
                  "wrong: {}",
                  fmt::join(reasons, ", "))};
}

/// What stands beside the measurements.
std::vector<quantify::Note> notes_on(const Found& found, const SegmentWork& work, const masks::Size& size) {
  std::vector<quantify::Note> notes;
  if (found.equalised && work.engine.preprocessing().equalise_unfamiliar) {
    notes.push_back(
        {"equalised", "the scan's contrast was equalised for the network, which has seen equalised slices"});
  }
  if (const auto& wanted = work.wanted; wanted.first > 0 || wanted.last < size[2] - 1) {
    notes.push_back(
        {"slices_left_out", fmt::format("only slices {} to {} of {} were looked at (counted from 0, from below)",
                                        wanted.first, std::min(wanted.last, size[2] - 1), size[2])});
  }
  if (auto note = unfamiliarity(found, size, work.engine)) notes.push_back(std::move(*note));
  return notes;
}

/// Of a DICOM series, for objects that are made of it.
dicom::Case dicom_case(const SegmentCase& planned, const volume::SourceInfo& source, const SegmentWork& work) {
  dicom::Case of{.source = source, .algorithm = {}, .anonymity = {}};
  if (planned.format != "dicom-seg") return of;
  const report::Provenance& model = work.model.get();
  of.algorithm = {model.version, model.model.filename().string(), model.model_sha256};
  of.anonymity.deidentify = planned.deidentify;
  if (!planned.source_copies.empty()) {
    const auto folder = planned.mask.parent_path();
    of.anonymity.new_uids = std::make_shared<dicom::UidMap>(dicom::UidMap::of_folder(folder));
  }
  return of;
}

/// As the objects tell it.
report::Study study_of(const dicom::Case& of) {
  report::Study study = report::study_of(of.source);
  if (of.anonymity.deidentify) study.date = study.time = study.series_description = "";
  if (of.anonymity.new_uids) {
    for (auto* uid : {&study.study_instance_uid, &study.series_instance_uid}) {
      if (!uid->empty()) *uid = (*of.anonymity.new_uids)(*uid);
    }
  }
  return study;
}

}  // namespace

SegmentedCase segment_case(const SegmentCase& planned, volume::VolumeReader scan, const SegmentWork& work,
                           const CaseEvents& events) {
  // Whatever cannot be read or written is to say so before the network has run.
  const volume::SourceInfo& source = scan.source();
  const volume::Geometry& grid = scan.geometry();
  std::optional<quantify::MaskOnScan> given_lung;
  if (planned.lung_mask) given_lung = quantify::read_mask(*planned.lung_mask, scan);
  const bool own_lung = !planned.lung.empty();
  const dicom::Case of = dicom_case(planned, source, work);
  ResultVolumes volumes(planned, of);

  Found found = find(scan, work, volumes, events);
  scan.rewind();
  events.on_found();
  if (work.refinement) {
    const bool has_volume = quantify::known_spacing(source) == quantify::KnownSpacing::complete;
    masks::refine(found.lesion, found.lung ? &*found.lung : nullptr,
                  has_volume ? volume::voxel_volume_mm3(grid) / 1000 : 0, *work.refinement);
  }

  // To pack two masks, a picture and a report takes as long as many a slice in the network: at the same time, then.
  auto packed =
      std::async(parallel, [&] { volumes.write_masks(found.lesion, own_lung ? &*found.lung : nullptr, found.order); });
  CasePictures pictures(grid);
  const auto show = [&](const quantify::MeasuredSlice& slice) {
    stop_if_asked();
    pictures.add(slice);
  };
  quantify::ScanMasks masks{found.lesion, {}};
  if (own_lung) masks.lung = found.lung;
  if (given_lung) {
    masks.lung = std::move(given_lung->mask);
    masks.lung_fit = given_lung->fit;
  }
  SegmentedCase result{.measurements = quantify::measure(scan, std::move(masks), show), .provenance = work.model.get()};
  result.measurements.expected_dice = found.expected_dice.value();
  std::ranges::move(notes_on(found, work, grid.size), std::back_inserter(result.measurements.notes));
  const bool hidden = !planned.fetched.empty() && !planned.source_copies.empty();  // the address is one of the old UIDs
  result.provenance.image = hidden ? std::filesystem::path(planned.name) : planned.input;
  result.provenance.study = study_of(of);
  result.provenance.lesion_mask = planned.mask;
  if (own_lung) result.provenance.lung_mask = planned.lung;
  if (planned.lung_mask) result.provenance.lung_mask = *planned.lung_mask;
  const CaseFacts facts{planned.name, result.measurements, result.provenance, source, planned.deidentify};
  auto picture = std::async(parallel, [&] { return pictures.png(facts, planned.picture); });
  const std::string html = pictures.html(facts), png = picture.get();
  packed.get();
  // Stopped from here on, no measurements, picture or report of an earlier run stands beside this mask.
  for (const auto& old : {planned.measurements, planned.picture, planned.report}) std::filesystem::remove(old);
  volumes.commit();
  if (!planned.source_copies.empty()) dicom::write_source_copies(of, planned.source_copies, stop_if_asked);
  if (const auto* segmentation = volumes.segmentation())
    dicom::write_structured_report(planned.structured_report, of, result.measurements, *segmentation, own_lung);
  write_file(planned.picture, png);
  write_file(planned.report, html);
  report::write_measurements_json(result.measurements, result.provenance, planned.measurements);
  return result;
}

}  // namespace pulmoseg::cli
