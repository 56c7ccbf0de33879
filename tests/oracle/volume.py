"""Golden files for tests/volume: images in many encodings, and what nibabel, pynrrd and SimpleITK make of them.

    python tests/oracle/volume.py                  writes tests/data/volume/
    python tests/oracle/volume.py compare A B      do two NIfTI files lie on one grid, as nibabel sees it? (by hand)

Needs numpy, nibabel, pynrrd and SimpleITK; their versions are written into golden.json.
"""

import gzip
import json
import pathlib
import sys

import nibabel as nib
import nrrd
import numpy as np
import SimpleITK as sitk
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform

OUT = pathlib.Path(__file__).resolve().parents[1] / "data" / "volume"
rng = np.random.default_rng(9)


def rotation(x, y, z):
    x, y, z = np.radians([x, y, z])
    rx = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    ry = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    rz = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return rz @ ry @ rx


def affine(matrix, origin=(-10.5, 20.25, -300.0)):
    result = np.eye(4)
    result[:3, :3] = matrix
    result[:3, 3] = origin
    return result


def voxels(dtype, shape=(5, 4, 3)):
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return (rng.standard_normal(shape) * 500).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(max(info.min, -2**31), min(info.max, 2**32), shape, endpoint=True).astype(dtype)


def write_nifti(name, array, sform=None, qform=None, header=None, endian="<", slope=None, inter=None, units="mm"):
    """Writes the bytes itself: nibabel would rescale the voxels."""
    h = (header or nib.Nifti1Header)(endianness=endian)
    h.set_data_dtype(array.dtype)
    h.set_data_shape(array.shape)
    h.set_xyzt_units(units)
    h["descrip"] = name.encode()[:79]
    if qform is not None:
        h.set_qform(qform, 1)
    if sform is not None:
        h.set_sform(sform, 2)
    if sform is not None and qform is None:
        h["pixdim"][1:4] = np.linalg.norm(np.asarray(sform)[:3, :3], axis=0)
    if slope is not None:
        h["scl_slope"], h["scl_inter"] = slope, inter
    h["vox_offset"] = h.single_vox_offset
    h["magic"] = h.single_magic
    data = h.binaryblock + bytes(4) + array.astype(array.dtype.newbyteorder(endian)).tobytes("F")
    path = OUT / name
    path.write_bytes(gzip.compress(data, mtime=0) if name.endswith(".gz") else data)
    return path


def expect_nifti(path, kind, unit=1.0):
    image = nib.load(path)
    shape = image.shape
    affine_ras = image.affine
    data = np.asanyarray(image.dataobj)
    data = data.reshape(shape[:3] if len(shape) > 3 else shape + (1,) * (3 - len(shape)))
    plain = nib.Nifti1Image(data.astype(np.float64), affine_ras)
    canonical = plain.as_reoriented(ornt_transform(io_orientation(affine_ras), axcodes2ornt("LPS")))
    lps = np.diag([-unit, -unit, unit, 1]) @ canonical.affine
    header = image.header
    return {
        "file": path.name,
        "format": kind,
        "type": header.get_data_dtype().newbyteorder("=").name,
        "dimensions": 2 if len(shape) == 2 else 3,
        "has_geometry": bool(header["sform_code"] > 0 or header["qform_code"] > 0),
        "size": list(canonical.shape),
        "affine": lps[:3].tolist(),
        "voxels": np.asarray(canonical.dataobj).astype(np.float32).transpose(2, 1, 0).ravel().tolist(),
    }


def nifti_cases():
    axial = affine(np.diag([-0.75, -0.75, 5.0]))
    oblique = affine(rotation(12, -7, 20) @ np.diag([-0.75, -0.8, 2.5]))
    tilted = affine(np.array([[-0.7, 0, 0], [0, -0.7, 1.9], [0, 0, 5.0]]))
    ras = affine(np.diag([0.9, 0.9, 3.0]))
    permuted = affine(np.array([[0, 0, -2.0], [1.1, 0, 0], [0, 0.6, 0]]))
    n1, n2 = nib.Nifti1Header, nib.Nifti2Header
    cases = []

    def add(name, array, kind="NIfTI-1", unit=1.0, **options):
        cases.append(expect_nifti(write_nifti(name, array, **options), kind, unit))

    add("int16_slope.nii.gz", voxels("i2"), sform=axial, slope=0.5, inter=-1000)
    add("float32.nii.gz", voxels("f4"), sform=axial)
    add("float64.nii.gz", voxels("f8"), sform=ras)
    for dtype in ("u1", "i1", "u2", "u4", "i4", "u8", "i8"):
        add(f"{np.dtype(dtype).name}.nii", voxels(dtype), sform=ras)
    add("big_endian_int16.nii.gz", voxels("i2"), sform=oblique, qform=oblique, endian=">", slope=2, inter=3)
    add("big_endian_float32.nii", voxels("f4"), sform=ras, endian=">")
    add("oblique.nii.gz", voxels("i2"), sform=oblique)
    add("tilted.nii.gz", voxels("i2"), sform=tilted)
    add("permuted.nii.gz", voxels("i2"), sform=permuted)
    add("sform_not_qform.nii.gz", voxels("i2"), sform=oblique, qform=ras)
    add("qform_only.nii.gz", voxels("i2"), qform=oblique)
    add("qform_left_handed.nii.gz", voxels("i2"), qform=affine(rotation(170, 5, -40) @ np.diag([1, 1, -1]) @ np.diag([0.7, 0.9, 3])))
    add("no_codes.nii.gz", voxels("i2"), header=n1)
    add("slice_2d.nii.gz", voxels("i2", (5, 4)), sform=axial)
    add("one_frame_4d.nii.gz", voxels("i2", (5, 4, 3, 1)), sform=axial)
    add("nifti2.nii.gz", voxels("u2"), kind="NIfTI-2", sform=oblique, header=n2)
    add("nifti2_big_endian.nii", voxels("i2"), kind="NIfTI-2", sform=axial, header=n2, endian=">")
    add("micron.nii.gz", voxels("u1"), unit=0.001, sform=affine(np.diag([-750.0, -750, 5000])), units="micron")
    add("metre.nii.gz", voxels("u1"), unit=1000.0, qform=affine(np.diag([0.001, 0.002, 0.003]), (0.01, 0.02, 0.03)), units="meter")
    return cases


def expect_sitk(name, image, has_geometry, dimensions=3):
    oriented = sitk.DICOMOrient(image, "LPS")
    direction = np.array(oriented.GetDirection()).reshape(3, 3) * np.array(oriented.GetSpacing())
    array = sitk.GetArrayFromImage(oriented)
    return {
        "file": name,
        "format": "NRRD",
        "type": sitk.GetArrayViewFromImage(image).dtype.name,
        "dimensions": dimensions,
        "has_geometry": has_geometry,
        "size": list(oriented.GetSize()),
        "affine": np.column_stack([direction, oriented.GetOrigin()]).tolist(),
        "voxels": array.astype(np.float32).ravel().tolist(),
    }


def nrrd_cases():
    oblique = rotation(-15, 10, 35) @ np.diag([0.7, 0.8, 2.5])
    origin = np.array([-120.5, 33.25, 400.0])
    cases = []

    def write(name, array, **fields):
        nrrd.write(str(OUT / name), array, fields, index_order="F")

    for name, dtype, space, encoding in (
        ("lps_gzip.nrrd", "i2", "left-posterior-superior", "gzip"),
        ("ras_raw.nrrd", "f4", "right-anterior-superior", "raw"),
    ):
        write(name, voxels(dtype), **{"space": space, "space directions": oblique.T, "space origin": origin,
                                      "kinds": ["domain"] * 3, "encoding": encoding})
        cases.append(expect_sitk(name, sitk.ReadImage(str(OUT / name)), True))

    # SimpleITK mirrors x where left-anterior-superior calls for y, so that the expected image is put together here.
    array = voxels("u1")
    write("las_gzip.nrrd", array, **{"space": "left-anterior-superior", "space directions": oblique.T, "space origin": origin,
                                     "kinds": ["domain"] * 3, "encoding": "gzip"})
    image = sitk.GetImageFromArray(array.transpose(2, 1, 0))
    flip = np.diag([1, -1, 1])
    spacing = np.linalg.norm(oblique, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((flip @ (oblique / spacing)).ravel().tolist())
    image.SetOrigin((flip @ origin).tolist())
    cases.append(expect_sitk("las_gzip.nrrd", image, True))

    write("no_space.nrrd", voxels("i2"), **{"spacings": [0.5, 0.6, 4.0], "encoding": "gzip"})
    cases.append(expect_sitk("no_space.nrrd", sitk.ReadImage(str(OUT / "no_space.nrrd")), False))
    write("detached.nhdr", voxels("u2"), **{"space": "left-posterior-superior", "space directions": np.diag([1.0, 2, 3]),
                                            "space origin": origin, "encoding": "raw"})
    cases.append(expect_sitk("detached.nhdr", sitk.ReadImage(str(OUT / "detached.nhdr")), True))

    # Encodings that pynrrd does not write: big endian, voxels at the end of the file, old spelling and CRLF.
    array = voxels("i2")
    head = ("NRRD0004\r\n# by hand\r\nType: signed short int\r\ndimension: 3\r\nsizes: 5 4 3\r\nspace: RAS\r\n"
            "space directions: (-0.7, 0, 0) (0,-0.7,0) (0,0,+5.0e0)\r\nspace origin: (1,2,3)\r\nendian: big\r\n"
            "byte skip: -1\r\nencoding: raw\r\nsome key:=a value: with colon\r\n\r\n")
    (OUT / "by_hand.nrrd").write_bytes(head.encode() + b"skip me" + array.astype(">i2").tobytes("F"))
    cases.append(expect_sitk("by_hand.nrrd", sitk.ReadImage(str(OUT / "by_hand.nrrd")), True))
    return cases


def orientation_cases():
    """Axis codes of random affines, sheared and nearly diagonal ones among them, as nibabel assigns them."""
    cases = []
    for n in range(120):
        matrix = rotation(*rng.uniform(-180, 180, 3)) @ np.diag(rng.uniform(0.5, 5, 3)) @ np.diag(rng.choice([-1, 1], 3))
        if n % 2:
            matrix = matrix @ (np.eye(3) + np.triu(rng.uniform(-0.5, 0.5, (3, 3)), 1))
        ornt = ornt_transform(io_orientation(affine(matrix)), axcodes2ornt("LPS"))
        # ornt[stored axis] = (canonical axis, flip)
        axis, flipped = [0] * 3, [False] * 3
        for stored, (canonical, flip) in enumerate(ornt):
            axis[int(canonical)], flipped[int(canonical)] = stored, bool(flip < 0)
        cases.append({"matrix": (np.diag([-1, -1, 1]) @ matrix).tolist(), "axis": axis, "flipped": flipped})
    return cases


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    golden = {
        "versions": {"numpy": np.__version__, "nibabel": nib.__version__, "pynrrd": nrrd.__version__,
                     "SimpleITK": sitk.Version_VersionString()},
        "images": nifti_cases() + nrrd_cases(),
        "orientations": orientation_cases(),
    }
    text = json.dumps(golden, indent=None, separators=(",", ":")).replace('},{', '},\n{')
    (OUT / "golden.json").write_text(text + "\n")


def compare(a, b):
    a, b = nib.load(a), nib.load(b)
    same = {
        "shape": a.shape == b.shape,
        "affine": np.array_equal(a.affine, b.affine),
        **{key: np.array_equal(a.header[key], b.header[key], equal_nan=a.header[key].dtype.kind == "f")
           for key in ("dim", "pixdim", "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x",
                       "qoffset_y", "qoffset_z", "srow_x", "srow_y", "srow_z", "xyzt_units", "descrip")},
    }
    print(same)
    return all(same.values())


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "compare":
        sys.exit(0 if compare(*sys.argv[2:]) else 1)
    main()
