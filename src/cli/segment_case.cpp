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
#include "segment_fingerprint.hpp"
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

/// What is measured: with the network's own lung, or one that was given.
quantify::ScanMasks masks_of(const Found& found, bool own_lung, std::optional<quantify::MaskOnScan> given_lung) {
  quantify::ScanMasks masks{.lesion = found.lesion, .lung = {}};
  if (own_lung) masks.lung = found.lung;
  if (given_lung) {
    masks.lung = std::move(given_lung->mask);
    masks.notes = std::move(given_lung->notes);
  }
  return masks;
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

/// What was noticed on opening a scan may name files and other series: of that its kind only.
void leave_out_names(std::vector<quantify::Note>& notes, const volume::SourceInfo& source) {
  for (auto& note : notes) {
    const auto same = [&](const quantify::Note& opening) { return opening.code == note.code; };
    if (std::ranges::none_of(source.notes, same)) continue;
    note.text = note.code + ": no more is said of a de-identified scan";
    std::ranges::replace(note.text, '_', ' ');
  }
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

report::Provenance provenance_of(const SegmentCase& planned, const dicom::Case& of, const SegmentWork& work) {
  report::Provenance provenance = work.model.get();
  const bool hidden = !planned.fetched.empty() && !planned.source_copies.empty();  // the address is one of the old UIDs
  provenance.image = hidden ? std::filesystem::path(planned.name) : planned.input;
  provenance.image_fingerprint = fingerprint_of(planned);
  provenance.study = study_of(of);
  provenance.lesion_mask = planned.mask;
  if (!planned.lung.empty()) provenance.lung_mask = planned.lung;
  if (planned.lung_mask) provenance.lung_mask = *planned.lung_mask;
  return provenance;
}

/// Error when `--slices` names none of the scan's.
void check_slices(const SegmentWork& work, const volume::VolumeReader& scan) {
  const std::int64_t slices = scan.geometry().size[2];
  if (work.wanted.first < slices) return;
  throw Error(fmt::format("{}: has slices 0 to {}, --slices asks for others only ({} to {})",
                          scan.source().file.string(), slices - 1, work.wanted.first, work.wanted.last));
}

void put_right(Found& found, const volume::VolumeReader& scan, const masks::RefineOptions& refinement) {
  const bool has_volume = quantify::known_spacing(scan.source()) == quantify::KnownSpacing::complete;
  masks::refine(found.lesion, found.lung ? &*found.lung : nullptr,
                has_volume ? volume::voxel_volume_mm3(scan.geometry()) / 1000 : 0, refinement);
}

struct Pages {
  std::string png, html;
};

/// Stopped in here, no measurements, picture or report of an earlier run stands beside a new mask.
void write_results(const SegmentCase& planned, const dicom::Case& of, const SegmentedCase& result,
                   ResultVolumes& volumes, const Pages& pages) {
  for (const auto& old : {planned.measurements, planned.picture, planned.report, planned.structured_report})
    std::filesystem::remove(old);
  volumes.commit();
  if (!planned.source_copies.empty()) dicom::write_source_copies(of, planned.source_copies, stop_if_asked);
  if (const auto* segmentation = volumes.segmentation()) {
    dicom::write_structured_report(planned.structured_report, of, result.measurements, *segmentation,
                                   !planned.lung.empty());
  }
  write_file(planned.picture, pages.png);
  write_file(planned.report, pages.html);
  report::write_measurements_json(result.measurements, result.provenance, planned.measurements);
}

}  // namespace

SegmentedCase segment_case(const SegmentCase& planned, volume::VolumeReader scan, const SegmentWork& work,
                           const CaseEvents& events) {
  // Whatever cannot be read or written is to say so before the network has run.
  const volume::SourceInfo& source = scan.source();
  check_slices(work, scan);
  std::optional<quantify::MaskOnScan> given_lung;
  if (planned.lung_mask) given_lung = quantify::read_mask(*planned.lung_mask, volume::MaskKind::lung, scan);
  const bool own_lung = !planned.lung.empty();
  const dicom::Case of = dicom_case(planned, source, work);
  dicom::refuse_burned_in(of);
  ResultVolumes volumes(planned, of);

  Found found = find(scan, work, volumes, events);
  scan.rewind();
  events.on_found();
  if (work.refinement) put_right(found, scan, *work.refinement);

  // To pack two masks, a picture and a report takes as long as many a slice in the network: at the same time, then.
  auto packed =
      std::async(parallel, [&] { volumes.write_masks(found.lesion, own_lung ? &*found.lung : nullptr, found.order); });
  CasePictures pictures(scan.geometry());
  const auto show = [&](const quantify::MeasuredSlice& slice) {
    stop_if_asked();
    pictures.add(slice);
  };
  SegmentedCase result{.measurements = quantify::measure(scan, masks_of(found, own_lung, std::move(given_lung)), show),
                       .provenance = provenance_of(planned, of, work)};
  result.measurements.expected_dice = found.expected_dice.value();
  std::ranges::move(notes_on(found, work, scan.geometry().size), std::back_inserter(result.measurements.notes));
  if (planned.deidentify) leave_out_names(result.measurements.notes, source);
  const CaseFacts facts{planned.name, result.measurements, result.provenance, source, planned.deidentify};
  auto picture = std::async(parallel, [&] { return pictures.png(facts, planned.picture); });
  const std::string html = pictures.html(facts);
  const Pages pages{picture.get(), html};
  packed.get();
  write_results(planned, of, result, volumes, pages);
  return result;
}

}  // namespace pulmoseg::cli
