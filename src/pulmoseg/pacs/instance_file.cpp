#include "pulmoseg/pacs/instance_file.hpp"

#include <dcmtk/config/osconfig.h>
// osconfig.h comes first
#include <dcmtk/dcmdata/dctk.h>
#include <fmt/format.h>

#include "pulmoseg/base/error.hpp"
#include "pulmoseg/pacs/server.hpp"
#include "pulmoseg/volume/dcmtk_log.hpp"
#include "pulmoseg/volume/dicom_danger.hpp"
#include "pulmoseg/volume/dicom_series.hpp"

namespace pulmoseg::pacs {
namespace {

std::string uid_of(DcmItem& item, const DcmTagKey& key) {
  OFString value;
  item.findAndGetOFString(key, value);
  return {value.data(), value.size()};
}

}  // namespace

std::optional<InstanceFile> read_instance(const std::filesystem::path& file) {
  if (!volume::is_dicom_file(file)) return std::nullopt;
  if (const auto reason = volume::reason_not_to_parse(file); !reason.empty()) {
    throw Error(fmt::format("{}: {}", file.string(), reason));
  }
  volume::silence_dcmtk();
  DcmFileFormat content;  // large values stay in the file
  const OFCondition read = content.loadFile(file.c_str());
  if (read.bad()) {
    throw Error(fmt::format("{}: is no whole DICOM file: {}", file.string(), read.text()));
  }
  const DcmXfer syntax(content.getDataset()->getOriginalXfer());
  InstanceFile instance{.file = file,
                        .sop_class = uid_of(*content.getDataset(), DCM_SOPClassUID),
                        .sop_instance = uid_of(*content.getDataset(), DCM_SOPInstanceUID),
                        .transfer_syntax = syntax.getXferID(),
                        .compressed = static_cast<bool>(syntax.isEncapsulated())};
  if (!is_uid(instance.sop_class) || !is_uid(instance.sop_instance)) {
    throw Error(fmt::format("{}: is a DICOM file without SOPClassUID or SOPInstanceUID", file.string()));
  }
  return instance;
}

}  // namespace pulmoseg::pacs
