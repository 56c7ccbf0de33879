#include "support/dicom.hpp"

#include <fmt/format.h>

#include <cstring>

#include "support/nifti.hpp"

namespace pulmoseg::test {
namespace {

template <class Value>
std::string as_bytes(Value value) {
  std::string bytes(sizeof value, '\0');
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

std::string even(std::string value, char padding) {
  if (value.size() % 2 == 1) value += padding;
  return value;
}

std::string element(std::uint32_t tag, std::string_view vr, const std::string& value, bool explicit_vr = true) {
  std::string bytes = as_bytes(static_cast<std::uint16_t>(tag >> 16)) + as_bytes(static_cast<std::uint16_t>(tag));
  if (!explicit_vr) return bytes + as_bytes(static_cast<std::uint32_t>(value.size())) + value;
  bytes += vr;
  const bool is_long = vr == "OB" || vr == "OW" || vr == "SQ" || vr == "UN";  // PS3.5, 7.1.2
  bytes += is_long ? std::string(2, '\0') + as_bytes(static_cast<std::uint32_t>(value.size()))
                   : as_bytes(static_cast<std::uint16_t>(value.size()));
  return bytes + value;
}

std::string pixels(int n) {
  std::string bytes;
  for (int row = 0; row < 3; ++row) {
    for (int column = 0; column < 4; ++column) {
      bytes += as_bytes(static_cast<std::int16_t>(100 * n + 10 * row + column));
    }
  }
  return bytes;
}

}  // namespace

DicomFile& DicomFile::put(std::uint32_t tag, std::string_view vr, std::string value) {
  elements_[tag] = {std::string(vr), even(std::move(value), vr == "UI" ? '\0' : ' ')};
  return *this;
}

DicomFile& DicomFile::put(std::uint32_t tag, std::uint16_t value) { return put(tag, "US", as_bytes(value)); }

DicomFile& DicomFile::put_sequence(std::uint32_t tag, const std::vector<DicomFile>& items) {
  std::string bytes;
  for (const DicomFile& item : items) bytes += element(0xfffee000, "", item.data_set(), /*explicit_vr=*/false);
  return put(tag, "SQ", bytes);
}

DicomFile& DicomFile::remove(std::uint32_t tag) {
  elements_.erase(tag);
  return *this;
}

std::string DicomFile::head(std::string_view transfer_syntax) const {
  const std::string meta =
      element(0x00020001, "OB", std::string("\0\1", 2)) + element(0x00020002, "UI", elements_.at(0x00080016).second) +
      element(0x00020003, "UI", elements_.at(0x00080018).second) +
      element(0x00020010, "UI", even(std::string(transfer_syntax), '\0')) + element(0x00020012, "UI", "2.25.7");
  return std::string(128, '\0') + "DICM" +
         element(0x00020000, "UL", as_bytes(static_cast<std::uint32_t>(meta.size()))) + meta;
}

std::string DicomFile::data_set(bool explicit_vr) const {
  std::string bytes;
  for (const auto& [tag, content] : elements_) bytes += element(tag, content.first, content.second, explicit_vr);
  return bytes;
}

DicomFile ct_slice(int n) {
  DicomFile file;
  file.put(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2")  // CT Image Storage
      .put(0x00080018, "UI", fmt::format("2.25.{}", 100 + n))
      .put(0x00080020, "DA", "20240229")
      .put(0x00080030, "TM", "101500")
      .put(0x00080050, "SH", "A17")
      .put(0x00080060, "CS", "CT")
      .put(0x00080070, "LO", "Maker")
      .put(0x00080090, "PN", "Roe^Richard")
      .put(0x00081030, "LO", "Chest")
      .put(0x0008103e, "LO", "Lung 2.5")
      .put(0x00100010, "PN", "Doe^Jane")
      .put(0x00100020, "LO", "P1")
      .put(0x00100030, "DA", "19500101")
      .put(0x00100040, "CS", "F")
      .put(0x00101010, "AS", "074Y")
      .put(0x00180015, "CS", "CHEST")
      .put(0x00180050, "DS", "2.5")
      .put(0x00181210, "SH", "B60f")
      .put(0x0020000d, "UI", "2.25.1")
      .put(0x0020000e, "UI", "2.25.2")
      .put(0x00200010, "SH", "S1")
      .put(0x00200011, "IS", "3")
      .put(0x00200013, "IS", fmt::format("{}", 9 - n))
      .put(0x00200032, "DS", fmt::format("{:.3f}\\{:.3f}\\{:.3f}", 10.5 + 0.42 * n, -20 - 1.44 * n, 30 + 2.0 * n))
      .put(0x00200037, "DS", "0.96\\0.28\\0\\-0.224\\0.768\\0.6")
      .put(0x00200052, "UI", "2.25.4")
      .put(0x00280002, 1)
      .put(0x00280004, "CS", "MONOCHROME2")
      .put(0x00280010, 3)
      .put(0x00280011, 4)
      .put(0x00280030, "DS", "0.8\\0.5")
      .put(0x00280100, 16)
      .put(0x00280101, 12)
      .put(0x00280102, 11)
      .put(0x00280103, 1)
      .put(0x00281052, "DS", "-1024")
      .put(0x00281053, "DS", "2")
      .put(0x00281054, "LO", "HU")
      .put(0x7fe00010, "OW", pixels(n));
  return file;
}

std::string ct_slice_name(int n) { return fmt::format("IMG{}.dcm", 9 - n); }

void write_ct_series(const std::filesystem::path& folder, int count) {
  for (int n = 0; n < count; ++n) write_bytes(folder / ct_slice_name(n), ct_slice(n).bytes());
}

}  // namespace pulmoseg::test
