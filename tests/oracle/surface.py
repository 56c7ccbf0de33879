#!/usr/bin/env python3
"""Independent surface distances: MONAI's normalised surface Dice and Hausdorff distance, for tests/metrics.

  surface.py golden
      writes tests/data/metrics/surface.json (needs numpy, scipy, torch, monai)
"""
import pathlib
import sys

import numpy as np

import golden_file

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "data" / "metrics" / "surface.json"


def blobs(random, size, count):
    """A mask of some ellipsoids, some of them cut by the border; size is slices, rows, columns."""
    places = np.stack(np.meshgrid(*(np.arange(n) for n in size), indexing="ij"), axis=-1)
    mask = np.zeros(size, bool)
    for _ in range(count):
        centre = random.uniform(0, np.array(size) - 1)
        radii = np.maximum(random.uniform(0.1, 0.3, len(size)) * np.array(size), 0.8)
        mask |= (((places - centre) / radii) ** 2).sum(axis=-1) <= 1
    return mask


def examples():
    """Named pairs of masks, the spacing along slices, rows, columns, and the tolerance."""
    random = np.random.default_rng(11)
    picture, scan = (1, 24, 20), (9, 14, 12)
    nothing, speck = np.zeros(picture, bool), np.zeros(picture, bool)
    speck[0, 5, 7] = True
    one = blobs(random, picture, 2)
    yield "picture", one, blobs(random, picture, 3), (1, 1, 1), 2
    yield "picture_in_mm", blobs(random, picture, 3), blobs(random, picture, 2), (1, 0.7, 0.65), 1.5
    yield "the_same", one, one, (1, 1, 1), 0
    yield "shifted_by_one", one, np.roll(one, 1, axis=2), (1, 1, 1), 0.5
    yield "speck", speck, one, (1, 1, 1), 2
    yield "whole_picture", ~nothing, one, (1, 1, 1), 2
    yield "nothing_found", nothing, one, (1, 1, 1), 2
    yield "nothing_there", one, nothing, (1, 1, 1), 2
    yield "nothing_at_all", nothing, nothing, (1, 1, 1), 2
    yield "scan", blobs(random, scan, 3), blobs(random, scan, 2), (1, 1, 1), 2
    yield "scan_in_mm", blobs(random, scan, 4), blobs(random, scan, 3), (5, 0.8, 0.75), 2
    yield "thin_slices", blobs(random, scan, 2), blobs(random, scan, 2), (0.5, 1.3, 1.1), 1


def monai_figures(prediction, truth, spacing, tolerance):
    """Of one class; None where MONAI says nan or infinite."""
    import torch
    from monai.metrics import compute_hausdorff_distance, compute_surface_dice

    if prediction.shape[0] == 1:
        prediction, truth, spacing = prediction[0], truth[0], spacing[1:]
    spacing = [float(s) for s in spacing]
    both = [torch.from_numpy(mask[None, None].astype(np.float32)) for mask in (prediction, truth)]
    nsd = compute_surface_dice(*both, class_thresholds=[float(tolerance)], include_background=True, spacing=spacing)
    hd95 = compute_hausdorff_distance(*both, include_background=True, percentile=95, spacing=spacing)
    return [float(value) if np.isfinite(float(value)) else None for value in (nsd, hd95)]


def golden():
    import monai
    import scipy

    entries = []
    for name, prediction, truth, spacing, tolerance in examples():
        nsd, hd95 = monai_figures(prediction, truth, spacing, tolerance)
        entries.append({
            "name": name,
            "size": prediction.shape[::-1],
            "spacing": spacing[::-1],
            "tolerance": tolerance,
            "prediction": "".join(map(str, prediction.astype(int).ravel())),
            "truth": "".join(map(str, truth.astype(int).ravel())),
            "normalised_surface_dice": nsd,
            "hausdorff_95": hd95,
        })
    document = {
        "made_by": "tests/oracle/surface.py golden",
        "versions": {"python": sys.version.split()[0], "numpy": np.__version__, "scipy": scipy.__version__,
                     "monai": monai.__version__},
        "examples": entries,
    }
    golden_file.write(GOLDEN, document)


if __name__ == "__main__":
    if sys.argv[1:] != ["golden"]:
        sys.exit(__doc__)
    golden()
