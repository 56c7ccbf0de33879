// pulmoseg quantify: measurements of masks that are there already.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "case_pictures.hpp"
#include "commands.hpp"
#include "common.hpp"
#include "pulmoseg/base/error.hpp"
#include "pulmoseg/base/output_file.hpp"
#include "pulmoseg/quantify/measurements.hpp"
#include "pulmoseg/report/measurement_report.hpp"
#include "pulmoseg/volume/scan_name.hpp"
#include "pulmoseg/volume/volume_reader.hpp"

namespace pulmoseg::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* manual = R"(  pulmoseg quantify SCAN.nii.gz --lesion-mask LESION.nii.gz
  pulmoseg quantify SCAN.nii.gz --lesion-mask LESION.nrrd --lung-mask LUNG.nii.gz --out FOLDER
  pulmoseg quantify DICOM_FOLDER/ --lesion-mask NAME_seg.dcm --lung-mask NAME_seg.dcm
  pulmoseg quantify SCAN.nii.gz --lesion-mask 'DRAWN.seg.nrrd#Segment_1'

Gives what `pulmoseg segment` reports: lesion and lung in voxels and ml, areas by slice, and the percentage
of the lung that is affected, |lesion inside the lung| / |lung|, of both lungs, each of them and each third of
their height; the connected parts of the lesion; for a scan in Hounsfield units the densities and the mass of the
lung; a class of severity. The lung mask includes the lesions; where left and right lung touch in it, they are
cut apart where their contact is smallest. What needs a lung mask is unknown without one.

A mask is a label map (NIfTI, NRRD), a DICOM Segmentation (a file, or a folder or ZIP with one in it) or a
segmentation of 3D Slicer (.seg.nrrd). Of the latter two the lesion mask is all that is coded or named as a lesion
(lesion, opacity, consolidation, ground glass, infiltrate …), the lung mask what is coded or named as the lung, or
as left and right lung; one file may be both. FILE#NAME takes the segment of that name or number, FILE#NAME#NAME
several; `pulmoseg inspect FILE` lists them. Of a label map every value but 0 is inside, or FILE#NUMBER. A note
(several_labels) says where several were taken together. A mask on another grid than the scan is brought onto it
through physical space, or refused when the headers do not allow that; slices that a DICOM Segmentation leaves out
are empty.

With --out, FOLDER gets NAME.json, NAME.png, slices through the scan with the masks outlined, and NAME.html, a
report of all of it that opens offline and prints on two A4 pages; of a DICOM scan it names the patient.

Notes say what is wrong with the scan: not Hounsfield units, no chest, lungs cut, contrast medium, metal, too few
or thick slices, a picture that contradicts its header. docs/schemas.md lists their codes.

Research use only. Not a medical device.)";

struct Arguments {
  fs::path image, lesion_mask, lung_mask, out;
  bool json = false, overwrite = false;
};

struct Outputs {
  fs::path json, picture, report;
};

Outputs plan_outputs(const Arguments& arguments) {
  const std::string name = volume::scan_name(arguments.image);
  Outputs outputs{arguments.out / (name + ".json"), arguments.out / (name + ".png"), arguments.out / (name + ".html")};
  for (const auto& file : {outputs.json, outputs.picture, outputs.report}) {
    if (arguments.overwrite || !fs::exists(file)) continue;
    throw Error(fmt::format("{}: is there already; choose another folder or add --overwrite", file.string()));
  }
  return outputs;
}

quantify::Measurements measure(const Arguments& arguments, volume::VolumeReader& scan,
                               const quantify::OnMeasuredSlice& on_slice = {}) {
  return quantify::measure(scan, quantify::read_masks(arguments.lesion_mask, arguments.lung_mask, scan), on_slice);
}

quantify::Measurements measure_with_pictures(const Arguments& arguments, volume::VolumeReader& scan,
                                             const report::Provenance& provenance, const Outputs& outputs) {
  CasePictures pictures(scan.geometry());
  const auto measurements = measure(arguments, scan, [&](const quantify::MeasuredSlice& slice) {
    stop_if_asked();
    pictures.add(slice);
  });
  const std::string name = volume::scan_name(arguments.image);
  const CaseFacts facts{name, measurements, provenance, scan.source()};
  write_file(outputs.picture, pictures.png(facts, outputs.picture));
  write_file(outputs.report, pictures.html(facts));
  return measurements;
}

void run(const Arguments& arguments) {
  auto scan = volume::VolumeReader::open(arguments.image);
  const report::Provenance provenance{.version = PULMOSEG_VERSION,
                                      .image = arguments.image,
                                      .lesion_mask = arguments.lesion_mask,
                                      .lung_mask = arguments.lung_mask,
                                      .study = report::study_of(scan.source())};
  quantify::Measurements measurements;
  std::optional<Outputs> outputs;
  if (arguments.out.empty()) {
    measurements = measure(arguments, scan);
  } else {
    const FolderLock lock(arguments.out);
    outputs = plan_outputs(arguments);
    measurements = measure_with_pictures(arguments, scan, provenance, *outputs);
    report::write_measurements_json(measurements, provenance, outputs->json);
  }
  if (arguments.json) {
    print_json(nlohmann::ordered_json::parse(report::measurements_json(measurements, provenance)));
    return;
  }
  std::string text = report::measurements_text(measurements);
  if (outputs) {
    text += fmt::format("measurements      {}\npicture           {}\nreport            {}\n", outputs->json.string(),
                        outputs->picture.string(), outputs->report.string());
  }
  text.pop_back();
  print_line(text);
}

}  // namespace

void add_quantify_command(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command = app.add_subcommand("quantify", "Measure masks that are there already, from any tool");
  command->footer(manual);
  command->add_option("SCAN", arguments->image, "the scan: NIfTI, NRRD or a folder with one DICOM series")->required();
  command->add_option("--lesion-mask", arguments->lesion_mask, "mask of the lesions: FILE or FILE#SEGMENT")->required();
  command->add_option("--lung-mask", arguments->lung_mask, "mask of the lungs, lesions included: FILE or FILE#SEGMENT");
  command->add_option("-o,--out", arguments->out,
                      "folder for NAME.json, NAME.png and NAME.html, made when it is missing");
  command->add_flag("--overwrite", arguments->overwrite, "replace results that are there already");
  command->add_flag("--json", arguments->json, "print the results as JSON");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace pulmoseg::cli
