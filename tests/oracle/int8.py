#!/usr/bin/env python3
"""Oracle for src/pulmoseg/quantization: a network in 8 bits in ONNX Runtime beside the same file in `pulmoseg segment`, and what
the 8 bits cost against the truth.

  python int8.py PROGRAM INT8.onnx FLOAT.onnx DATASET SPLIT.csv [--part test]

The slices of the part (preprocessed, as DATASET has them) become one volume on the network's own grid. Its lesion masks by
`segment --as-found` in int8 and in 32-bit, and the most probable class by ONNX Runtime, are compared pixel by pixel. Needs numpy,
nibabel, onnxruntime.
"""

import argparse
import csv
import json
import pathlib
import subprocess
import tempfile

import nibabel
import numpy as np
import onnxruntime


def dice(one, other):
    return 2 * np.count_nonzero(one & other) / max(np.count_nonzero(one) + np.count_nonzero(other), 1)


def by_onnxruntime(model, images):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    lesion = session.get_modelmeta().custom_metadata_map["pulmoseg.classes"].split(",").index("lesion")
    name = session.get_inputs()[0].name
    return np.stack([session.run(None, {name: image[None, None]})[0][0].argmax(0) == lesion for image in images])


def by_program(program, model, precision, images, folder):
    scan = folder / "scan.nii.gz"
    if not scan.exists():  # axes: columns to the left, rows to the back, as AxialSlice has them
        nibabel.Nifti1Image(images.transpose(2, 1, 0), np.diag([-1, -1, 1, 1])).to_filename(scan)
    out = folder / precision
    subprocess.run([program, "segment", scan, "--model", model, "--precision", precision, "--as-found", "--out", out], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    notes = [note["code"] for note in json.loads((out / "scan.json").read_text())["notes"]]
    assert "equalised" not in notes, "the program chose to equalise these slices: ONNX Runtime saw others"
    return np.asarray(nibabel.load(out / "scan_lesion.nii.gz").dataobj).transpose(2, 1, 0) != 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("program", "int8", "float", "dataset", "split"):
        parser.add_argument(name, type=pathlib.Path)
    parser.add_argument("--part", default="test")
    arguments = parser.parse_args()
    with open(arguments.split) as file:
        rows = [int(line["row"]) for line in csv.DictReader(file) if line["part"] == arguments.part]
    images = np.load(arguments.dataset / "images.npy", mmap_mode="r")[rows].astype(np.float32)
    truth = np.load(arguments.dataset / "lesion_masks.npy", mmap_mode="r")[rows] != 0
    with tempfile.TemporaryDirectory() as scratch:
        ours = by_program(arguments.program, arguments.int8, "int8", images, pathlib.Path(scratch))
        floats = by_program(arguments.program, getattr(arguments, "float"), "fp32", images, pathlib.Path(scratch))
    peer = by_onnxruntime(arguments.int8, images)
    print(f"{len(rows)} slices ({arguments.part} part): lesion Dice of int8 masks, ONNX Runtime {onnxruntime.__version__} beside "
          f"pulmoseg: {dice(peer, ours):.4f}")
    print(f"pooled lesion Dice with the truth: 32-bit {dice(floats, truth):.4f}, int8 {dice(ours, truth):.4f}, "
          f"int8 in ONNX Runtime {dice(peer, truth):.4f}; int8 with 32-bit {dice(ours, floats):.4f}")
    assert dice(peer, ours) >= 0.99
    assert abs(dice(floats, truth) - dice(ours, truth)) <= 0.005


if __name__ == "__main__":
    main()
