#!/usr/bin/env python3
"""How far the percentage of lung affected moves when nothing changed but how the scan was made: a lower bound for what a change
between two dates must exceed (docs/evaluation.md).

    python3 bench/same_scan.py PULMOSEG SCAN... --work FOLDER

Of each scan every third slice is segmented as it is, and again: averaged with its two neighbours (slices three times as thick),
blurred and sharpened in the plane (another kernel), with noise, and moved by some pixels and 2 degrees (the patient lies
otherwise). Needs numpy, scipy and SimpleITK."""

import argparse
import json
import pathlib
import statistics
import subprocess

import numpy
import SimpleITK
from scipy import ndimage


def blurred(slices):
    return ndimage.gaussian_filter(slices, (0, 1, 1))


def moved(slices):
    turned = ndimage.rotate(slices, 2, axes=(1, 2), reshape=False, order=1, mode="nearest")
    return ndimage.shift(turned, (0, 2.3, -3.6), order=1, mode="nearest")


def variants(volume):
    middle = volume[1:-1:3]
    span = 1500 if volume.min() <= -900 else volume.max() - volume.min()  # of the lung window, in HU
    noise = numpy.random.default_rng(0).normal(0, 0.02 * span, middle.shape)
    thick = numpy.stack([volume[i - 1:i + 2].mean(axis=0) for i in range(1, len(volume) - 1, 3)])
    return {"as it is": middle, "thicker": thick, "smoother": blurred(middle), "sharper": 2 * middle - blurred(middle),
            "noisier": middle + noise, "moved": moved(middle)}


def write_variants(scan, folder):
    image = SimpleITK.ReadImage(str(scan), SimpleITK.sitkFloat32)
    volume = SimpleITK.GetArrayFromImage(image)
    names = {}
    for what, slices in variants(volume).items():
        made = SimpleITK.GetImageFromArray(numpy.clip(slices, volume.min(), volume.max()).round().astype(numpy.int16))
        made.SetSpacing((*image.GetSpacing()[:2], 3 * image.GetSpacing()[2]))
        made.SetDirection(image.GetDirection())
        made.SetOrigin(image.GetOrigin())
        names[what] = f"{scan.name.split('.')[0]}-{what.replace(' ', '-')}"
        SimpleITK.WriteImage(made, str(folder / f"{names[what]}.nii.gz"))
    return names


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pulmoseg")
    parser.add_argument("scans", nargs="+", type=pathlib.Path)
    parser.add_argument("--work", type=pathlib.Path, required=True, help="folder for the scans made and their results")
    arguments = parser.parse_args()
    scans, results = arguments.work / "scans", arguments.work / "results"
    scans.mkdir(parents=True, exist_ok=True)
    made = {scan: write_variants(scan, scans) for scan in arguments.scans}
    subprocess.run([arguments.pulmoseg, "segment", scans, "--out", results, "--resume"], check=True, stdout=subprocess.DEVNULL)
    moves = {}
    for scan, names in made.items():
        percent = {what: json.loads((results / f"{name}.json").read_text())["percent_affected"] for what, name in names.items()}
        print(scan.name, {what: round(value, 2) for what, value in percent.items()})
        for what, value in percent.items():
            moves.setdefault(what, []).append(value - percent["as it is"])
    for what, differences in moves.items():
        print(f"{what}: {min(differences):+.2f} to {max(differences):+.2f} points, mean {statistics.mean(differences):+.2f}")


if __name__ == "__main__":
    main()
