// What a user of the volume room sees of it: its headers, and no ITK.
#include <itkImage.h>

#include "pulmoseg/volume/volume_reader.hpp"
