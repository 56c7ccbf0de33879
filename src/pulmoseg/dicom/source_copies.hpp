#pragma once
// Copies of the source whose UIDs, and if wanted patient, are those of the objects that were made of it.

#include <filesystem>
#include <functional>

#include "pulmoseg/dicom/objects.hpp"

namespace pulmoseg::dicom {

/// Where the objects are to be de-identified: Error for a file of the series that says that something is burned into its pixels.
/// No copy and no picture can be made of those.
void refuse_burned_in(const Case& of);

/// Writes each file of the series into `folder`, as 00001.dcm and so on in stored order, in its own transfer syntax, each
/// whole; what an earlier run left in the folder is removed before. `go_on` may throw, before each file.
/// Memory: one file without its pixels.
/// Errors: Error for a file that cannot be read, or written; those of refuse_burned_in.
void write_source_copies(
    const Case& of, const std::filesystem::path& folder, const std::function<void()>& go_on = [] {});

}  // namespace pulmoseg::dicom
