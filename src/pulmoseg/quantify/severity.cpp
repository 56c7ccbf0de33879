#include "pulmoseg/quantify/severity.hpp"

namespace pulmoseg::quantify {

Severity severity_of(double percent_affected) {
  constexpr const char* source =
      "cut-offs of Morozov et al., MosMedData, 2020, arXiv:2005.06465; here of both lungs together, counted in masks "
      "and "
      "not read by a radiologist";
  if (percent_affected <= 0) return {"CT-0", "no lesion in the lungs", source};
  if (percent_affected < 25) return {"CT-1", "less than 25 % of the lungs affected", source};
  if (percent_affected < 50) return {"CT-2", "25 to 50 % of the lungs affected", source};
  if (percent_affected <= 75) return {"CT-3", "50 to 75 % of the lungs affected", source};
  return {"CT-4", "more than 75 % of the lungs affected", source};
}

}  // namespace pulmoseg::quantify
