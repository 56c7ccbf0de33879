#pragma once
// A class of severity from the percentage of the lung that is affected.
//
// The grades CT-0 to CT-4 of the Moscow health care department, as Morozov et al., MosMedData (2020, arXiv:2005.06465) give
// them: no sign; less than 25 %; 25 to 50 %; 50 to 75 %; more than 75 % of the lung parenchyma. There a radiologist estimates by
// eye, here the percentage is counted in the masks, of both lungs together. 25 counts as CT-2, 50 and 75 as CT-3.

#include "pulmoseg/quantify/measurements.hpp"

namespace pulmoseg::quantify {

Severity severity_of(double percent_affected);

}  // namespace pulmoseg::quantify
