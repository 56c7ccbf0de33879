#include "segment_options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/number.hpp"

namespace pulmoseg::cli {
namespace {

const std::string manual = fmt::format(R"(  pulmoseg segment SCAN.nii.gz --out FOLDER
  pulmoseg segment SCAN.nii.gz --model RUN --out FOLDER
  pulmoseg segment A.nii.gz B.nrrd DICOM_FOLDER/ --model model.onnx --out FOLDER
  pulmoseg segment SCAN.nii.gz --lung-mask LUNG.nii.gz --model RUN --out FOLDER
  pulmoseg segment STUDY.zip --series 3 --out FOLDER
  pulmoseg segment https://pacs.example/dicom-web/studies/1.2.3 --push --out FOLDER
  pulmoseg segment SCANS/ LIST.csv --out FOLDER --workers 4 --resume

Each INPUT is a NIfTI or NRRD file (3-D, or one 2-D slice) or DICOM (a folder, a ZIP, a DICOMDIR; files of one
folder are one scan), of any size, spacing and orientation; or a folder that holds many of these, results of
an earlier run left out; or a study in a picture archive, SERVER/studies/UID or SERVER/studies/UID/series/UID; or
a list, a .csv with the column image, and if wanted case (its name) and lung_mask. Of DICOM the CT volume is
taken, and localizers, reports and derived series are left out; where there are several volumes, --series says
which one.
Without --model, the one that ships with the program finds lung and lesion: what it is worth, and its licence
(CC BY-NC-SA 4.0), stand in models/README.md. For an input called NAME, FOLDER gets

  NAME_lesion.nii.gz              the mask, 0 or 1, on exactly the input's grid, axis order and header
  NAME_lung.nii.gz                the lung, lesions included, where the model knows it and no --lung-mask is given
  NAME_lesion_probability.nii.gz  with --probabilities: how probable lesion is, 0 to 1
  NAME_uncertainty.nii.gz         with --uncertainty: the entropy of lesion or not, 0 (sure) to 1 bit (even odds)
  NAME.png                        slices through the scan with the lesions outlined
  NAME.html                       the report: figures, slices, coronal and sagittal planes; opens offline, prints on
                                  two A4 pages. Of a DICOM scan it names the patient
  NAME.json                       voxels, volume, areas by slice, and with a lung mask the percentage of it;
                                  written last: a case is done when it is there
  cohort.csv                      one line a case; cases that are in it already stay
  cohort.html                     the same to sort and search, with distributions and links to the reports

--format seg.nrrd puts lesion and lung into one file, NAME.seg.nrrd, that 3D Slicer opens with names and
colours. --format dicom-seg, for DICOM series, puts them into a DICOM Segmentation that refers to the scan and
lies on it, and the figures into a Structured Report (TID 1500), in place of the volumes above:

  NAME_seg.dcm                      a segment each for lesion and lung, a frame for every slice
  NAME_sr.dcm                       volumes, percentages and counts
  NAME_lesion_probability_seg.dcm   with --probabilities: 0 to 255 for 0 to 1
  NAME_source/                      with --new-uids: the scan under the new UIDs
  NAME_pushed.csv                   with --push: what the archive has taken of these

They carry the scan's patient and study. --deidentify leaves out who that is, after the Basic Profile of DICOM
PS3.15, Annex E, and keeps the UIDs (Retain UIDs Option), so that results still lie on their scan; a scan that
says that annotation is burned into its pixels is refused. --new-uids replaces the UIDs too. Which new one stands
for which old one depends on a key, FOLDER/uids.key, that is made if it is missing: who has it can find out
whether a known UID is meant, so do not hand it on with the results. NAME itself is the input's name, which is
then to be chosen so that it says nothing: of a study in an archive, in a list.

Picture archives: of a study, the CT series are fetched when its turn is near, into FOLDER/.NAME.fetched, which
goes with the case; NAME is the last UID of the address. --push, said behind the inputs, chooses --format
dicom-seg and stores these objects of each case that is finished: in the archive that the study came from, or in
the one that it names. When that fails, so does the case, and its files stay: `pulmoseg push` sends them, and so
does the same command with --resume. What is made again is sent again, and stands there beside what was sent before.
{}
A node that knows only C-MOVE needs --move-to and --listen, as `pulmoseg pull` does; --listen-on says on which address.

Two inputs of one name get two names (NAME, NAME_2). A result that exists is an error before anything is
computed, unless --resume (what is done stays) or --overwrite (all is done again) says otherwise. A case that
fails is reported, the others go on, and the exit code is 1. Memory: the model, and of a scan that is stored
slice by slice a few slices or, up to 256 MiB, all, so that it is unpacked once; of the next scan too.

A model that was run before starts quicker: what is prepared for this processor is kept in PULMOSEG_CACHE
(~/.cache/pulmoseg, up to 1 GB; set it to nothing and nothing is kept).

Many scans: --workers N starts N processes, each with its share of cases and threads. --shard i/n takes every
n-th case, for n jobs that share FOLDER; `pulmoseg cohort FOLDER` then makes both tables. Whatever is killed
at whatever time, --resume does the rest, given the same inputs: that a name stands for another scan than it
did is an error.

The masks are what the network says, put right: the lung is its two largest parts, solid in each slice,
lesion is inside of it, and parts of lesion below --speck-ml are dropped; --as-found leaves all as it is.

Research use only. Not a medical device.)",
                                       pacs_manual);

/// "40:120".
inference::SliceRange parse_range(const std::string& text) {
  if (text.empty()) return {};
  const auto colon = text.find(':');
  const auto first = parse_number<std::int64_t>(text.substr(0, colon)),
             last = colon == std::string::npos ? std::nullopt : parse_number<std::int64_t>(text.substr(colon + 1));
  if (first && last && 0 <= *first && *first <= *last) return {*first, *last};
  throw UsageError(fmt::format("--slices {}: expected FIRST:LAST, counted from 0, from below", text));
}

/// What the command line's own checks let through.
void check_values(const SegmentArguments& arguments) {
  if (arguments.plan.folder.empty()) throw UsageError("--out: is empty, expected a folder");
  if (std::ranges::any_of(arguments.inputs, &std::filesystem::path::empty))
    throw UsageError("INPUT: is empty, expected a scan");
  if (const double ml = arguments.refinement.speck_ml; !std::isfinite(ml) || ml < 0)
    throw UsageError(fmt::format("--speck-ml {}: expected millilitres, 0 or more", ml));
}

/// Each once.
std::vector<pacs::Server> servers_of(const std::vector<SegmentInput>& inputs, const SegmentArguments& arguments) {
  std::set<std::string> addresses{arguments.plan.push.value_or("")};
  for (const auto& input : inputs) addresses.insert(input.archive);
  addresses.erase("");
  std::vector<pacs::Server> servers;
  for (const auto& address : addresses) servers.push_back(server_of(address, arguments.pacs));
  return servers;
}

}  // namespace

void add_segment_options(CLI::App& command, SegmentArguments& arguments) {
  command.footer(manual);
  command
      .add_option("INPUT", arguments.inputs,
                  "NIfTI, NRRD or ZIP files, DICOM folders, DICOMDIRs or files, folders of these, studies in a "
                  "picture archive (SERVER/studies/UID), lists (.csv)")
      ->required();
  command
      .add_option("--model", arguments.models,
                  "an .onnx file, or the folder of a training run; without, the one that ships; repeat it to average "
                  "several")
      ->allow_extra_args(false);
  command.add_flag("--tta", arguments.engine.mirror,
                   "ask about the slice and its mirror image (left and right), and average: twice the time");
  command.add_option("-o,--out", arguments.plan.folder, "folder of the results, made when it is missing")->required();
  command
      .add_option("--lung-mask", arguments.lung_masks,
                  "lung mask of the input at the same place; repeat for more inputs")
      ->allow_extra_args(false);
  command.add_option(
      "--series", arguments.plan.series,
      "which DICOM series, where an input holds several: its number, its UID or a part of its description");
  command.add_flag("--probabilities", arguments.plan.probabilities, "write the probability of lesion too");
  command.add_flag("--uncertainty", arguments.plan.uncertainty,
                   "write how uncertain each voxel is too; not with dicom-seg");
  command.add_option("--speck-ml", arguments.refinement.speck_ml, "smallest part of lesion that is kept, in ml")
      ->capture_default_str();
  command.add_flag("--as-found", arguments.as_found, "leave the masks as the network says");
  command.add_option("--format", arguments.format, "of masks and probabilities; with --push dicom-seg")
      ->default_str("nii.gz")
      ->check(CLI::IsMember({"nii.gz", "nii", "nrrd", "seg.nrrd", "dicom-seg"}));
  command.add_flag("--deidentify", arguments.plan.deidentify,
                   "with dicom-seg: leave out who the patient is (PS3.15 Annex E, Basic Profile)");
  command.add_flag("--new-uids", arguments.plan.new_uids,
                   "with dicom-seg: give study, series and instances new UIDs, and write copies of the scan with them");
  // The last one counts: workers are told their share behind what the user said.
  command.add_option("--threads", arguments.engine.threads, "processor threads; 0 takes all")
      ->capture_default_str()
      ->take_last();
  command
      .add_option(
          "--precision", arguments.engine.precision,
          "of the network's arithmetic: fp32 (32-bit), bf16 and int8 where model and processor have them, auto: "
          "the fastest of these")
      ->capture_default_str();
  command.add_option("--workers", arguments.workers, "processes at once, each with its share of cases and threads")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024))
      ->take_last();
  command.add_option("--shard", arguments.shard, "i/n: every n-th case, from the i-th on")
      ->capture_default_str()
      ->take_last();
  command.add_option("--slices", arguments.slices, "FIRST:LAST, counted from 0, from below: look at no others");
  command.add_flag("--resume", arguments.plan.resume, "leave what an earlier run finished, do the rest");
  command.add_flag("--overwrite", arguments.plan.overwrite, "replace results that are there already");
  command.add_flag("--json", arguments.json, "print the results as JSON");
  command
      .add_option("--push", arguments.plan.push,
                  "store SEG and SR of each case in this archive, or in the one that its study came from")
      ->expected(0, 1)
      ->type_name("[SERVER]");
  add_pacs_options(command, arguments.pacs);
  add_move_options(command, arguments.pacs);
}

std::vector<SegmentInput> settle(SegmentArguments& arguments) {
  SegmentPlan& plan = arguments.plan;
  check_values(arguments);
  plan.shard = Shard::parse(arguments.shard);
  arguments.wanted = parse_range(arguments.slices);
  if (plan.overwrite && plan.resume) throw UsageError("--overwrite and --resume: say one of them");
  if (!arguments.pacs.move_to.empty() && arguments.workers > 1)
    throw UsageError("--move-to: listens on one port, so it takes one worker");
  if (plan.push) plan.format = "dicom-seg";
  if (!arguments.format.empty()) plan.format = arguments.format;
  if (plan.push && !plan.push->empty()) plan.push = server_of(*plan.push, arguments.pacs).name;
  auto inputs = find_inputs(arguments.inputs, arguments.lung_masks, plan.folder);
  check_pacs_options(arguments.pacs, servers_of(inputs, arguments));
  return inputs;
}

}  // namespace pulmoseg::cli
