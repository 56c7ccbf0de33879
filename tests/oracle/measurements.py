#!/usr/bin/env python3
"""Independent measurements: SimpleITK's label statistics and connected components, NumPy on the masks.

  measurements.py golden [DATA]
      writes tests/data/quantify: made-up scans with lesion and lung masks, also with permuted axes and other spacing, and
      golden.json with their figures; with DATA, the development data, also those of ct-64 and of a case of covid20
  measurements.py check PROGRAM DATA
      compares `pulmoseg quantify --json` with the figures on ct-64, covid20 and copies of them with permuted axes, other spacing
      and oblique axes; exit 1 when one differs by more than 1e-6 of itself
(needs numpy, SimpleITK)
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import SimpleITK as sitk

import golden_file

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "data" / "quantify"
EDGES = [-np.inf, -1050, -950, -750, -400, 0, np.inf]
SIZES = [0, 0.1, 1, 10, 100, np.inf]


def canonical(image):
    """Columns to the left, rows to posterior, slices to superior."""
    return sitk.DICOMOrient(image, "LPS")


def shape(mask):
    statistics = sitk.LabelShapeStatisticsImageFilter()
    statistics.Execute(mask)
    return statistics


def volume_ml(mask):
    statistics = shape(sitk.Cast(mask, sitk.sitkUInt8))
    return statistics.GetPhysicalSize(1) / 1000 if statistics.HasLabel(1) else 0.0


def parts_of(mask):
    """(voxels, ml, centre) of each face-connected part, the largest first."""
    components = sitk.ConnectedComponent(mask, False)
    statistics = shape(components)
    parts = [(statistics.GetNumberOfPixels(label), statistics.GetPhysicalSize(label) / 1000,
              list(statistics.GetCentroid(label)), label) for label in statistics.GetLabels()]
    return components, sorted(parts, key=lambda part: -part[0])


def sides_of(lung, lesion):
    """Of two lungs that do not touch: the one whose centre is more to the left is left. None where they touch."""
    components, parts = parts_of(lung)
    if len(parts) < 2 or parts[1][0] < 0.1 * parts[0][0]:
        return None
    first, second = sorted(parts[:2], key=lambda part: part[2][0])
    if len(parts) > 2 and sum(part[0] for part in parts[2:]) > 0:
        return None  # to which lung the rest goes is not for this script
    voxels = sitk.GetArrayViewFromImage(components)
    inside = sitk.GetArrayViewFromImage(lesion) > 0
    result = {}
    for name, part in (("right", first), ("left", second)):
        mine = voxels == part[3]
        result[name] = {"lung_voxels": int(mine.sum()), "lesion_voxels": int((mine & inside).sum()), "lung_ml": part[1],
                        "percent_affected": 100.0 * int((mine & inside).sum()) / int(mine.sum())}
    return result


def thirds_of(lung, lesion):
    lung, lesion = (sitk.GetArrayViewFromImage(mask) > 0 for mask in (lung, lesion))
    with_lung = np.flatnonzero(lung.any(axis=(1, 2)))
    low, height = with_lung[0], with_lung[-1] - with_lung[0] + 1
    position = (np.arange(len(lung)) - low + 0.5) / height
    result = {}
    for name, begin, end in (("lower", 0, 1 / 3), ("middle", 1 / 3, 2 / 3), ("upper", 2 / 3, 1)):
        chosen = (position >= begin) & (position < end)
        voxels, affected = int(lung[chosen].sum()), int((lung & lesion)[chosen].sum())
        result[name] = {"lung_voxels": voxels, "lesion_voxels": affected,
                        "percent_affected": 100.0 * affected / voxels if voxels else None}
    return result


def density_of(image, lung, lesion, voxel_ml):
    statistics = sitk.LabelStatisticsImageFilter()
    statistics.Execute(image, sitk.Cast(lung, sitk.sitkUInt8))
    values = sitk.GetArrayFromImage(image).astype(np.float64)
    inside, affected = (sitk.GetArrayViewFromImage(mask) > 0 for mask in (lung, lesion))
    hu = values[inside]
    bands = [int(((hu >= low) & (hu < high)).sum()) for low, high in zip(EDGES, EDGES[1:])]
    return {"mean_hu": statistics.GetMean(1), "standard_deviation_hu": float(hu.std()),
            "mean_hu_of_lesion": float(values[inside & affected].mean()),
            "mean_hu_without_lesion": float(values[inside & ~affected].mean()),
            "mass_g": float(np.maximum(0, (hu + 1000) / 1000).sum() * voxel_ml),
            "band_voxels": bands, "band_percent": [100.0 * band / len(hu) for band in bands]}


def figures(image, lesion, lung):
    image, lesion, lung = (canonical(volume) for volume in (image, lesion, lung))
    lesion, lung = lesion > 0, lung > 0
    inside = sitk.And(lesion, lung)
    _, parts = parts_of(lesion)
    spacing = np.array(image.GetSpacing())
    voxel_ml = float(np.prod(spacing) * abs(np.linalg.det(np.array(image.GetDirection()).reshape(3, 3))) / 1000)
    count = lambda mask: int(sitk.GetArrayViewFromImage(mask).sum())
    hounsfield = float(sitk.GetArrayViewFromImage(image).min()) <= -900
    return {"lesion_voxels": count(lesion), "lesion_ml": volume_ml(lesion), "lung_voxels": count(lung),
            "lung_ml": volume_ml(lung), "lesion_outside_lung_voxels": count(lesion) - count(inside),
            "percent_affected": 100.0 * count(inside) / count(lung), "parts": len(parts),
            "largest": [{"voxels": voxels, "ml": ml, "centre": centre} for voxels, ml, centre, _ in parts[:5]],
            "sizes": [sum(low <= part[1] < high for part in parts) for low, high in zip(SIZES, SIZES[1:])],
            "sides": sides_of(lung, lesion), "thirds": thirds_of(lung, lesion),
            "density": density_of(image, lung, lesion, voxel_ml) if hounsfield else None}


def made_up():
    """A chest of 36x30x16 voxels in HU: two lungs, lesions in both, one that leaves the lung, specks of one voxel."""
    rng = np.random.default_rng(13)
    z, y, x = np.mgrid[0:16, 0:30, 0:36].astype(float)
    ball = lambda cx, cy, cz, rx, ry, rz: ((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 + ((z - cz) / rz) ** 2 <= 1
    lung = ball(10, 15, 8, 7, 11, 7) | ball(26, 15, 7.5, 6, 10, 6)
    lesion = ball(10, 20, 5, 3, 4, 2.5) | ball(27, 14, 9, 2.5, 3, 3) | ball(14, 8, 11, 4, 3, 1.5)
    lesion[8, 14, 5] = lesion[10, 18, 26] = True
    hu = np.where(ball(18, 15, 8, 18, 15, 30), 40, -1000) + rng.integers(-20, 20, x.shape)
    hu = np.where(lung, -860 + rng.integers(-250, 120, x.shape), hu)
    hu = np.where(lesion & lung, -420 + rng.integers(-300, 450, x.shape), hu)
    return [sitk.GetImageFromArray(volume) for volume in (hu.astype(np.int16), lesion.astype(np.uint8), lung.astype(np.uint8))]


def placed(volumes, spacing, angle=0.0):
    """With this spacing, turned by `angle` about the patient's long axis."""
    c, s = np.cos(angle), np.sin(angle)
    result = []
    for volume in volumes:
        copy = sitk.Image(volume)
        copy.SetSpacing(spacing)
        copy.SetOrigin((-123.5, 40.25, -310.0))
        copy.SetDirection((c, -s, 0, s, c, 0, 0, 0, 1))
        result.append(copy)
    return result


def permuted(volumes):
    """The same voxels in the same places, stored in another order."""
    return [sitk.Flip(sitk.PermuteAxes(volume, (2, 0, 1)), (True, False, True)) for volume in volumes]


def write_scan(folder, name, volumes):
    for kind, volume in zip(("image", "lesion", "lung"), volumes):
        sitk.WriteImage(volume, str(folder / f"{name}_{kind}.nii.gz"), useCompression=True)


def read_scan(folder, name):
    return [sitk.ReadImage(str(folder / f"{name}_{kind}.nii.gz")) for kind in ("image", "lesion", "lung")]


def real_scans(data):
    image, lung = (sitk.ReadImage(str(data / "hu" / name)) for name in ("ct-64.nrrd", "wholeLung-64.nrrd"))
    dense = sitk.And(sitk.Cast(image > -600, sitk.sitkUInt8), sitk.Cast(lung > 0, sitk.sitkUInt8))
    case = "coronacases_001.nii.gz"
    covid = [sitk.ReadImage(str(data / "covid20" / folder / case)) for folder in ("rp_im", "rp_msk", "rp_lung_msk")]
    return {"ct-64": [image, dense, lung], "coronacases_001": covid}


def write_golden(data):
    FOLDER.mkdir(parents=True, exist_ok=True)
    volumes = made_up()
    scans = {"plain": placed(volumes, (7.5, 8.25, 14.0)), "permuted": permuted(placed(volumes, (7.5, 8.25, 14.0))),
             "anisotropic": placed(volumes, (3.7, 9.1, 21.3), angle=0.2)}
    golden = []
    for name, scan in scans.items():
        write_scan(FOLDER, name, scan)
        golden.append({"name": name} | figures(*read_scan(FOLDER, name)))
    if data:
        golden += [{"name": name} | figures(*scan) for name, scan in real_scans(data).items()]
    golden_file.write(FOLDER / "golden.json", {
        "made_by": "tests/oracle/measurements.py golden DATA",
        "versions": {"python": sys.version.split()[0], "numpy": np.__version__, "SimpleITK": sitk.__version__},
        "examples": golden})


def differences(expected, found):
    """Pairs that are more than 1e-6 of themselves apart (centres: 1e-4 mm), with their names."""
    pairs = [(key, expected[key], value) for key, value in (
        ("lesion_voxels", found["lesion"]["voxels"]), ("lesion_ml", found["lesion"]["volume_ml"]),
        ("lung_voxels", found["lung"]["voxels"]), ("lung_ml", found["lung"]["volume_ml"]),
        ("lesion_outside_lung_voxels", found["lesion"]["outside_lung_voxels"]),
        ("percent_affected", found["percent_affected"]), ("parts", found["lesion"]["parts"]["count"]))]
    pairs += [("sizes", a, b["parts"]) for a, b in zip(expected["sizes"], found["lesion"]["parts"]["sizes"])]
    for a, b in zip(expected["largest"], found["lesion"]["parts"]["largest"]):
        pairs += [("part", a["voxels"], b["voxels"]), ("part_ml", a["ml"], b["volume_ml"])]
    for group in ("sides", "thirds"):
        for name, region in (expected[group] or {}).items():
            pairs += [(f"{group} {name} {key}", value, found[group][name][key]) for key, value in region.items()]
    density = expected["density"]
    if (density is None) != (found["density"] is None):
        pairs.append(("density", density, found["density"]))
    elif density:
        pairs += [(key, density[key], found["density"][key]) for key in density if not key.startswith("band")]
        pairs += [("band", a, b["voxels"]) for a, b in zip(density["band_voxels"], found["density"]["bands"])]
    return len(pairs), [pair for pair in pairs if pair[1] != pair[2] and
                        (None in pair[1:] or abs(pair[1] - pair[2]) > 1e-6 * abs(pair[1]))]


def check(program, data):
    wrong = 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for name, scan in real_scans(data).items():
            spacing = scan[0].GetSpacing()
            copies = {"as it is": scan, "permuted": permuted(scan),
                      "anisotropic": placed(scan, (spacing[0] * 0.61, spacing[1] * 1.37, spacing[2] * 2.2)),
                      "oblique": permuted(placed(scan, (0.71, 0.83, 3.1), angle=0.3))}
            for kind, volumes in copies.items():
                write_scan(folder, "scan", volumes)
                command = [program, "quantify", folder / "scan_image.nii.gz", "--lesion-mask", folder / "scan_lesion.nii.gz",
                           "--lung-mask", folder / "scan_lung.nii.gz", "--json"]
                found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
                count, different = differences(figures(*read_scan(folder, "scan")), found)
                print(f"{name}, {kind}: {count} figures, {len(different)} differ", *different, sep="\n  ")
                wrong += len(different)
    sys.exit(1 if wrong else 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("golden").add_argument("data", nargs="?", type=pathlib.Path)
    checking = commands.add_parser("check")
    checking.add_argument("program")
    checking.add_argument("data", type=pathlib.Path)
    arguments = parser.parse_args()
    write_golden(arguments.data) if arguments.command == "golden" else check(arguments.program, arguments.data)


if __name__ == "__main__":
    main()
