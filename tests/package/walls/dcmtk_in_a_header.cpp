// What a header of ours that includes DCMTK would bring along.
#include <dcmtk/dcmdata/dctk.h>

#include "no_dcmtk.hpp"
