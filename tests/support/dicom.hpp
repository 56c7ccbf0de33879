#pragma once
// Small DICOM files for tests, written byte by byte from DICOM PS3.5 and PS3.10 and not by the libraries under test, so
// that what is wrong with a file can be chosen.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pulmoseg::test {

/// The elements of one little endian file. A tag is 0xGGGGEEEE.
class DicomFile {
 public:
  DicomFile& put(std::uint32_t tag, std::string_view vr, std::string value);
  DicomFile& put(std::uint32_t tag, std::uint16_t value);                           ///< VR US
  DicomFile& put_sequence(std::uint32_t tag, const std::vector<DicomFile>& items);  ///< explicit VR only
  DicomFile& remove(std::uint32_t tag);

  const std::string& value(std::uint32_t tag) const { return elements_.at(tag).second; }

  /// All up to the data set: preamble, mark, meta information.
  std::string head(std::string_view transfer_syntax = "1.2.840.10008.1.2.1") const;
  std::string data_set(bool explicit_vr = true) const;
  std::string bytes() const { return head() + data_set(); }

 private:
  std::map<std::uint32_t, std::pair<std::string, std::string>> elements_;  // VR and value
};

/// Slice `n`, from the feet, of a made-up oblique CT of 4 columns and 3 rows with every attribute that pulmoseg reads.
/// Its values are 200 n + 20 row + 2 column - 1024 HU, its pixels 0.5 mm wide and 0.8 mm high, its slices 2.5 mm apart.
DicomFile ct_slice(int n);

/// "IMG9.dcm" for slice 0, "IMG8.dcm" for slice 1 ...: the names run against the slices.
std::string ct_slice_name(int n);

/// The slices 0 to `count` - 1 (of at most 9) in a folder, made if need be.
void write_ct_series(const std::filesystem::path& folder, int count);

}  // namespace pulmoseg::test
