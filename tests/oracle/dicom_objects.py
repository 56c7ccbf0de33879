#!/usr/bin/env python3
"""Our DICOM SEG and SR as others read them.

Runs pulmoseg on a DICOM series and on copies of it (oblique, cropped to 61x53 pixels, tilted, a single slice, one multi-frame
file whose frames are shuffled), once with --format nii.gz and once with dicom-seg, and seg.nrrd, and compares: the SEG by
highdicom with the NIfTI mask, voxel by voxel and position by position, and so by dcmqi, with which 3D Slicer imports, and by
Cornerstone3D's adapters, with which OHIF does; the SR by highdicom and dcmqi with NAME.json; seg.nrrd by pynrrd; all by dciodvfy.

    python dicom_objects.py PULMOSEG SERIES [--model MODEL] [--dcmqi FOLDER] [--cornerstone FOLDER]

Needs highdicom 0.28.2, pydicom 3.0.2, nibabel, pynrrd, numpy; dciodvfy (dicom3tools). --dcmqi: the folder of the programs
segimage2itkimage and tid1500reader of dcmqi 1.5.7 (PyPI). --cornerstone: a folder with the npm packages that cornerstone.mjs
names. Who is not named is not asked.
"""
import argparse
import collections
import json
import pathlib
import shutil
import subprocess
import tempfile

import highdicom as hd
import nibabel
import nrrd
import numpy as np
import pydicom

LPS_TO_RAS = np.diag([-1.0, -1, 1, 1])


# A slice: a file, or a frame of one.
Slice = collections.namedtuple("Slice", "uid frame position orientation spacing rows columns")


def floats(values):
    return np.array(values, float)


def slices_of(series):
    slices = []
    for file in map(pydicom.dcmread, sorted(series.iterdir())):
        shape = file.Rows, file.Columns
        if "NumberOfFrames" not in file:
            slices.append(Slice(file.SOPInstanceUID, None, floats(file.ImagePositionPatient),
                                floats(file.ImageOrientationPatient), floats(file.PixelSpacing), *shape))
            continue
        shared = file.SharedFunctionalGroupsSequence[0]
        for number, frame in enumerate(file.PerFrameFunctionalGroupsSequence, 1):
            slices.append(Slice(file.SOPInstanceUID, number, floats(frame.PlanePositionSequence[0].ImagePositionPatient),
                                floats(shared.PlaneOrientationSequence[0].ImageOrientationPatient),
                                floats(shared.PixelMeasuresSequence[0].PixelSpacing), *shape))
    return slices


def each(change):
    """A copy of a series, file by file."""
    def copy_series(series, folder):
        for number, file in enumerate(sorted(series.iterdir())):
            image = pydicom.dcmread(file)
            change(image)
            image.save_as(folder / f"{number:04}.dcm")
    return copy_series


def single_slice(series, folder):
    files = sorted(series.iterdir())
    shutil.copy(files[len(files) // 2], folder)


def item(**attributes):
    made = pydicom.Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return [made]


def multi_frame(series, folder):
    """An Enhanced CT, its frames shuffled."""
    images = [pydicom.dcmread(file) for file in series.iterdir()]
    np.random.default_rng(1).shuffle(images)
    whole = images[0]
    orientation, spacing = whole.ImageOrientationPatient, whole.PixelSpacing
    frames = [item(FrameContentSequence=item(StackID="1", InStackPositionNumber=number),
                   PlanePositionSequence=item(ImagePositionPatient=image.ImagePositionPatient),
                   PixelValueTransformationSequence=item(RescaleIntercept=image.RescaleIntercept,
                                                         RescaleSlope=image.RescaleSlope, RescaleType="HU"))[0]
              for number, image in enumerate(images, 1)]
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = pydicom.uid.EnhancedCTImageStorage
    whole.NumberOfFrames = len(images)
    whole.PixelData = b"".join(image.PixelData for image in images)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleIntercept", "RescaleSlope"):
        delattr(whole, keyword)
    whole.SharedFunctionalGroupsSequence = item(
        PlaneOrientationSequence=item(ImageOrientationPatient=orientation),
        PixelMeasuresSequence=item(PixelSpacing=spacing, SliceThickness=whole.SliceThickness))
    whole.PerFrameFunctionalGroupsSequence = frames
    whole.save_as(folder / "frames.dcm")


def rotation():
    a, b = np.deg2rad(14), np.deg2rad(9)
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return about_z @ about_x


def oblique(image):
    turn = rotation()
    orientation = np.array(image.ImageOrientationPatient, float).reshape(2, 3)
    image.ImageOrientationPatient = [f"{v:.12f}" for v in (orientation @ turn.T).ravel()]
    image.ImagePositionPatient = [f"{v:.9f}" for v in turn @ np.array(image.ImagePositionPatient, float)]


def cropped(image):
    """61 x 53 pixels: a frame is no whole number of bytes."""
    pixels = image.pixel_array[5:58, 2:63]
    image.PixelData = pixels.tobytes()
    image.Rows, image.Columns = pixels.shape
    step = np.array(image.ImageOrientationPatient, float).reshape(2, 3) * np.array(image.PixelSpacing, float)[::-1, None]
    image.ImagePositionPatient = [f"{v:.9f}" for v in np.array(image.ImagePositionPatient, float) + [2, 5] @ step]


def tilted(image):
    """The planes turned about x, their stack along z."""
    a = np.deg2rad(12)
    image.ImageOrientationPatient = ["1", "0", "0", "0", f"{np.cos(a):.12f}", f"{np.sin(a):.12f}"]


def run(program, series, out, model, *options):
    command = [program, "segment", series, "--out", out, *options]
    if model:
        command += ["--model", model]
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)


def errors_of(file):
    said = subprocess.run(["dciodvfy", file], capture_output=True, text=True)
    return {line for line in (said.stdout + said.stderr).splitlines() if line.startswith("Error")}


def judge(file, known=frozenset()):
    """`known`: of a copy, the errors of its source."""
    errors = errors_of(file) - known
    print(f"    dciodvfy {file.name}: {len(errors)} errors" + (" that its source has not" if known else ""))
    assert not errors, errors


def mask_at(mask, affine, points):
    """Of a NIfTI mask, at points (LPS)."""
    ras = np.c_[points, np.ones(len(points))] @ LPS_TO_RAS
    index = ras @ np.linalg.inv(affine).T
    whole = np.rint(index[:, :3]).astype(int)
    off = np.abs(index[:, :3] - whole).max()
    assert off < 0.01, off
    return mask[tuple(whole.T)]


def is_of(frame, number, source):
    image = frame.DerivationImageSequence[0].SourceImageSequence[0]
    return (frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber == number
            and image.ReferencedSOPInstanceUID == source.uid and image.get("ReferencedFrameNumber") == source.frame)


def pixels_on(seg, number, source):
    if source.frame is None:
        return seg.get_pixels_by_source_instance([source.uid], segment_numbers=[number])[0, :, :, 0]
    return seg.get_pixels_by_source_frame(source.uid, [source.frame], segment_numbers=[number])[0, :, :, 0]


def points_of(source):
    """Where its pixels lie, row by row."""
    x, y = source.orientation.reshape(2, 3)
    row, column = np.mgrid[:source.rows, :source.columns]
    return source.position + column.reshape(-1, 1) * source.spacing[1] * x + row.reshape(-1, 1) * source.spacing[0] * y


def check_segmentation(file, sources, masks, affine):
    seg = hd.seg.segread(file)
    assert {source.uid for source in sources} == {uid for _, _, uid in seg.get_source_image_uids()}
    for number, mask in masks.items():
        total = 0
        for source in sources:
            pixels = pixels_on(seg, number, source)
            frame = [f for f in seg.PerFrameFunctionalGroupsSequence if is_of(f, number, source)]
            assert len(frame) == 1
            position = floats(frame[0].PlanePositionSequence[0].ImagePositionPatient)
            assert np.abs(position - source.position).max() < 1e-6
            assert (mask_at(mask, affine, points_of(source)) == pixels.ravel()).all()
            total += int(pixels.sum())
        print(f"    highdicom {file.name}, segment {number}: {total} voxels, all as in the NIfTI mask, in their places")
    return seg


def check_cornerstone(file, series, masks, affine, packages):
    script = pathlib.Path(__file__).with_name("cornerstone.mjs").read_text()
    said = subprocess.run(["node", "--input-type=module", "-", series.absolute(), file.absolute()], cwd=packages,
                          input=script, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    found = json.loads(said.stdout)
    for number, mask in masks.items():
        for source in slices_of(series):
            pixels = np.zeros(source.rows * source.columns)
            pixels[found[str(number)].get(source.uid, [])] = 1
            assert (mask_at(mask, affine, points_of(source)) == pixels).all()
    print(f"    cornerstone {file.name}: both masks, on their images")


def check_dcmqi(file, masks, affine, folder, programs):
    folder.mkdir()
    subprocess.run([programs / "segimage2itkimage", "--inputDICOM", file, "--outputDirectory", folder, "-t", "nifti"],
                   check=True, stdout=subprocess.DEVNULL)
    for number, mask in masks.items():
        image = nibabel.load(folder / f"{number}.nii.gz")
        read = np.asarray(image.dataobj)
        points = nibabel.affines.apply_affine(LPS_TO_RAS @ image.affine, np.argwhere(np.ones(read.shape)))
        assert (mask_at(mask, affine, points) == (read.ravel() != 0)).all()
    segments = [group[0] for group in json.loads((folder / "meta.json").read_text())["segmentAttributes"]]
    assert [segment["SegmentLabel"] for segment in segments] == ["Lesion", "Lung"]
    assert [segment["recommendedDisplayRGBValue"] for segment in segments] == [[230, 159, 0], [86, 180, 233]]
    print(f"    dcmqi {file.name}: both masks, in their places and colours")


def check_report_by_dcmqi(file, measurements, seg, folder, programs):
    subprocess.run([programs / "tid1500reader", "--inputDICOM", file, "--outputMetadata", folder / "sr.json"], check=True,
                   stdout=subprocess.DEVNULL)
    groups = json.loads((folder / "sr.json").read_text())["Measurements"]
    for group, name in zip(groups[:2], ("lesion", "lung"), strict=True):
        volume, = [m for m in group["measurementItems"] if m["quantity"]["CodeMeaning"] == "Volume"]
        assert np.isclose(float(volume["value"]), measurements[name]["volume_ml"], rtol=1e-12)
        assert group["segmentationSOPInstanceUID"] == seg.SOPInstanceUID
    print(f"    dcmqi {file.name}: volumes of both segments")


def check_volume(seg, masks):
    for number, mask in masks.items():
        volume = seg.get_volume(segment_numbers=[number])
        assert int((volume.array != 0).sum()) == int(mask.sum())
    print("    highdicom get_volume: as many voxels")


def check_report(file, measurements, seg):
    report = hd.sr.srread(file)
    groups = {g.tracking_identifier: g for g in report.content.get_volumetric_roi_measurement_groups()}
    volumes = {name: float(group.get_measurements(name=pydicom.sr.codedict.codes.SCT.Volume)[0].value)
               for name, group in groups.items()}
    assert np.isclose(volumes["Lesion"], measurements["lesion"]["volume_ml"], rtol=1e-12), volumes
    assert np.isclose(volumes["Lung"], measurements["lung"]["volume_ml"], rtol=1e-12), volumes
    percent = [m for m in groups["Lung"].get_measurements() if m.name.value == "PERCENT_AFFECTED"]
    assert np.isclose(float(percent[0].value), measurements["percent_affected"], rtol=1e-12)
    for group in groups.values():
        assert group.referenced_segment.referenced_sop_instance_uid == seg.SOPInstanceUID
    assert {g.tracking_uid for g in groups.values()} == {s.TrackingUID for s in seg.SegmentSequence}
    print(f"    highdicom {file.name}: {volumes} ml, {percent[0].value} %, of the segments of the SEG")


def check_slicer(file, masks, affine):
    layers, header = nrrd.read(file)
    ours = np.eye(4)
    ours[:3, :3], ours[:3, 3] = np.array(header["space directions"][1:]).T, header["space origin"]
    for number, mask in masks.items():
        points = np.argwhere(layers[number - 1] == 1) @ ours[:3, :3].T + ours[:3, 3]
        assert len(points) == mask.sum() and mask_at(mask, affine, points).all()
    names = [header[f"Segment{i}_Name"] for i in range(len(masks))]
    print(f"    pynrrd {file.name}: {names}, all as in the NIfTI masks")


def check_copies(folder, seg, sr):
    copies = {image.SOPInstanceUID: image for image in map(pydicom.dcmread, sorted(folder.iterdir()))}
    first = next(iter(copies.values()))
    assert {uid for _, _, uid in seg.get_source_image_uids()} == set(copies)
    assert {(o.StudyInstanceUID, o.PatientID) for o in (seg, sr, *copies.values())} == {
        (first.StudyInstanceUID, first.PatientID)}
    assert seg.FrameOfReferenceUID == first.FrameOfReferenceUID
    print(f"    new UIDs: SEG and SR refer to the {len(copies)} copies, patient {first.PatientID}")


def check(name, series, work, arguments):
    print(name)
    program, model = arguments.program, arguments.model
    run(program, series, work / "nifti", model)
    run(program, series, work / "dicom", model, "--format", "dicom-seg", "--probabilities")
    run(program, series, work / "slicer", model, "--format", "seg.nrrd")
    lesion = nibabel.load(work / "nifti" / f"{series.name}_lesion.nii.gz")
    lung = nibabel.load(work / "nifti" / f"{series.name}_lung.nii.gz")
    masks = {1: np.asarray(lesion.dataobj), 2: np.asarray(lung.dataobj)}
    out = work / "dicom"
    measurements = json.loads((out / f"{series.name}.json").read_text())
    seg = check_segmentation(out / f"{series.name}_seg.dcm", slices_of(series), masks, lesion.affine)
    if name not in ("tilted", "single slice"):  # not regular, or no volume
        check_volume(seg, masks)
    check_report(out / f"{series.name}_sr.dcm", measurements, seg)
    if arguments.cornerstone and name != "multi-frame":
        check_cornerstone(out / f"{series.name}_seg.dcm", series, masks, lesion.affine, arguments.cornerstone)
    if arguments.dcmqi:
        if name != "tilted":  # its grids have right angles
            check_dcmqi(out / f"{series.name}_seg.dcm", masks, lesion.affine, work / "dcmqi", arguments.dcmqi)
        check_report_by_dcmqi(out / f"{series.name}_sr.dcm", measurements, seg, out, arguments.dcmqi)
    check_slicer(work / "slicer" / f"{series.name}.seg.nrrd", masks, lesion.affine)
    for file in sorted(out.glob("*.dcm")):
        judge(file)
    fractional = hd.seg.segread(out / f"{series.name}_lesion_probability_seg.dcm")
    assert fractional.segmentation_fractional_type.value == "PROBABILITY"

    out = work / "anonymous"
    run(program, series, out, model, "--format", "dicom-seg", "--deidentify", "--new-uids")
    for file in sorted(out.glob("*.dcm")):
        judge(file)
    judge(next((out / f"{series.name}_source").iterdir()), errors_of(next(series.iterdir())))
    check_copies(out / f"{series.name}_source", hd.seg.segread(out / f"{series.name}_seg.dcm"),
                 hd.sr.srread(out / f"{series.name}_sr.dcm"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("series", type=pathlib.Path)
    parser.add_argument("--model")
    parser.add_argument("--dcmqi", type=pathlib.Path)
    parser.add_argument("--cornerstone", type=pathlib.Path)
    arguments = parser.parse_args()
    copies = {"as it is": each(lambda image: None), "oblique": each(oblique), "cropped": each(cropped),
              "tilted": each(tilted), "single slice": single_slice, "multi-frame": multi_frame}
    with tempfile.TemporaryDirectory() as folder:
        for name, make in copies.items():
            work = pathlib.Path(folder) / name.replace(" ", "-")
            (work / "ct").mkdir(parents=True)
            make(arguments.series, work / "ct")
            check(name, work / "ct", work, arguments)
    print("all agree")


if __name__ == "__main__":
    main()
