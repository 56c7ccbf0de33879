#pragma once
// The pixels of DICOM slices, whatever they are compressed with. Internal to volume/.

#include <memory>
#include <span>

#include "pulmoseg/volume/dicom_file.hpp"

namespace pulmoseg::volume {

/// Reads slices one by one and keeps the last file open: the frames of one file are read quickly in a row. DCMTK decodes RLE, JPEG
/// and JPEG-LS, OpenJPEG decodes JPEG 2000. Threads: one at a time.
class DicomPixels {
 public:
  DicomPixels();
  ~DicomPixels();

  /// slope * stored + intercept for each of rows x columns. Error that names the file when its pixels cannot be decoded, or are
  /// compressed in another way.
  void read(const DicomSlice& slice, std::span<double> values);

  void close();  ///< the file that was kept open

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace pulmoseg::volume
