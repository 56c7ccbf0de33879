"""DICOM Segmentations by highdicom and .seg.nrrd files as 3D Slicer writes them, for tests/volume.

    python tests/oracle/segmentations.py                 writes tests/data/volume/segmentations/

Needs numpy, pydicom, highdicom and pynrrd; their versions are written into golden.json. All is made up. Each file holds the masks
below in another way; golden.json has them as the runs of the voxels inside (begin, end, begin …; slices from the feet, rows,
columns).
"""

import pathlib
import shutil

import highdicom as hd
import nrrd
import numpy as np
import pydicom
from highdicom.seg import SegmentDescription, Segmentation
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, RLELossless

import golden_file

OUT = pathlib.Path(__file__).resolve().parents[1] / "data" / "volume" / "segmentations"
ROWS, COLUMNS, SLICES = 9, 11, 8  # 99 pixels: frames do not begin at whole bytes
SPACING = (0.9, 0.7)  # between rows, between columns
rng = np.random.default_rng(13)


def uid(*numbers):
    return "1.2.826.0.1.3680043.8.498." + ".".join(str(number) for number in numbers)


def scan(axes=(1, 0, 0, 0, 1, 0), step=(0.0, 0.0, 2.5), series=1):
    made = []
    for n in range(SLICES):
        ds = Dataset()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = CTImageStorage
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID = uid(series, n + 1)
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = uid(9), uid(series), uid(series, 100)
        ds.PatientID, ds.PatientName, ds.PatientBirthDate, ds.PatientSex = "made up", "Made^Up", "", ""
        ds.StudyDate, ds.StudyTime, ds.StudyID, ds.AccessionNumber, ds.ReferringPhysicianName = "", "", "", "", ""
        ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "CT", 1, n + 1
        ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = ROWS, COLUMNS, 1, "MONOCHROME2"
        ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 1
        ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, 0, "HU"
        ds.PixelSpacing, ds.SliceThickness = list(SPACING), 5  # overlapping
        ds.ImageOrientationPatient = [float(f"{a:.10f}") for a in axes]
        ds.ImagePositionPatient = [float(f"{o + n * s:.6f}") for o, s in zip((-20, -30, 40), step)]
        ds.PixelData = rng.integers(-900, 100, (ROWS, COLUMNS)).astype("<i2").tobytes()
        made.append(ds)
    return made


def save_scan(name, slices):
    for n, ds in enumerate(slices):
        path = OUT / name / f"{n}.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        ds.save_as(path, enforce_file_format=True)


def masks():
    lung = np.zeros((SLICES, ROWS, COLUMNS), bool)
    lung[1:7, 1:8, 1:5] = True
    lung[1:7, 1:8, 6:10] = True
    lung &= rng.random(lung.shape) > 0.1
    lesion = lung & (rng.random(lung.shape) > 0.6)
    lesion[[0, 1, 3, 4, 7]] = False  # slices 2, 5 and 6: frames with gaps of one and of three
    return lesion, lung


def describe(number, label, category, type_code):
    return SegmentDescription(segment_number=number, segment_label=label, segmented_property_category=category,
                              segmented_property_type=type_code,
                              algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL)


LESION = describe(1, "Drawn", codes.SCT.MorphologicallyAbnormalStructure, codes.SCT.Lesion)
LUNG = describe(2, "both lungs", codes.SCT.Organ, codes.SCT.Tissue)  # told by its name
TISSUE = describe(1, "Segment_1", codes.SCT.Tissue, codes.SCT.Tissue)


def segmentation(slices, pixels, kind, descriptions, syntax=ExplicitVRLittleEndian, omit=True, **more):
    return Segmentation(slices, pixels, kind, descriptions, series_instance_uid=uid(5, len(list(OUT.glob("*.dcm")))),
                        series_number=5, sop_instance_uid=uid(6, len(list(OUT.glob("*.dcm")))), instance_number=1,
                        manufacturer="m", manufacturer_model_name="m", software_versions="1", device_serial_number="1",
                        transfer_syntax_uid=syntax, omit_empty_frames=omit, **more)


def shuffle_frames(seg):
    """Frames of one byte a pixel, or of bits, in an order of chance."""
    order = rng.permutation(seg.NumberOfFrames)
    pixels = np.frombuffer(seg.PixelData, np.uint8)
    count = ROWS * COLUMNS * seg.NumberOfFrames
    if seg.BitsAllocated == 1:
        frames = np.unpackbits(pixels, bitorder="little")[:count].reshape(-1, ROWS * COLUMNS)
        data = np.packbits(frames[order].ravel(), bitorder="little").tobytes()
    else:
        data = pixels[:count].reshape(-1, ROWS * COLUMNS)[order].tobytes()
    seg.PixelData = data + b"\0" * (len(data) % 2)
    groups = list(seg.PerFrameFunctionalGroupsSequence)
    seg.PerFrameFunctionalGroupsSequence = pydicom.Sequence([groups[i] for i in order])
    return seg


def without_spacing(seg):
    """As others write it: how far apart slices are has to be seen from the frames."""
    measures = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    if "SpacingBetweenSlices" in measures:
        del measures.SpacingBetweenSlices
    return seg


def runs(mask, scan_name):
    mask = mask[::-1] if scan_name == "oblique" else mask  # its files begin at the head
    flat = np.concatenate([[0], mask.ravel().astype(np.int8), [0]])
    edges = np.flatnonzero(np.diff(flat))
    return [int(edge) for edge in edges]


cases = []


def add(name, scan_name, lesion, lung=None):
    cases.append({"name": name, "scan": scan_name, "lesion": runs(lesion, scan_name),
                  "lung": None if lung is None else runs(lung, scan_name)})


def dicom_files():
    kinds = hd.seg.SegmentationTypeValues
    lesion, lung = masks()
    plain = scan()
    angle, tilt = np.radians(20), np.radians(12)
    oblique_axes = (np.cos(angle), np.sin(angle), 0, -np.sin(angle) * np.cos(tilt), np.cos(angle) * np.cos(tilt), np.sin(tilt))
    normal = np.cross(oblique_axes[:3], oblique_axes[3:])
    oblique = scan(oblique_axes, -2.5 * normal, series=2)
    tilted = scan((1, 0, 0, 0, np.cos(tilt), np.sin(tilt)), (0, 0, 2.5), series=3)
    scans = {"plain": plain, "oblique": oblique, "tilted": tilted}
    for name, slices in scans.items():
        save_scan(name, slices)
    both = np.stack([lesion, lung], axis=-1).astype(np.uint8)
    # 0.5 itself is inside.
    fractions = np.where(lesion, rng.choice([0.5, 0.75, 1.0], lesion.shape), rng.choice([0.0, 0.2, 0.49], lesion.shape))
    fraction_type = {"fractional_type": hd.seg.SegmentationFractionalTypeValues.PROBABILITY}

    def save(name, scan_name, seg, *truth):
        seg.save_as(OUT / f"{name}.dcm")
        add(f"{name}.dcm", scan_name, *truth)

    for scan_name, slices in scans.items():
        save(f"binary_{scan_name}", scan_name, segmentation(slices, both, kinds.BINARY, [LESION, LUNG]), lesion, lung)
    save("shuffled", "oblique", shuffle_frames(segmentation(oblique, both, kinds.BINARY, [LESION, LUNG])), lesion, lung)
    save("no_spacing", "tilted", shuffle_frames(without_spacing(segmentation(tilted, both, kinds.BINARY, [LESION, LUNG]))),
         lesion, lung)
    one = without_spacing(segmentation(plain, lesion.astype(np.uint8), kinds.BINARY, [LESION]))
    save("sparse", "plain", one, lesion)
    save("all_frames", "plain", segmentation(plain, both, kinds.BINARY, [LESION, LUNG], omit=False), lesion, lung)
    deflated = segmentation(plain, both, kinds.BINARY, [LESION, LUNG])
    deflated.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    save("deflated", "plain", deflated, lesion, lung)
    for name, syntax in {"fractional": ExplicitVRLittleEndian, "fractional_rle": RLELossless}.items():
        save(name, "plain", segmentation(plain, fractions, kinds.FRACTIONAL, [LESION], syntax, max_fractional_value=200,
                                         **fraction_type), lesion)
    shuffled = segmentation(oblique, fractions, kinds.FRACTIONAL, [LESION], max_fractional_value=200, **fraction_type)
    save("fractional_shuffled", "oblique", shuffle_frames(shuffled), lesion)
    labels = np.where(lesion, 1, np.where(lung, 2, 0)).astype(np.uint8)
    save("label_map", "oblique", segmentation(oblique, labels, kinds.LABELMAP, [LESION, LUNG]), lesion, lung & ~lesion)
    nothing = segmentation(plain, np.stack([lung & False, lung], -1).astype(np.uint8), kinds.BINARY, [LESION, LUNG])
    save("no_lesion", "plain", nothing, lesion & False, lung)
    segmentation(plain, lesion.astype(np.uint8), kinds.BINARY, [TISSUE]).save_as(OUT / "unnamed.dcm")


def slicer_header(names, layers, labels, offset):
    """The fields of vtkMRMLSegmentationStorageNode; LPS, one axis of layers where there are several."""
    header = {"space": "left-posterior-superior", "encoding": "gzip",
              "space origin": np.array([-20, -30, 40]) + np.array(offset) * np.array([SPACING[1], SPACING[0], 2.5])}
    directions = [[SPACING[1], 0, 0], [0, SPACING[0], 0], [0, 0, 2.5]]
    if max(layers) > 0:
        header["space directions"] = np.array([[np.nan] * 3] + directions)
        header["kinds"] = ["list", "domain", "domain", "domain"]
    else:
        header["space directions"] = np.array(directions)
        header["kinds"] = ["domain", "domain", "domain"]
    for n, (name, layer, label) in enumerate(zip(names, layers, labels)):
        header[f"Segment{n}_ID"] = f"Segment_{n + 1}"
        header[f"Segment{n}_Name"] = name
        header[f"Segment{n}_LabelValue"] = str(label)
        header[f"Segment{n}_Layer"] = str(layer)
        header[f"Segment{n}_Tags"] = ("Segmentation.Status:inprogress|TerminologyEntry:Segmentation category and type - 3D "
                                      "Slicer General Anatomy list~SCT^85756007^Tissue~SCT^85756007^Tissue~^^~Anatomic codes "
                                      "- DICOM master list~^^~^^|")
    header["Segmentation_ReferenceImageExtentOffset"] = " ".join(str(o) for o in offset)
    header["Segmentation_MasterRepresentation"] = "Binary labelmap"
    return header


def slicer_files():
    lesion, lung = masks()
    xyz = lambda mask: mask.transpose(2, 1, 0).astype(np.uint8)  # noqa: E731
    left = lung.copy()
    left[:, :, :5] = False
    right = lung & ~left

    def save(name, voxels, names, layers, labels, *truth, offset=(0, 0, 0)):
        nrrd.write(str(OUT / f"{name}.seg.nrrd"), voxels, slicer_header(names, layers, labels, offset))
        add(f"{name}.seg.nrrd", "plain", *truth)

    save("layers", np.stack([xyz(lesion), xyz(lung)]), ["GGO and consolidation", "Lung"], [0, 1], [1, 1], lesion, lung)
    shared = xyz(right & ~lesion) + 3 * xyz(left & ~lesion) + 7 * xyz(lesion)
    save("labels", shared, ["right lung", "Left Lung", "lesion 1"], [0, 0, 0], [1, 3, 7], lesion, lung & ~lesion)
    # A lesion in a layer of its own, both lungs as labels of another.
    mixed = np.stack([xyz(right) + 2 * xyz(left), xyz(lesion)])
    save("mixed", mixed, ["right lung", "left lung", "Lesion"], [0, 0, 1], [1, 2, 1], lesion, lung)
    cut = np.stack([xyz(lesion), xyz(lung)])[:, 1:10, 1:8, 1:7].astype(np.int16)
    save("cut", cut, ["Lesion", "Lung"], [0, 1], [1, 1], lesion, lung, offset=(1, 1, 1))


if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    dicom_files()
    slicer_files()
    golden_file.write(OUT / "golden.json", {
        "made_by": f"tests/oracle/segmentations.py, highdicom {hd.__version__}, pydicom {pydicom.__version__}, "
                   f"pynrrd {nrrd.__version__}, NumPy {np.__version__}",
        "size": [COLUMNS, ROWS, SLICES], "cases": cases})
    print(sum(f.stat().st_size for f in OUT.rglob("*") if f.is_file()), "bytes")
