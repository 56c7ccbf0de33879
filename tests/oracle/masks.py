#!/usr/bin/env python3
"""Independent connected parts and filled holes: scipy.ndimage's, for tests/masks.

  masks.py golden
      writes tests/data/masks/components.json (needs numpy, scipy)
"""
import pathlib
import sys

import numpy as np
import scipy
from scipy import ndimage

import golden_file

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "data" / "masks" / "components.json"


def text(mask):
    return "".join(map(str, np.asarray(mask, int).ravel()))


def examples():
    """Named masks, slices x rows x columns."""
    random = np.random.default_rng(3)
    for share in (0.1, 0.3, 0.5, 0.8):
        yield f"noise_{share}", random.random((4, 7, 9)) < share
    smooth = ndimage.gaussian_filter(random.random((6, 20, 16)), 1.5)
    yield "blobs", smooth > np.quantile(smooth, 0.6)
    yield "rings", ndimage.binary_dilation(smooth > np.quantile(smooth, 0.9)) ^ (smooth > np.quantile(smooth, 0.93))
    yield "picture", random.random((1, 12, 12)) < 0.55
    yield "column", random.random((5, 5, 1)) < 0.5
    yield "empty", np.zeros((2, 3, 4), bool)
    yield "full", np.ones((2, 3, 4), bool)


def largest(mask, count, share):
    labels, parts = ndimage.label(mask)
    sizes = np.bincount(labels.ravel(), minlength=parts + 1)[1:]
    order = np.argsort(-sizes, kind="stable")[:count]
    return np.isin(labels, [i + 1 for i in order if sizes[i] >= share * sizes.max()]) & mask


def golden():
    entries = []
    for name, mask in examples():
        labels, parts = ndimage.label(mask)
        sizes = np.bincount(labels.ravel(), minlength=parts + 1)[1:]
        entries.append({
            "name": name, "size": mask.shape[::-1], "mask": text(mask), "voxels": sizes.tolist(),
            "two_largest": text(largest(mask, 2, 0.25)),
            "without_smaller_than_3": text(np.isin(labels, np.flatnonzero(sizes >= 3) + 1) & mask),
            "filled": text([ndimage.binary_fill_holes(s) for s in mask]),
        })
    document = {"made_by": "tests/oracle/masks.py golden",
                "versions": {"python": sys.version.split()[0], "numpy": np.__version__, "scipy": scipy.__version__},
                "examples": entries}
    golden_file.write(GOLDEN, document)


if __name__ == "__main__":
    if sys.argv[1:] != ["golden"]:
        sys.exit(__doc__)
    golden()
