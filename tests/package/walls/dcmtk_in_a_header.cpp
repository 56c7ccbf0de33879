// What a user of the volume room sees of it: its headers, and no DCMTK.
#include <dcmtk/dcmdata/dctk.h>

#include "pulmoseg/volume/volume_reader.hpp"
