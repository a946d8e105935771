#!/usr/bin/env python3
"""Every format gives the zero-filled images that NumPy makes of the same data, and info says what it is."""

import json
import subprocess

import h5py
import nibabel
import numpy as np
import pydicom
import scipy.io
from formats_support import fastmri, ismrmrd, one_frame, save_bart, save_matlab73, two_encodings
from recon_support import SHARED, Scratch, check, close, crop, forward, inverse, kept

scratch = Scratch()
random = np.random.default_rng(5)
ROWS, COLUMNS = 40, 36
kspace = (random.normal(size=(3, 4, ROWS, COLUMNS)) + 1j * random.normal(size=(3, 4, ROWS, COLUMNS)))
kspace = kspace.astype(np.complex64)
magnitudes = np.round(1000 * random.random((3, ROWS, COLUMNS))).astype(np.int16)


def info(path, *arguments):
    return json.loads(scratch.succeed("info", path, "--json", *arguments).stdout)


def rss(images):
    """[.., coil, row, column] to magnitudes."""
    return np.sqrt((np.abs(images) ** 2).sum(-3))


def same(path, wanted, what, *arguments, said=None, size=None):
    """Zero-filled images with 4x and 4 central lines, and with all that was measured."""
    height, width = wanted.shape[-2:]
    mask = kept(height, width, "columns", centre=4)
    size = size or (height, width)
    for pattern, lines in (("regular:4:4", mask), ("none", np.ones_like(mask))):
        scratch.succeed("recon", path, "--model", "none", "--mask", pattern, "-o", "out.npy",
                        "--size", f"{size[0]}x{size[1]}", "--quiet", *arguments)  # fmt: skip
        want = crop(rss(inverse(wanted.astype(complex) * lines)), *size)
        close(np.load(scratch.path / "out.npy"), want, 1e-5, f"{what}, {pattern}")
    found = info(path, *arguments)
    want = {"rows": height, "columns": width, "coils": wanted.shape[-3], "frames": len(wanted)}
    for key, value in (want | (said or {})).items():
        check(found[key] == value, f"{what}: {key} is {found[key]}, not {value}")


def of_images(images):
    """The k-space of [frame, row, column]: one coil."""
    return forward(images.astype(float))[:, None]


# Arrays.
np.save(scratch.path / "k.npy", kspace)
same("k.npy", kspace, ".npy", said={"format": "NumPy .npy"})
np.save(scratch.path / "turned.npy", kspace.transpose(1, 3, 0, 2))
same("turned.npy", kspace, ".npy in another order", "--dimensions", "coil,column,frame,row")
np.save(scratch.path / "complex.npy", inverse(kspace).astype(np.complex64))
same("complex.npy", kspace, "complex images", "--content", "images")
np.savez(scratch.path / "k.npz", kspace=kspace, other=magnitudes)
same("k.npz", kspace, ".npz", said={"array": "kspace"})

# MATLAB counts rows first.
variables = {"kspace": kspace.transpose(2, 3, 1, 0), "note": "text"}
scipy.io.savemat(scratch.path / "v5.mat", variables)
same("v5.mat", kspace, "MATLAB v5", said={"format": "MATLAB .mat v5", "array": "kspace"})
scipy.io.savemat(scratch.path / "packed.mat", variables, do_compression=True)
same("packed.mat", kspace, "MATLAB v7")
scipy.io.savemat(scratch.path / "one.mat", {"im": magnitudes.transpose(1, 2, 0)})
same("one.mat", of_images(magnitudes), "MATLAB v5, images")
save_matlab73(scratch.path / "v73.mat", "kspace", kspace.transpose(2, 3, 1, 0))
same("v73.mat", kspace, "MATLAB v7.3", said={"format": "MATLAB .mat v7.3"})
save_matlab73(scratch.path / "one73.mat", "im", magnitudes.transpose(1, 2, 0))
same("one73.mat", of_images(magnitudes), "MATLAB v7.3, images")

# BART: read, phase, partition, coil, ..., time.
save_bart(scratch.path / "k", kspace)
same("k.cfl", kspace, "BART", said={"format": "BART .cfl"})
same("k.hdr", kspace, "BART by its header")
same("k", kspace, "BART by its name")

# HDF5: fastMRI's layout, and arrays under a name.
fastmri(scratch.path / "multi.h5", kspace, (32, 20))
same("multi.h5", kspace, "fastMRI, several coils", size=(32, 20),
     said={"format": "fastMRI HDF5", "image_rows": 32, "image_columns": 20})  # fmt: skip
fastmri(scratch.path / "single.h5", kspace[:, 0], (ROWS, COLUMNS))
same("single.h5", kspace[:, :1], "fastMRI, one coil")
with h5py.File(scratch.path / "plain.h5", "w") as file:
    file["frames"] = magnitudes
same("plain.h5", of_images(magnitudes), "HDF5")

# NIfTI: two versions, both byte orders, packed, scaled.
spacing = np.diag([1.5, 2, 3, 1])
volume = magnitudes.transpose(1, 2, 0)
nibabel.Nifti1Image(volume, spacing).to_filename(scratch.path / "one.nii")
same("one.nii", of_images(magnitudes), "NIfTI-1",
     said={"format": "NIfTI-1", "spacing_mm": [1.5, 2, 3]})  # fmt: skip
nibabel.Nifti2Image(volume, spacing).to_filename(scratch.path / "two.nii.gz")
same("two.nii.gz", of_images(magnitudes), "NIfTI-2, packed", said={"format": "NIfTI-2"})
(scratch.path / "two").write_bytes((scratch.path / "two.nii.gz").read_bytes())
same("two", of_images(magnitudes), "NIfTI-2 without an extension")
big = nibabel.Nifti1Image(volume, spacing, nibabel.Nifti1Header(endianness=">"))
big.to_filename(scratch.path / "big.nii")
same("big.nii", of_images(magnitudes), "NIfTI-1, big endian")
scaled = nibabel.Nifti1Image(volume * 0.25 + 3, spacing)
scaled.set_data_dtype(np.int16)
scaled.to_filename(scratch.path / "scaled.nii")
same("scaled.nii", of_images(nibabel.load(scratch.path / "scaled.nii").get_fdata().transpose(2, 0, 1)),
     "NIfTI-1, scaled")  # fmt: skip
nibabel.Nifti1Pair(volume, spacing).to_filename(scratch.path / "pair.hdr")
same("pair.hdr", of_images(magnitudes), "NIfTI-1, a pair")

# ISMRMRD: oversampled readout, noise and navigator lines, averages, counters, an asymmetric echo.
wanted = ismrmrd(scratch.path / "raw.h5", kspace, oversampling=2)
same("raw.h5", wanted, "ISMRMRD", said={
    "format": "ISMRMRD raw data", "series": [{"axis": "frame", "count": 3}]})  # fmt: skip
check(any("noise" in note for note in info("raw.h5")["notes"]), "the noise lines are not told")
for _ in range(5):
    check("3 lines left out: navigator" in info("raw.h5")["notes"], "lines that are several things are not told alike")
generator = np.random.default_rng(5)
mixing = np.eye(kspace.shape[1]) + 0.4 * generator.normal(size=(kspace.shape[1],) * 2)
noise = mixing @ (generator.normal(size=(3, kspace.shape[1], 64, 2)) @ [1, 1j])
wanted = ismrmrd(scratch.path / "white.h5", kspace, noise=noise)
covariance = sum(line @ line.conj().T for line in noise)
factor = np.linalg.cholesky(covariance / np.trace(covariance) * len(covariance))
same("white.h5", np.einsum("ij,fjrc->firc", np.linalg.inv(factor), wanted), "ISMRMRD, prewhitened",
     "--prewhiten")  # fmt: skip
same("white.h5", wanted, "ISMRMRD, noise lines left out")
six = np.concatenate([kspace, kspace * 2])
wanted = ismrmrd(scratch.path / "series.h5", six, counters=("slice", "repetition"), counts=(2, 3))
same("series.h5", wanted, "ISMRMRD, slices and repetitions", said={
    "series": [{"axis": "slice", "count": 2}, {"axis": "repetition", "count": 3}]})  # fmt: skip
wanted = ismrmrd(scratch.path / "echo.h5", kspace, samples=30, centre=10)
same("echo.h5", wanted, "ISMRMRD, asymmetric echo")
wanted = ismrmrd(scratch.path / "discard.h5", kspace, discard=(5, 3))
same("discard.h5", wanted, "ISMRMRD, samples to discard, also of reversed lines")
two_encodings(scratch.path / "two.h5", kspace[0])
same("two.h5", kspace[:1], "ISMRMRD, the first of two encodings")
for number, group in enumerate(("dataset", "dataset_2")):
    one_frame(scratch.path / "scans.h5", kspace[number], group)
same("scans.h5", kspace[:1], "ISMRMRD, the first of two scans")
same("scans.h5", kspace[1:2], "ISMRMRD, the other one", "--array", "dataset_2")
told = scratch.succeed("info", "scans.h5").stdout
check("dataset is one of 2 scans (dataset, dataset_2): --array chooses" in told, f"two scans: {told}")
wanted = ismrmrd(scratch.path / "volume.h5", kspace, partitions=True)
same("volume.h5", wanted, "ISMRMRD, 3-D", said={"series": [{"axis": "partition", "count": 3}]})
wanted = ismrmrd(scratch.path / "thick.h5", np.concatenate([kspace, 2 * kspace]), partitions=True, in_view=4)
same("thick.h5", wanted, "ISMRMRD, 3-D with slice oversampling", said={"series": [{"axis": "partition", "count": 4}]})
told = scratch.succeed("info", "thick.h5").stdout
check("4 of 6 partitions lie in the field of view" in told, f"slice oversampling: {told}")

if SHARED:
    def slices(path):
        data = np.squeeze(np.asarray(nibabel.load(path).dataobj))
        return data.transpose(2, 3, 0, 1).reshape(-1, *data.shape[:2])

    def bart(name):
        extents = [int(e) for e in open(f"{SHARED}/bart/{name}.hdr").readlines()[1].split()]
        return np.fromfile(f"{SHARED}/bart/{name}.cfl", "<c8").reshape(extents[::-1]).T.squeeze()

    measured = bart("phantom_ksp").transpose(2, 0, 1)[None]
    same(f"{SHARED}/bart/phantom_ksp.cfl", measured, "BART's phantom")
    scratch.succeed("recon", f"{SHARED}/bart/phantom_ksp.cfl", "--model", "none", "--mask", "none",
                    "--size", "96x96", "-o", "out.npy")  # fmt: skip
    close(np.load(scratch.path / "out.npy")[0], bart("phantom_rss").real, 1e-5, "BART's own images")
    same(f"{SHARED}/bart/phantom_img.cfl", of_images(np.maximum(bart("phantom_img").real, 0)[None]),
         "BART's image", said={"content": "magnitude images"})  # fmt: skip
    same(f"{SHARED}/nifti/example4d.nii.gz", of_images(slices(f"{SHARED}/nifti/example4d.nii.gz")),
         "a brain in NIfTI")  # fmt: skip
    for name in ("MR_small", "MR_small_RLE", "MR_small_bigendian", "MR_small_implicit", "emri_small"):
        path = f"{SHARED}/dicom_small/{name}.dcm"
        pixels = pydicom.dcmread(path).pixel_array
        same(path, of_images(pixels.reshape(-1, 64, 64)), name, said={"format": "DICOM"})
    for what, command in (("JPEG lossless", ["dcmcjpeg", "+e1"]), ("JPEG process 14", ["dcmcjpeg", "+el"]),
                          ("JPEG-LS", ["dcmcjpls"])):  # fmt: skip
        packed = scratch.path / "packed.dcm"
        subprocess.run([*command, f"{SHARED}/dicom_small/MR_small.dcm", packed], check=True)
        pixels = pydicom.dcmread(f"{SHARED}/dicom_small/MR_small.dcm").pixel_array
        check(pydicom.dcmread(packed).file_meta.TransferSyntaxUID.is_compressed, f"{what}: not compressed")
        same("packed.dcm", of_images(pixels[None]), what, said={"format": "DICOM"})
    for path in (f"{SHARED}/brain_t1_dicom/N2D_0274.dcm",
                 f"{SHARED}/scd_cine/dicom/SCD0000101_slice06_phase08.dcm"):  # fmt: skip
        same(path, of_images(pydicom.dcmread(path).pixel_array[None]), path.split("/")[-1])
    with h5py.File(f"{SHARED}/ismrmrd/shepp96_c2_full.h5") as file:
        lines = np.stack([line[2].view(np.complex64) for line in file["dataset/data"][:]])
    full = lines.reshape(96, 2, 192).transpose(1, 2, 0)[None].astype(complex)
    image = np.fft.fftshift(np.fft.ifft(np.fft.ifftshift(full, axes=2), axis=2, norm="ortho"), axes=2)
    middle = np.fft.ifftshift(image[:, :, 48:144], axes=2)
    full = np.fft.fftshift(np.fft.fft(middle, axis=2, norm="ortho"), axes=2)
    same(f"{SHARED}/ismrmrd/shepp96_c2_full.h5", full, "Shepp-Logan in ISMRMRD")
    with h5py.File(f"{SHARED}/ismrmrd/acqDataBrainSim100.h5") as file:
        lines = np.stack([line[2].view(np.complex64) for line in file["dataset/data"][:]])
    same(f"{SHARED}/ismrmrd/acqDataBrainSim100.h5", lines.T[None, None], "a brain by MRIReco.jl")
    found = info(f"{SHARED}/ismrmrd/shepp96_c2_r4_acs22.h5")
    check(found["series"] == [{"axis": "repetition", "count": 4}], f"series: {found}")
    sampling = found["sampling"]
    check(sampling["pattern"] == "regular" and sampling["nominal_acceleration"] == 4, f"{sampling}")
    check(sampling["lines_kept"] == 41 and sampling["varies_over_frames"], f"{sampling}")
    check(abs(sampling["true_acceleration"] - 4 * 96 / 162) < 1e-9, f"{sampling}")
    done = scratch.succeed("recon", f"{SHARED}/ismrmrd/shepp96_c2_r4_acs22.h5", "--model", "none",
                           "--mask", "detect", "-o", "out.npy", "--json", "--quiet")  # fmt: skip
    said = json.loads(done.stdout)
    check(said["nominal_acceleration"] == 4 and said["lines_kept"] == 41, f"detect: {said}")
    check(abs(said["true_acceleration"] - 4 * 96 / 162) < 1e-9, f"detect: {said}")
else:
    print("no shared data: not run on files that others wrote")
