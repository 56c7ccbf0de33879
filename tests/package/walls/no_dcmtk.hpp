#pragma once
// Comes last. Every header of DCMTK includes osconfig.h, whose guard this is.
#ifdef OSCONFIG_H
#error "a header of DCMTK came along"
#endif
