#!/usr/bin/env python3
"""A lung mask against an independent one.

    lungs.py SCAN MASK              the lungs by threshold: air inside the body, its two largest parts, solid in each slice
    lungs.py SCAN MASK REFERENCE    a mask that somebody drew

SCAN in Hounsfield units. Prints the Dice of the two. Needs nibabel, pynrrd, scipy.
"""
import sys

import nibabel
import nrrd
import numpy as np
from scipy import ndimage


def read(file):
    """Voxels and the axis that runs from foot to head."""
    if str(file).endswith(".nrrd"):
        voxels, header = nrrd.read(file)
        directions = np.abs(np.array(header["space directions"], float))
        return voxels, int(directions[:, 2].argmax())
    image = nibabel.load(file)
    return np.asanyarray(image.dataobj), next(i for i, c in enumerate(nibabel.aff2axcodes(image.affine)) if c in "SI")


def threshold_and_fill(slices):
    lungs = np.zeros(slices.shape, bool)
    for air, inside in zip(slices < -400, lungs):
        parts, _ = ndimage.label(air)
        border = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
        inside[:] = air & ~np.isin(parts, border)
    parts, count = ndimage.label(lungs)
    sizes = ndimage.sum(lungs, parts, range(1, count + 1))
    two = [1 + i for i in np.argsort(sizes)[::-1][:2] if sizes[i] > 0.05 * sizes.max()]  # the two may touch and be one
    lungs = np.isin(parts, two)
    return np.stack([ndimage.binary_fill_holes(ndimage.binary_closing(lung, iterations=4)) for lung in lungs])


def main(scan, mask, reference=None):
    voxels, axis = read(scan)
    found = np.moveaxis(read(mask)[0], axis, 0) > 0  # on the scan's own grid
    expected = np.moveaxis(read(reference)[0] > 0, axis, 0) if reference else threshold_and_fill(np.moveaxis(voxels, axis, 0))
    print(f"{2 * (found & expected).sum() / (found.sum() + expected.sum()):.4f}")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
