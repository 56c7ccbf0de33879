#!/usr/bin/env python3
"""An independent preparation (nibabel, NumPy, OpenCV, PyTorch) to hold pulmoseg's against. Run by hand.

  prepare.py volumes FOLDER     makes volumes that need everything: sizes, types, slopes, oblique and permuted axes
  prepare.py compare DATASET SOURCE
                                prepares the sources of DATASET again and prints how far the two are apart (exit 1: too far)
  prepare.py golden             writes the golden files of the C++ tests into tests/data/dataset and tests/data/prepare

dataset.json names files without folders: SOURCE is the folder that holds them, or their rp_im/, rp_msk/ and rp_lung_msk/.
"""
import argparse
import csv
import itertools
import json
import pathlib
import sys

import cv2
import nibabel
import numpy as np
import torch

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
VERSIONS = {"numpy": np.__version__, "opencv": cv2.__version__, "torch": torch.__version__, "nibabel": nibabel.__version__}


# --- the preparation -------------------------------------------------------------------------------------------------

def axial(image, values):
    """Slices x rows x columns, columns to the left, rows to the back, slices upwards (nibabel's RAS turned to LPS)."""
    orientation = nibabel.io_orientation(image.affine)
    ras = nibabel.apply_orientation(values, orientation)
    return np.ascontiguousarray(ras[::-1, ::-1, :].transpose(2, 1, 0))


def load_image(path):
    image = nibabel.load(path)
    return axial(image, image.get_fdata(dtype=np.float64).astype(np.float32))


def load_labels(path):
    image = nibabel.load(path)
    values = np.asanyarray(image.dataobj)
    assert np.array_equal(values, values.astype(np.uint8)), path
    return axial(image, values.astype(np.uint8))


def prepare_image(pixels, size):
    resized = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_LINEAR)
    low, high = resized.min(), resized.max()
    return (resized - low) / (high - low) if high > low else np.zeros_like(resized)


def prepare_mask(labels, size):
    return cv2.resize(labels, (size, size), interpolation=cv2.INTER_NEAREST_EXACT)


def prepare(image, lesion_mask, lung_mask, size):
    images = np.stack([prepare_image(pixels, size) for pixels in load_image(image)])
    labels = np.stack([prepare_mask(mask, size) for mask in load_labels(lesion_mask)])
    lungs = np.zeros_like(labels)
    if lung_mask:
        lungs = np.stack([prepare_mask(mask, size) for mask in load_labels(lung_mask)])
    return {"images": images, "labels": labels, "lesion_masks": (labels > 0).astype(np.uint8),
            "lung_masks": (lungs > 0).astype(np.uint8)}


# --- compare ---------------------------------------------------------------------------------------------------------

def find(source, kind, name):
    return next(path for path in (source / kind / name, source / name) if path.exists()) if name else None


def compare(folder, source_folder):
    info = json.loads((folder / "dataset.json").read_text())
    names = ["images", "labels", "lesion_masks", "lung_masks"]
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}
    rows = list(csv.DictReader((folder / "slices.csv").open()))
    worst = dict.fromkeys(names, 0)
    row = 0
    for source in info["sources"]:
        files = [find(source_folder, kind, source[key]) for kind, key in
                 (("rp_im", "image"), ("rp_msk", "lesion_mask"), ("rp_lung_msk", "lung_mask"))]
        ours = prepare(*files, info["size"])
        count = len(ours["images"])
        part = slice(row, row + count)
        difference = float(np.abs(arrays["images"][part] - ours["images"]).max())
        different = {name: int((arrays[name][part] != ours[name]).sum()) for name in names[1:]}
        worst["images"] = max(worst["images"], difference)
        for name in names[1:]:
            worst[name] += different[name]
        assert [int(line["slice"]) for line in rows[part]] == list(range(count))
        assert [line["has_lesion"] == "1" for line in rows[part]] == ours["labels"].any((1, 2)).tolist()
        print(f"{source['image']}: {count} slices, images differ by at most {difference:.3g}, mask pixels by {different}")
        row += count
    assert row == len(rows) == len(arrays["images"])
    print(f"{row} slices: images {worst['images']:.3g}, different pixels: labels {worst['labels']}, "
          f"lesion masks {worst['lesion_masks']}, lung masks {worst['lung_masks']}  {VERSIONS}")
    return worst["images"] <= 1e-5 and not any(worst[name] for name in names[1:])


# --- volumes ---------------------------------------------------------------------------------------------------------

def formula(shape, seed):
    """A pattern with fine and coarse structure that is different in each direction and from slice to slice."""
    i, j, k = np.meshgrid(*(np.arange(n, dtype=np.float64) for n in shape), indexing="ij")
    noise = (i * 7919 + j * 104729 + k * 1299709 + seed * 15485863) % 1009 / 1009
    return np.sin(i / 17 + seed) * np.cos(j / 23) + 0.3 * np.sin(k + i * j / 997) + 0.2 * noise


def oblique_affine(spacing, degrees):
    a, b = np.deg2rad(degrees), np.deg2rad(degrees / 2)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_x @ np.diag(spacing)
    affine[:3, 3] = [-100.25, 37.5, -412]
    return affine


def reordered(values, affine, axes, flips):
    """The same voxels in the same places, stored in another axis order."""
    orientation = np.array([[axes.index(axis), -1 if flips[axis] else 1] for axis in range(3)], dtype=float)
    moved = nibabel.apply_orientation(values, orientation)
    return moved, affine @ nibabel.orientations.inv_ornt_aff(orientation, values.shape)


def write_case(folder, name, shape, dtype, affine, axes=(0, 1, 2), flips=(0, 0, 0), slope=None, intercept=None, seed=1):
    pattern = formula(shape, seed)
    if np.issubdtype(dtype, np.integer):
        stored = np.round(pattern * 900 + 100).astype(dtype)
    else:
        stored = (pattern * 700 - 300).astype(dtype)
    labels = np.select([pattern > 1.0, pattern > 0.8, pattern > 0.6], [3, 2, 1], 0).astype(np.uint8)
    lungs = (pattern > 0.2).astype(np.uint8) * 2
    for sub, values in [("rp_im", stored), ("rp_msk", labels), ("rp_lung_msk", lungs)]:
        moved, moved_affine = reordered(values, affine, axes, flips)
        write_nifti(folder / sub / name, moved, moved_affine, slope if sub == "rp_im" else None, intercept)


def write_nifti(path, values, affine, slope, intercept):
    """Stores these very numbers (nibabel.save would choose its own scaling); slope and intercept go into the header only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = nibabel.Nifti1Image(values, affine).header
    header.set_slope_inter(1 if slope is None else slope, 0 if slope is None else intercept)
    header["vox_offset"] = 352
    with nibabel.openers.Opener(path, "wb") as file:
        header.write_to(file)
        file.write(b"\0" * 4)
        file.write(values.tobytes(order="F"))


def volumes(folder):
    write_case(folder, "1.nii.gz", (630, 630, 9), np.int16, np.diag([-0.7, -0.7, 5, 1.0]), slope=0.5, intercept=-1024)
    write_case(folder, "2.nii.gz", (300, 411, 12), np.float32, oblique_affine((0.9, 0.8, 2.5), 20), seed=2)
    write_case(folder, "3.nii", (411, 300, 7), np.int16, oblique_affine((0.7, 0.7, 5), -35), slope=2.0, intercept=-3000.5, seed=3)
    write_case(folder, "10.nii.gz", (512, 512, 10), np.uint16, np.diag([0.7, 0.7, 3, 1.0]), axes=(2, 0, 1), flips=(1, 0, 1), seed=4)
    write_case(folder, "11.nii.gz", (333, 257, 11), np.float32, oblique_affine((1, 1, 1), 15), axes=(1, 2, 0), flips=(0, 1, 0), seed=5)
    write_case(folder, "12.nii.gz", (100, 90, 6), np.uint8, np.diag([-1, -1, 1, 1.0]), flips=(0, 0, 1), seed=6)


# --- golden files ----------------------------------------------------------------------------------------------------

def golden_pattern(rows, columns):
    """The C++ test computes the same: whole numbers, exact in float32."""
    j, i = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    return ((j * 7919 + i * 104729 + j * i * 31) % 4096 - 1024).astype(np.float32)


def hash_of(numbers):
    value = 0xCBF29CE484222325
    for number in numbers:
        value = ((value ^ int(number)) * 0x100000001B3) % 2**64
    return f"{value:016x}"


def golden_bilinear():
    sizes = [(13, 17, 8, 8), (8, 8, 16, 11), (1, 5, 4, 4), (7, 1, 3, 5), (512, 512, 256, 256), (630, 630, 256, 256),
             (300, 411, 256, 256), (411, 300, 256, 256), (257, 333, 128, 224), (100, 90, 256, 256), (1, 1, 3, 2)]
    entries = []
    for rows, columns, out_rows, out_columns in sizes:
        source = golden_pattern(rows, columns)
        by_opencv = cv2.resize(source, (out_columns, out_rows), interpolation=cv2.INTER_LINEAR)
        by_torch = torch.nn.functional.interpolate(torch.from_numpy(source.astype(np.float64))[None, None], mode="bilinear",
                                                   size=(out_rows, out_columns), align_corners=False)[0, 0].numpy()
        assert np.abs(by_opencv - by_torch).max() < 4096 * 1e-6
        places = range(0, out_rows * out_columns, max(1, out_rows * out_columns // 61))
        entries.append({"in": [rows, columns], "out": [out_rows, out_columns], "places": list(places),
                        "opencv": [float(by_opencv.flat[p]) for p in places],
                        "torch": [round(float(by_torch.flat[p]), 6) for p in places]})
    return entries


def golden_nearest():
    entries = []
    for into in (1, 2, 8, 64, 128, 256, 512):
        for size in (1, 2, 3, 7, 64, 100, 255, 256, 257, 300, 411, 512, 513, 630, 768, 1000, 1024):
            source = np.arange(size, dtype=np.float32)[None]
            by_opencv = cv2.resize(source, (into, 1), interpolation=cv2.INTER_NEAREST_EXACT)[0]
            by_torch = torch.nn.functional.interpolate(torch.from_numpy(source)[None], size=into, mode="nearest-exact")[0, 0].numpy()
            assert np.array_equal(by_opencv, by_torch), (size, into)
            entries.append({"in": size, "out": into, "hash": hash_of(by_opencv)})
    return entries


def golden_clahe():
    entries = []
    for rows, columns, tiles, limit in [(64, 64, 8, 2), (40, 56, 8, 1), (33, 47, 8, 4), (40, 45, 4, 2.5), (12, 9, 8, 40)]:
        j, i = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
        picture = ((j * 7919 + i * 104729 + j * i * 31) % 64 + 2 * j).astype(np.uint8)
        equalised = cv2.createCLAHE(limit, (tiles, tiles)).apply(picture)
        entries.append({"size": [rows, columns], "tiles": tiles, "clip_limit": limit, "greys": equalised.tobytes().hex()})
    return {"made_by": "tests/oracle/prepare.py", "versions": VERSIONS, "pictures": entries}


def golden():
    target = DATA / "dataset"
    target.mkdir(parents=True, exist_ok=True)
    document = {"made_by": "tests/oracle/prepare.py", "versions": VERSIONS, "bilinear": golden_bilinear(), "nearest": golden_nearest()}
    (target / "resize.json").write_text(json.dumps(document) + "\n")

    (target / "clahe.json").write_text(json.dumps(golden_clahe()) + "\n")

    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 8
    np.save(target / "float32.npy", values)
    np.save(target / "uint8.npy", values.astype(np.uint8))
    np.save(target / "float64.npy", values.astype(np.float64))
    np.save(target / "big_endian.npy", values.astype(">f4"))
    np.save(target / "fortran.npy", np.asfortranarray(values))
    np.save(target / "vector.npy", values.ravel()[:5])
    np.save(target / "structured.npy", np.zeros(2, dtype=[("a", "<f4"), ("b", "u1")]))
    with (target / "version2.npy").open("wb") as file:
        np.lib.format.write_array(file, values, version=(2, 0))

    target = DATA / "prepare"
    size = 8
    shape, cases = (11, 13, 5), []
    for number, (axes, flips, affine) in enumerate(golden_orders(), start=1):
        name = f"{number}.nii.gz"
        dtype = np.int16 if number % 2 else np.float32
        slope, intercept = (0.5, -1024.0) if number % 2 else (None, None)
        write_case(target, name, shape, dtype, affine, axes, flips, slope, intercept, seed=number)
        cases.append(prepare(*(target / sub / name for sub in ("rp_im", "rp_msk", "rp_lung_msk")), size))
    for name in ("images", "labels", "lesion_masks", "lung_masks"):
        np.save(target / f"expected_{name}.npy", np.concatenate([case[name] for case in cases]))
    (target / "made_by.json").write_text(json.dumps({"made_by": "tests/oracle/prepare.py", "versions": VERSIONS}) + "\n")


def golden_orders():
    straight, tilted = np.diag([-0.7, -0.7, 5, 1.0]), oblique_affine((0.7, 0.8, 2.5), 25)
    orders = [((0, 1, 2), (0, 0, 0)), ((2, 0, 1), (1, 0, 1)), ((1, 0, 2), (0, 1, 0)), ((1, 2, 0), (1, 1, 1))]
    return [(axes, flips, affine) for (axes, flips), affine in itertools.product(orders, (straight, tilted))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("volumes").add_argument("folder", type=pathlib.Path)
    comparison = commands.add_parser("compare")
    comparison.add_argument("dataset", type=pathlib.Path)
    comparison.add_argument("source", type=pathlib.Path)
    commands.add_parser("golden")
    arguments = parser.parse_args()
    if arguments.command == "volumes":
        volumes(arguments.folder)
    elif arguments.command == "golden":
        golden()
    else:
        sys.exit(0 if compare(arguments.dataset, arguments.source) else 1)


if __name__ == "__main__":
    main()
