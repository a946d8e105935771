#!/usr/bin/env python3
"""Images that recon writes, read back by nibabel, pydicom, h5py and rephase itself; equal work gives equal bytes."""

import gzip
import json
import shutil
import warnings

import h5py
import nibabel
import numpy as np
import pydicom
from recon_support import SHARED, Scratch, check, close, crop

warnings.filterwarnings("ignore", message="Invalid value for VR UI")
scratch = Scratch()
images = (1000 * np.random.default_rng(4).random((6, 40, 36))).astype(np.float32)
stack = images.reshape(2, 3, 40, 36)
np.savez(scratch.path / "scan.npz", images=stack)


def recon(scans, output, *arguments, size="32x36"):
    """Writes and gives the path."""
    scans = [scans] if isinstance(scans, str) else scans
    path = scratch.path / output.rstrip("/")
    shutil.rmtree(path, ignore_errors=True)
    path.unlink(missing_ok=True)
    scratch.succeed("recon", *scans, "--model", "none", "--size", size, "-o", output, "--quiet",
                    *arguments)  # fmt: skip
    return path


def twice(scans, output, **options):
    first = recon(scans, output, **options).read_bytes()
    check(recon(scans, output, **options).read_bytes() == first, f"{output}: other bytes")


def back(path, what, want):
    """What rephase reads of its own output."""
    got = np.load(recon(path, "back.npy", "--mask", "none"))
    close(got, want, 1e-5, f"{what}, read again")


want = np.load(recon("scan.npz", "out.npy"))
check(want.shape == (6, 32, 36), f"{want.shape}")

# NIfTI: rows first, then columns, slices, frames.
for name in ("out.nii", "out.nii.gz"):
    found = nibabel.load(recon("scan.npz", name))
    check(found.get_data_dtype() == np.float32, f"{found.get_data_dtype()}")
    close(found.get_fdata().transpose(2, 3, 0, 1), want.reshape(2, 3, 32, 36), 1e-7, name)
    twice("scan.npz", name)
check(gzip.decompress((scratch.path / "out.nii.gz").read_bytes())
      == recon("scan.npz", "out.nii").read_bytes(), "packed and plain NIfTI differ")  # fmt: skip
back("out.nii", "NIfTI", want)
nibabel.Nifti1Image(images.transpose(1, 2, 0), np.diag([1.5, 2.5, 3, 1])).to_filename(
    scratch.path / "spaced.nii")
zooms = nibabel.load(recon("spaced.nii", "kept.nii")).header.get_zooms()
check(np.allclose(zooms[:3], [1.5, 2.5, 3]), f"spacing: {zooms}")

# A cropped, padded or chosen voxel lies where it lay: by the quaternion and by the matrix, which are not the same here.
turn, _ = np.linalg.qr(np.random.default_rng(7).normal(size=(3, 3)))
turned = nibabel.affines.from_matvec(turn @ np.diag([1.5, 2.5, 3]), [-70, 20, 33.5])
sheared = turned + 0.1 * np.eye(4, k=1)
placed = nibabel.Nifti1Image(images.transpose(1, 2, 0), turned)
placed.set_qform(turned, 1)
placed.set_sform(sheared, 2)
placed.to_filename(scratch.path / "placed.nii.gz")
for arguments, first in (
    ((), (4, -2, 0)),
    (("--crop", "before"), (4, -2, 0)),
    (("--slice", "2"), (4, -2, 2)),
):
    found = nibabel.load(recon("placed.nii.gz", "moved.nii", *arguments, size="32x40")).header
    for want_code, (got, code), old in (
        (1, found.get_qform(coded=True), turned),
        (2, found.get_sform(coded=True), sheared),
    ):
        moved = old.copy()
        moved[:3, 3] = nibabel.affines.apply_affine(old, first)
        check(code == want_code and np.allclose(got, moved, atol=1e-4), f"{arguments}: {got}, not {moved}")
for names, order, size in (
    ("column,row,slice", [1, 0, 2], "36x40"),
    ("slice,column,row", [2, 1, 0], "6x36"),
    ("frame,column,row", [2, 1, 0], "6x36"),
):
    found = nibabel.load(recon("placed.nii.gz", "turned.nii", "--dimensions", names, size=size)).header
    zooms = np.array(placed.header.get_zooms())[order]
    check(np.allclose(found.get_zooms()[:3], zooms), f"{names}: {found.get_zooms()}, not {zooms}")
    for got, old in ((found.get_qform(), turned), (found.get_sform(), sheared)):
        check(np.allclose(got, old[:, order + [3]], atol=1e-4), f"{names}: {got}")
# Frames are no slices, and keep their time.
cine = nibabel.Nifti1Image(images.transpose(1, 2, 0).reshape(40, 36, 2, 3), turned)
cine.header.set_zooms((1.5, 2.5, 3, 40))
cine.header.set_xyzt_units("mm", "msec")
cine.to_filename(scratch.path / "cine.nii")
for arguments, slices in (((), 2), (("--slice", "1"), 1)):
    found = nibabel.load(recon("cine.nii", "times.nii", *arguments))
    check(found.shape == (32, 36, slices, 3), f"{arguments}: {found.shape}")
    check(np.isclose(found.header.get_zooms()[3], 0.04), f"{found.header.get_zooms()}")
    check(found.header.get_xyzt_units() == ("mm", "sec"), f"{found.header.get_xyzt_units()}")

# ISMRMRD images.
path = recon("scan.npz", "out.h5")
with h5py.File(path) as file:
    data, header = file["dataset/image_0/data"][:], file["dataset/image_0/header"][:]
    attributes = file["dataset/image_0/attributes"][:]
    scale, offset = file["dataset/scale"][:], file["dataset/offset"][:]
check(data.shape == (6, 1, 1, 32, 36) and data.dtype == np.float32, f"{data.shape}")
close(data[:, 0, 0], want, 1e-7, "ISMRMRD images")
check(header.dtype.itemsize == 198, f"an image header has {header.dtype.itemsize} bytes, not 198")
check((header["matrix_size"] == [36, 32, 1]).all(), f"{header['matrix_size']}")
check((header["data_type"] == 5).all() and (header["image_type"] == 1).all(), f"{header[0]}")
check(header["slice"].tolist() == [0, 0, 0, 1, 1, 1], f"{header['slice']}")
check(header["phase"].tolist() == [0, 1, 2, 0, 1, 2], f"{header['phase']}")
check((header["attribute_string_len"] == [len(a) for a in attributes]).all(), "attribute lengths")
low = want.min((1, 2))
close(scale, want.max((1, 2)) - low, 1e-6, "scales stored")
close(offset, low, 1e-6, "offsets stored")
twice("scan.npz", "out.h5")
back("out.h5", "ISMRMRD images", want)

# What cannot be.
before = sorted(p.name for p in scratch.path.iterdir())
for status, part, output in [(1, "derived from DICOM", "x.dcm"), (1, "derived from DICOM", "x/"),
                             (64, ".nii", "x.tif"), (1, "does not exist", "no/x.nii")]:  # fmt: skip
    done = scratch.run("recon", "scan.npz", "--model", "none", "-o", output, "--quiet")
    check(done.returncode == status and part in done.stderr, f"{output}: {done.stderr}")
    check(sorted(p.name for p in scratch.path.iterdir()) == before, f"{output}: files came or went")

if not SHARED:
    print("no shared data: not run on DICOM files")
    raise SystemExit


def derived(path, source, want, what, rows, columns):
    """Checks a derived file against its source; rows and columns were cut off before the first pixel."""
    new, old = pydicom.dcmread(path), pydicom.dcmread(source)
    slope, intercept = float(new.RescaleSlope), float(new.RescaleIntercept)
    close(new.pixel_array * slope + intercept, want, 1e-4, what)
    for name in ("PatientID", "PatientName", "StudyInstanceUID", "Modality", "PixelSpacing",
                 "ImageOrientationPatient", "FrameOfReferenceUID"):  # fmt: skip
        check(new.get(name) == old.get(name), f"{what}: {name} is {new.get(name)}, not {old.get(name)}")
    for name in ("SOPInstanceUID", "SeriesInstanceUID"):
        check(new.get(name) != old.get(name) and new[name].value.startswith("2.25."), f"{what}: {name}")
    check(new.ImageType[0] == "DERIVED", f"{what}: {new.ImageType}")
    check(new.SourceImageSequence[0].ReferencedSOPInstanceUID == old.SOPInstanceUID, f"{what}: source")
    check(new.file_meta.MediaStorageSOPInstanceUID == new.SOPInstanceUID, f"{what}: meta header")
    axes = np.array(old.ImageOrientationPatient, float).reshape(2, 3)
    spacing = np.array(old.PixelSpacing, float)
    moved = np.array(old.ImagePositionPatient, float) + axes[0] * spacing[1] * columns + axes[1] * spacing[0] * rows
    check(np.allclose(np.array(new.ImagePositionPatient, float), moved, atol=1e-4), f"{what}: position")


cine = [f"{SHARED}/scd_cine/dicom/SCD0000101_slice06_phase{n:02}.dcm" for n in (0, 4, 8)]
want = np.load(recon(cine, "out.npy", size="192x128"))
path = recon(cine, "folder/", size="192x128")
check(sorted(p.name for p in path.iterdir()) == ["00001.dcm", "00002.dcm", "00003.dcm"], f"{path}")
for number, source in enumerate(cine):
    derived(path / f"{number + 1:05}.dcm", source, want[number], f"cine frame {number}", 32, 64)
series = {pydicom.dcmread(p).SeriesInstanceUID for p in path.iterdir()}
check(len(series) == 1, f"the frames are of {len(series)} series")
twice(cine[0], "one.dcm", size="192x128")
one, other = (
    pydicom.dcmread(recon(cine[0], name, *mask, size="192x128"))
    for name, mask in [("one.dcm", ()), ("other.dcm", ("--mask", "none"))])  # fmt: skip
check(one.SeriesInstanceUID != other.SeriesInstanceUID, "two reconstructions are one series")
check(one.SeriesDescription != other.SeriesDescription, "two reconstructions have one description")
# A series as a folder, in disorder, gives the same images and files.
(scratch.path / "series").mkdir()
for name, source in zip(("c", "a", "b"), cine):
    shutil.copy(source, scratch.path / "series" / name)
(scratch.path / "series/notes.txt").write_text("no DICOM")
close(np.load(recon("series", "out.npy", size="192x128")), want, 1e-7, "a DICOM series")
again = recon("series", "sorted/", size="192x128")
for number in (1, 2, 3):
    name = f"{number:05}.dcm"
    check((path / name).read_bytes() == (again / name).read_bytes(), f"{name}: other bytes")
shutil.copy(f"{SHARED}/brain_t1_dicom/N2D_0274.dcm", scratch.path / "series")
done = scratch.run("info", "series")
check(done.returncode == 1 and "2 DICOM series" in done.stderr, done.stderr)
brain = f"{SHARED}/brain_t1_dicom/N2D_0274.dcm"
derived(recon(brain, "one.dcm", size="192x300"), brain,
        np.load(recon(brain, "out.npy", size="192x300"))[0], "a brain, padded", 96, -13)  # fmt: skip
source = f"{SHARED}/dicom_small/emri_small.dcm"
new = pydicom.dcmread(recon(source, "multi.dcm", size="48x64"))
want = np.load(recon(source, "out.npy", size="48x64"))
values = new.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence[0]
close(new.pixel_array * float(values.RescaleSlope) + float(values.RescaleIntercept), want, 1e-4,
      "enhanced multi-frame")  # fmt: skip
check(new.NumberOfFrames == 10, f"{new.NumberOfFrames} frames")
done = scratch.run("recon", *cine, "--model", "none", "-o", "x.dcm", "--quiet")
check(done.returncode == 1 and "folder" in done.stderr, done.stderr)
done = scratch.run("recon", *cine, "--model", "none", "-o", "folder/", "--quiet")
check(done.returncode == 1 and "directory" in done.stderr, done.stderr)
said = json.loads(scratch.succeed("info", "one.dcm", "--json").stdout)
check(said["format"] == "DICOM" and said["rows"] == 192 and said["columns"] == 300, f"{said}")
