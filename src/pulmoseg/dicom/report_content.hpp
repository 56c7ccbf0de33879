#pragma once
// What of the measurements stands in a report, and in which codes. Internal to dicom/.
//
// Codes: SNOMED CT, DICOM and UCUM where they have one (PS3.16, CID 7469 and 7181), else a coding scheme of our own,
// 99PULMOSEG, whose meanings say all.

#include <optional>
#include <string>
#include <vector>

#include "pulmoseg/quantify/measurements.hpp"
#include "pulmoseg/volume/segment.hpp"

namespace pulmoseg::dicom {

inline constexpr const char* own_scheme = "99PULMOSEG";

struct Figure {
  volume::Code name;
  double value = 0;
  volume::Code unit;
  std::optional<volume::Code> derivation = {};
};

enum class Side { both, left, right };

/// Figures of one thing. What is not known is left out.
struct FigureGroup {
  std::string name;  ///< what follows it through time (Tracking Identifier)
  volume::Code finding;
  Side side = Side::both;                   ///< of the lung, where it was found
  std::optional<volume::Code> part = {};    ///< of the lung
  std::optional<std::size_t> segment = {};  ///< of the segmentation, from 0
  std::vector<Figure> figures;
};

/// `lung_is_segment`: the segmentation has the lung as its second segment; the first is the lesion. Groups without figures
/// are left out.
std::vector<FigureGroup> report_figures(const quantify::Measurements& measurements, bool lung_is_segment);

struct Remark {
  volume::Code name;
  std::string text;  ///< ASCII
};

/// Research use, severity and notes. `codes_only`: of notes, which may name a file, only the code.
std::vector<Remark> report_remarks(const quantify::Measurements& measurements, bool codes_only);

}  // namespace pulmoseg::dicom
