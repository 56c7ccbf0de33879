#pragma once
// For volume/, dicom/ and pacs/, each before it first calls DCMTK. Threads: any.

namespace pulmoseg::volume {

/// DCMTK would tell the terminal about what it reads, names of patients among it; what matters becomes an Error.
void silence_dcmtk();

}  // namespace pulmoseg::volume
