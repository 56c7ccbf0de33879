#include <cstdio>

#include "pulmoseg/volume/volume_reader.hpp"

int main(int, char** arguments) {
  auto reader = pulmoseg::volume::VolumeReader::open(arguments[1]);
  pulmoseg::volume::AxialSlice slice;
  int slices = 0;
  while (reader.next(slice)) ++slices;
  std::printf("%d slices of %dx%d\n", slices, static_cast<int>(slice.columns), static_cast<int>(slice.rows));
}
