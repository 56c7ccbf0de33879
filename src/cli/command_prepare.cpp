// pulmoseg prepare: CT volumes and their masks into a dataset.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "commands.hpp"
#include "common.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/dataset/dataset.hpp"
#include "pulmoseg/prepare/prepare.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* manual = R"(  pulmoseg prepare SOURCE DATASET
      SOURCE holds images in rp_im/, lesion masks in rp_msk/ and, if there are any, lung masks in
      rp_lung_msk/. Files of one name belong together, also rp_im/a.nii.gz and rp_msk/a.seg.nrrd. A
      DICOM series lies in a folder of its case's name, and so does a DICOM Segmentation: rp_msk/a/FILE.
      A table cases.csv in SOURCE with the columns case and patient says which cases are of one patient;
      without it, each counts as one.
  pulmoseg prepare --image A.nii.gz --lesion-mask A_mask.nii.gz [--lung-mask A_lung.nii.gz] ... DATASET
      Files one by one; the options may be repeated.
  pulmoseg prepare --cases TABLE.csv DATASET
      A table with the columns case, patient, image, lesion_mask, lung_mask. File names are relative
      to the table; patient and lung_mask may be empty or missing.

Images may be NIfTI (.nii, .nii.gz), NRRD or a folder with one DICOM series, in any axis order. Each
slice is resized (bilinear; masks nearest neighbour) and then scaled to [0, 1] by its own smallest and
largest pixel; one in Hounsfield units (down to -900 or less) is cut to --hounsfield-window first. A mask
on another grid than its image is resampled through physical space where both headers say where they lie.
Masks may also be DICOM Segmentations or 3D Slicer's .seg.nrrd, whose segments are found by their codes and
names, or chosen by FILE#NAME, as `pulmoseg quantify --help` says.

DATASET becomes a folder with images.npy, lung_masks.npy, lesion_masks.npy (0 and 1), labels.npy (the
source's own lesion labels), slices.csv and dataset.json. It appears whole or not at all.)";

struct Arguments {
  std::vector<fs::path> folders, images, lesion_masks, lung_masks;
  fs::path table;
  prepare::PrepareOptions options;
  bool json = false;
};

std::vector<prepare::CaseSource> gather_cases(const Arguments& arguments) {
  const bool pairs = !arguments.images.empty() || !arguments.lesion_masks.empty() || !arguments.lung_masks.empty();
  const bool table = !arguments.table.empty(), source = arguments.folders.size() == 2;
  if (pairs + table + source != 1) {
    throw UsageError(
        "prepare takes either SOURCE DATASET, or --image and --lesion-mask with DATASET, or --cases with DATASET "
        "(see pulmoseg prepare --help)");
  }
  if (pairs) return prepare::pair_cases(arguments.images, arguments.lesion_masks, arguments.lung_masks);
  return table ? prepare::read_cases(arguments.table) : prepare::find_cases(arguments.folders.front());
}

dataset::Window as_window(const std::pair<double, double>& given) {
  if (given.first < given.second) return {given.first, given.second};
  throw UsageError(fmt::format("--hounsfield-window {} {}: expected the lower one first", given.first, given.second));
}

/// What stands on stdout. Opening the dataset again has checked that it is whole.
nlohmann::ordered_json summarise(const dataset::Dataset& dataset) {
  const auto& slices = dataset.slices();
  std::set<std::string> patients;
  for (const auto& slice : slices) patients.insert(slice.patient);
  std::int64_t lesion_pixels = 0;
  for (const auto& one : dataset.info().cases) lesion_pixels += one.lesion_pixels;
  return {{"schema", "pulmoseg.prepare/1"},
          {"research_use", research_use},
          {"dataset", dataset.folder().string()},
          {"cases", dataset.info().cases.size()},
          {"patients",
           dataset.info().unrelated_slices ? nlohmann::ordered_json() : nlohmann::ordered_json(patients.size())},
          {"slices", dataset.size()},
          {"size", dataset.columns()},
          {"slices_with_lesion", std::ranges::count_if(slices, &dataset::SliceRecord::has_lesion)},
          {"lesion_share_of_pixels", static_cast<double>(lesion_pixels) /
                                         static_cast<double>(dataset.size() * dataset.rows() * dataset.columns())},
          {"slices_with_lung_mask", std::ranges::count_if(slices, &dataset::SliceRecord::has_lung_mask)}};
}

void print_summary(const nlohmann::ordered_json& summary) {
  const std::int64_t slices = summary["slices"], with_lesion = summary["slices_with_lesion"];
  const bool unrelated = summary["patients"].is_null();
  print_line(fmt::format("{}: {} slices of {}x{}", summary["dataset"].get<std::string>(), slices,
                         summary["size"].get<std::int64_t>(), summary["size"].get<std::int64_t>()));
  print_line(unrelated ? "  unrelated slices; their patients are not known"
                       : fmt::format("  {} cases, {} patients", summary["cases"].get<std::size_t>(),
                                     summary["patients"].get<std::size_t>()));
  print_line(fmt::format("  lesion in {} slices, {:.2f} % of all pixels", with_lesion,
                         100 * summary["lesion_share_of_pixels"].get<double>()));
  print_line(fmt::format("  lung masks for {} slices", summary["slices_with_lung_mask"].get<std::int64_t>()));
}

void run(Arguments& arguments) {
  const auto cases = gather_cases(arguments);
  const fs::path& folder = arguments.folders.back();
  arguments.options.stop = stop_token();
  {
    std::optional<Progress> progress;
    arguments.options.on_slice = [&](std::int64_t done, std::int64_t total, std::string_view name) {
      if (!progress) progress.emplace("slices", total);
      progress->update(done, name);
    };
    prepare::prepare(cases, folder, arguments.options);
  }
  const auto summary = summarise(dataset::Dataset::open(folder));
  if (arguments.json)
    print_json(summary);
  else
    print_summary(summary);
}

/// CLI11 would call one option for two folders "DATASET(1x)".
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    return is_positional ? "[SOURCE] DATASET" : CLI::Formatter::make_option_name(option, is_positional);
  }
  std::string make_option_usage(const CLI::Option* option) const override { return make_option_name(option, true); }
};

}  // namespace

void add_prepare_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("prepare", "Make a dataset of axial slices from CT volumes and their lesion masks");
  command->footer(manual);
  command->formatter(std::make_shared<HelpFormatter>());
  command->add_option("DATASET", arguments->folders, "the two folders; DATASET alone with --image or --cases")
      ->required()
      ->expected(1, 2)
      ->type_name("");
  const auto add_files = [&](const char* name, std::vector<fs::path>& files, const char* help) {
    command->add_option(name, files, help)->type_name("FILE")->allow_extra_args(false);
  };
  add_files("--image", arguments->images, "CT volume; repeat for more");
  add_files("--lesion-mask", arguments->lesion_masks, "lesion mask, the first for the first image and so on");
  add_files("--lung-mask", arguments->lung_masks, "lung mask, for each image or for none");
  command->add_option("--cases", arguments->table, "table of cases")->type_name("FILE");
  command->add_flag("--unrelated-slices", arguments->options.unrelated_slices,
                    "the files stack slices of different people: each slice is a case of its own");
  command->add_option("--size", arguments->options.size, "rows and columns of the prepared slices")
      ->capture_default_str()
      ->check(CLI::Range(16, 4096));
  command
      ->add_option_function<std::pair<double, double>>(
          "--hounsfield-window",
          [arguments](const std::pair<double, double>& window) { arguments->options.window = as_window(window); },
          "cut slices in Hounsfield units to these; recorded, so that models trained on the dataset do so too")
      ->type_name("LOW HIGH");
  command->add_flag("--overwrite", arguments->options.overwrite, "replace a dataset that is there already");
  command->add_flag("--json", arguments->json, "print the summary as JSON");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace pulmoseg::cli
