#pragma once
// The model that ships with the program, for those who have none of their own.

#include <filesystem>

namespace pulmoseg::cli {

/// models/lung-lesion.onnx: beside an installed program in ../share/pulmoseg, else in the folder that the program was built from.
/// Error naming both places when neither has it.
std::filesystem::path shipped_model();

}  // namespace pulmoseg::cli
