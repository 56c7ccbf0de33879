#include "pulmoseg/volume/volume.hpp"  // a dataset is .npy files: whoever reads it needs no image library
