"""Small DICOM series in many encodings for tests/volume, and what SimpleITK makes of them.

    python tests/oracle/dicom.py                      writes tests/data/volume/dicom/
    python tests/oracle/dicom.py copies SERIES OUT    the same changes to copies of a real series, and OUT/golden.json (by hand)

Needs numpy, pydicom, pylibjpeg with pylibjpeg-openjpeg, SimpleITK, and DCMTK's dcmcjpeg and dcmcjpls; their versions are written
into golden.json. SimpleITK reads each slice by itself, and each has the rescaling of its own header; it is the slices' positions
along the normal that sort them. It gives an enhanced multi-frame file one geometry, so there the golden numbers are those that
went into the file.
"""

import pathlib
import random
import shutil
import subprocess
import sys

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (CTImageStorage, DeflatedExplicitVRLittleEndian, EnhancedCTImageStorage, ExplicitVRBigEndian,
                         ExplicitVRLittleEndian, JPEG2000, JPEG2000Lossless, RLELossless)

import golden_file

OUT = pathlib.Path(__file__).resolve().parents[1] / "data" / "volume" / "dicom"
rng = np.random.default_rng(13)
TILT = np.radians(17)


def series(rows=11, columns=13, slices=6, spacing=(0.8, 0.5), step=(0.0, 0.0, 2.5), axes=(1, 0, 0, 0, 1, 0), noise=8):
    """Slices of a made-up CT, from the feet, as data sets of 12 bits signed."""
    y, x = np.mgrid[0:rows, 0:columns]
    made = []
    for n in range(slices):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = f"2.25.{500 + n}"
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.Modality, ds.PatientName, ds.PatientID = "CT", "Doe^Jane", "P1"
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = "2.25.1", "2.25.2", "2.25.4"
        ds.SeriesNumber, ds.SeriesDescription, ds.InstanceNumber = 3, "Lung 2.5", slices - n
        ds.SliceThickness = 2.5
        ds.ImagePositionPatient = [round(v, 6) for v in np.array([-10.5, 20.25, -300.0]) + n * np.array(step)]
        ds.ImageOrientationPatient, ds.PixelSpacing = list(axes), list(spacing)
        ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
        ds.Rows, ds.Columns = rows, columns
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 1
        ds.RescaleIntercept, ds.RescaleSlope = 0, 1
        smooth = 600 * np.sin(x / 5 + n) * np.cos(y / 4) - 500
        put(ds, np.clip(smooth + rng.integers(-noise, noise + 1, (rows, columns)), -2000, 2000).astype(np.int16))
        made.append(ds)
    return made


def put(ds, pixels):
    ds.PixelData = np.ascontiguousarray(pixels).tobytes()


def pixels_of(ds):
    return ds.pixel_array.copy()


def unsigned(ds, n):
    pixels = pixels_of(ds).astype(np.int64)
    ds.PixelRepresentation, ds.RescaleIntercept, ds.RescaleSlope = 0, -1024, 2
    put(ds, np.clip((pixels + 1024) // 2, 0, 4095).astype(np.uint16))


def own_slope(ds, n):
    ds.RescaleSlope, ds.RescaleIntercept = 0.5 + 0.25 * n, -3.5 * n


def padding(ds, n):
    pixels = pixels_of(ds)
    pixels[0, :3] = -2000
    ds.add_new("PixelPaddingValue", "SS", -2000)
    put(ds, pixels)


def eight_bits(ds, n):
    pixels = np.clip((pixels_of(ds).astype(int) + 1200) // 8, 0, 255).astype(np.uint8)
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    ds.RescaleIntercept, ds.RescaleSlope = -1024, 8
    ds.PixelData = pixels.tobytes() + b"\0" * (pixels.size % 2)
    ds["PixelData"].VR = "OB"


def in_high_bits(ds, n):
    """12 bits stored at the top of 16, rubbish below (PS3.5, 8.1.1 allows it)."""
    pixels = pixels_of(ds).astype(np.uint16)
    ds.HighBit = 15
    ds.PixelData = ((pixels << 4) | 5).astype(np.uint16).tobytes()


def stored_as(syntax):
    def change(ds, n):
        if syntax == ExplicitVRBigEndian:
            ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
        ds.file_meta.TransferSyntaxUID = syntax
    return change


def compressed(syntax, **options):
    def change(ds, n):
        ds.compress(syntax, generate_instance_uid=False, **options)
    return change


def by_program(*command):
    def change(path):
        subprocess.run([*command, "+un", path, path] if command[0] == "dcmcjpls" else [*command, path, path], check=True)
    return change


LARGE = {"rows": 33, "columns": 35, "slices": 3}  # OpenJPEG's encoder wants 32 pixels for its levels
VARIANTS = [
    ("plain", {}, None, None), ("unsigned", {}, unsigned, None), ("own_slopes", {}, own_slope, None),
    ("padding", {}, padding, None), ("eight_bits", {}, eight_bits, None), ("high_bits", {}, in_high_bits, None),
    ("oblique", {"axes": (0.96, 0.28, 0, -0.224, 0.768, 0.6), "step": (0.42, -1.44, 2.0)}, None, None),
    ("tilted", {"axes": (1, 0, 0, 0, float(np.cos(TILT).round(8)), float(-np.sin(TILT).round(8)))}, None, None),
    ("big_endian", {}, stored_as(ExplicitVRBigEndian), None), ("deflated", {}, stored_as(DeflatedExplicitVRLittleEndian), None),
    ("odd_size", {"rows": 511, "columns": 509, "slices": 2, "noise": 0}, compressed(JPEG2000Lossless), None),
    ("rle", {}, compressed(RLELossless), None), ("jpeg2000", LARGE, compressed(JPEG2000Lossless), None),
    ("jpeg2000_unsigned", LARGE, lambda ds, n: (unsigned(ds, n), compressed(JPEG2000Lossless)(ds, n)), None),
    ("jpeg2000_lossy", LARGE, compressed(JPEG2000, j2k_cr=[6]), None),
    ("jpeg_lossless", {}, None, by_program("dcmcjpeg", "+e1")), ("jpeg_lossless_14", {}, None, by_program("dcmcjpeg", "+el", "+sv", "4")),
    ("jpeg_lossless_unsigned", {}, unsigned, by_program("dcmcjpeg", "+e1")),
    ("jpeg_extended", {}, unsigned, by_program("dcmcjpeg", "+ee")),
    ("jpeg_baseline", {}, eight_bits, by_program("dcmcjpeg", "+eb")),
    ("jpeg_ls", {}, None, by_program("dcmcjpls", "+el")), ("jpeg_ls_near", {}, unsigned, by_program("dcmcjpls", "+en", "+md", "2")),
]


def save(ds, path):
    ds.save_as(path, enforce_file_format=True)


def write(folder, data_sets, change, program):
    """Shuffled names: they say nothing about the order."""
    folder.mkdir(parents=True)
    names = [f"s{n}.dcm" for n in range(len(data_sets))]
    random.Random(len(data_sets)).shuffle(names)
    for n, ds in enumerate(data_sets):
        if change:
            change(ds, n)
        save(ds, folder / names[n])
        if program:
            program(folder / names[n])


def sums(volume):
    flat = volume.astype(np.float32).astype(np.float64).ravel()
    weights = np.arange(flat.size) * 7919 % 1009
    return {"size": list(volume.shape[::-1]), "sum": flat.sum(), "weighted": (flat * weights).sum(), "first": flat[:4].tolist()}


def golden(name, folder):
    """The stack as SimpleITK reads its slices."""
    images = [sitk.ReadImage(str(path)) for path in folder.iterdir()]
    direction = np.array(images[0].GetDirection()).reshape(3, 3)
    normal = np.cross(direction[:, 0], direction[:, 1])
    images.sort(key=lambda image: np.dot(image.GetOrigin(), normal))
    voxels = np.stack([sitk.GetArrayFromImage(image)[0] for image in images])
    corners = [[image.TransformContinuousIndexToPhysicalPoint((x, y, 0)) for x in (0, image.GetWidth() - 1)
                for y in (0, image.GetHeight() - 1)] for image in images]
    return {"name": name, **sums(voxels), "corners": corners}


def item(**values):
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return Sequence([ds])


def enhanced(data_sets, syntax=None):
    """One enhanced CT image of the slices, its frames in a shuffled order, each with a rescaling of its own."""
    frames = list(enumerate(data_sets))
    random.Random(5).shuffle(frames)
    first = data_sets[0]
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = EnhancedCTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = "2.25.600"
    for keyword in ("ImageType", "Modality", "PatientName", "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID",
                    "SeriesNumber", "SeriesDescription", "SamplesPerPixel", "PhotometricInterpretation", "Rows", "Columns",
                    "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation"):
        setattr(ds, keyword, first[keyword].value)
    ds.NumberOfFrames = len(frames)
    shared = Dataset()
    shared.PixelMeasuresSequence = item(PixelSpacing=first.PixelSpacing, SliceThickness=2.5)
    shared.PlaneOrientationSequence = item(ImageOrientationPatient=first.ImageOrientationPatient)
    ds.SharedFunctionalGroupsSequence = Sequence([shared])
    groups = []
    for n, one in frames:
        group = Dataset()
        group.FrameContentSequence = item(StackID="1", InStackPositionNumber=n + 1)
        group.PlanePositionSequence = item(ImagePositionPatient=one.ImagePositionPatient)
        group.PixelValueTransformationSequence = item(RescaleSlope=n + 1, RescaleIntercept=-1000 - n, RescaleType="HU")
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = Sequence(groups)
    ds.PixelData = b"".join(one.PixelData for _, one in frames)
    ds["PixelData"].VR = "OW"
    voxels = np.stack([pixels_of(one).astype(float) * (n + 1) - 1000 - n for n, one in enumerate(data_sets)])
    if syntax:
        ds.compress(syntax, generate_instance_uid=False)
    return ds, voxels


def write_enhanced(entries):
    for name, syntax in (("enhanced", None), ("enhanced_rle", RLELossless), ("enhanced_jpeg2000", JPEG2000Lossless)):
        data_sets = series(**{**LARGE, "slices": 5}, axes=(1, 0, 0, 0, float(np.cos(TILT).round(8)), float(-np.sin(TILT).round(8))))
        ds, voxels = enhanced(data_sets, syntax)
        (OUT / name).mkdir()
        save(ds, OUT / name / "frames.dcm")
        corners = []
        for one in data_sets:
            across, down = (np.array(one.ImageOrientationPatient[i:i + 3], float) for i in (0, 3))
            begin = np.array(one.ImagePositionPatient, float)
            corners.append([(begin + across * x + down * y).tolist() for x in (0, one.PixelSpacing[1] * (one.Columns - 1))
                            for y in (0, one.PixelSpacing[0] * (one.Rows - 1))])
        entries.append({"name": name, **sums(voxels), "corners": corners})


def write_dicomdir():
    """The plain series as a medium: its files named as PS3.10 wants it, and one that the DICOMDIR does not name."""
    folder = OUT / "medium"
    (folder / "CT").mkdir(parents=True)
    for n, ds in enumerate(series(slices=4)):
        ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber = "20240229", "101500", "S1", "A17"
        ds.PatientBirthDate, ds.PatientSex = "19500101", "F"
        save(ds, folder / "CT" / f"IM{n}")
    subprocess.run(["dcmmkdir", "+r", "-Nxc", "+I", "+D", "DICOMDIR", "CT"], cwd=folder, check=True)
    save(series(slices=5)[4], folder / "CT" / "IM9")


def versions():
    dcmtk = subprocess.run(["dcmcjpeg", "--version"], capture_output=True, text=True).stdout.split()[2]
    return {"SimpleITK": sitk.Version.VersionString(), "pydicom": pydicom.__version__, "numpy": np.__version__, "dcmtk": dcmtk}


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    entries = []
    for name, options, change, program in VARIANTS:
        data_sets = series(**options)
        made = np.stack([pixels_of(ds) for ds in data_sets])
        write(OUT / name, data_sets, change, program)
        entries.append(golden(name, OUT / name))
        if name == "high_bits":  # SimpleITK does not shift them down
            entries[-1] |= sums(made)
    write_enhanced(entries)
    write_dicomdir()
    golden_file.write(OUT / "golden.json", {"versions": versions(), "series": entries})


def copies(source, out):
    """Changes to a real series of 16 bits signed; some of VARIANTS on it."""
    entries = []
    originals = sorted(source.iterdir())
    wanted = ("plain", "unsigned", "own_slopes", "padding", "deflated", "rle", "jpeg2000", "jpeg_lossless", "jpeg_ls")
    for name, _, change, program in VARIANTS:
        if name not in wanted:
            continue
        data_sets = [pydicom.dcmread(path) for path in originals]
        for ds in data_sets:
            ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            ds["PixelData"].VR = "OW"
        write(out / name, data_sets, change, program)
        entries.append(golden(name, out / name))
    data_sets = [pydicom.dcmread(path) for path in originals]
    for n, ds in enumerate(data_sets):  # 511 rows of 509 pixels that are not square
        pixels = np.resize(np.tile(pixels_of(ds), (8, 8))[:511, :509], (511, 509)).astype(np.int16)
        ds.Rows, ds.Columns, ds.PixelSpacing = 511, 509, [0.7, 0.45]
        put(ds, pixels)
    write(out / "odd_size", data_sets, None, None)
    entries.append(golden("odd_size", out / "odd_size"))
    golden_file.write(out / "golden.json", {"versions": versions(), "series": entries})


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "copies":
        copies(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
    else:
        main()
