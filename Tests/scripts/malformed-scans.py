#!/usr/bin/env python3
"""Damaged scans of every format, by hand and by a seeded mutator: each is refused with one message, or read.

What malformed-inputs.py promises holds here too. A file that a mutator changed may still be a scan; then `recon` must
have written finite images. `malformed-scans.py [SEED] [COUNT]`.
"""

import collections
import pathlib
import random
import shutil
import sys
import tempfile

import h5py
import malformed_runner as runner
import nibabel
import numpy as np
import pydicom
import scipy.io
from formats_support import (NOISE, _record, fastmri, header, ismrmrd, save_bart, save_matlab73,
                             write_ismrmrd)  # fmt: skip
from malformed_runner import Case

ROWS, COLUMNS, COILS = 12, 10, 2
draw = np.random.default_rng(1)
kspace = (draw.normal(size=(2, COILS, ROWS, COLUMNS)) + 1j * draw.normal(size=(2, COILS, ROWS, COLUMNS)))
kspace = kspace.astype(np.complex64)
volume = (100 * draw.random((ROWS, COLUMNS, 2))).astype(np.float32)


def recon(name):
    return ["recon", name, "--model", "none", "--mask", "none", "--quiet", "-o", "{out}/y.npy"]


def dicom(path, pixels=None, **changes):
    """A small MR image."""
    pixels = (volume[:, :, 0] * 10).astype(np.uint16) if pixels is None else pixels
    meta = pydicom.dataset.FileMetaDataset()
    is_little = changes.pop("little_endian", True)
    meta.TransferSyntaxUID = (pydicom.uid.ExplicitVRLittleEndian if is_little
                              else pydicom.uid.ExplicitVRBigEndian)  # fmt: skip
    meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    meta.MediaStorageSOPInstanceUID = "2.25.1"
    data = pydicom.dataset.FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128),
                                       is_implicit_VR=False, is_little_endian=is_little)  # fmt: skip
    data.SOPClassUID, data.SOPInstanceUID, data.Modality = meta.MediaStorageSOPClassUID, "2.25.1", "MR"
    data.Rows, data.Columns = pixels.shape
    data.BitsAllocated = data.BitsStored = 16
    data.HighBit, data.PixelRepresentation, data.SamplesPerPixel = 15, 0, 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.PixelData = (pixels if is_little else pixels.byteswap()).tobytes()
    for name, value in changes.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)


def raw(path, change=None, xml=None, **options):
    """An ISMRMRD file of good lines, which `change` may spoil."""
    records = []
    for frame, image in enumerate(kspace):
        for column in range(COLUMNS):
            where = {"phase": frame, "kspace_encode_step_1": column}
            records.append(_record(image[:, :, column], where))
    if change:
        records = change(records) or records
    write_ismrmrd(path, xml or header((ROWS, COLUMNS, 1), (ROWS, COLUMNS, 1), **options), records)


def good(folder):
    """One file of each format."""
    folder.mkdir()
    np.save(folder / "k.npy", kspace)
    np.savez_compressed(folder / "k.npz", kspace=kspace)
    ismrmrd(folder / "raw.h5", kspace, oversampling=2)
    fastmri(folder / "fastmri.h5", kspace, (8, 8))
    save_bart(folder / "bart", kspace)
    scipy.io.savemat(folder / "v5.mat", {"kspace": kspace})
    scipy.io.savemat(folder / "v7.mat", {"kspace": kspace}, do_compression=True)
    save_matlab73(folder / "v73.mat", "kspace", kspace.transpose(2, 3, 1, 0))
    dicom(folder / "image.dcm")
    dicom(folder / "big.dcm", little_endian=False)
    data = pydicom.dcmread(folder / "image.dcm")
    data.compress(pydicom.uid.RLELossless)
    data.save_as(folder / "rle.dcm")
    nibabel.Nifti1Image(volume, np.eye(4)).to_filename(folder / "one.nii")
    nibabel.Nifti1Image(volume, np.eye(4)).to_filename(folder / "packed.nii.gz")
    nibabel.Nifti2Image(volume, np.eye(4)).to_filename(folder / "two.nii")
    return sorted(folder.iterdir())


def spoiled_values():
    """NaN, infinity, zeros, wrong axes: the same for every format that can hold them."""

    def write(kind, k, v):
        def save(path):
            folder, stem = path.parent, path.stem
            if kind == "npy":
                np.save(path, k)
            elif kind == "npz":
                np.savez(path, kspace=k)
            elif kind == "ismrmrd":
                ismrmrd(path, k)
            elif kind == "fastmri":
                fastmri(path, k, (8, 8))
            elif kind == "bart":
                save_bart(folder / stem, k)
            elif kind == "mat":
                scipy.io.savemat(path, {"kspace": k})
            elif kind == "mat73":
                save_matlab73(path, "kspace", k.transpose(2, 3, 1, 0))
            elif kind == "nii":
                nibabel.Nifti1Image(v, np.eye(4)).to_filename(path)

        return save

    spoiled = {}
    for name, value in [("NaN", np.nan), ("infinity", np.inf)]:
        k, v = kspace.copy(), volume.copy()
        k[1, 0, 3, 4] = value
        v[3, 4, 1] = value
        spoiled[name] = (k, v)
    spoiled["zeros"] = (kspace * 0, volume * 0)
    names = {"npy": "bad.npy", "npz": "bad.npz", "ismrmrd": "bad.h5", "fastmri": "bad.h5", "bart": "bad.cfl",
             "mat": "bad.mat", "mat73": "bad.mat", "nii": "bad.nii"}  # fmt: skip
    words = {"NaN": ("not finite",), "infinity": ("not finite",), "zeros": ("zero",)}
    return [Case(kind, name, recon(file), {file: write(kind, *data)}, mentions=words[name])
            for kind, file in names.items() for name, data in spoiled.items()]  # fmt: skip


def raw_cases():
    """ISMRMRD files that break a rule each."""

    def setting(field, value, record=3):
        def change(records):
            records[record]["head"][field] = value

        return change

    def counter(field, value):
        def change(records):
            records[3]["head"]["idx"][field] = value

        return change

    def samples(records):
        records[3]["data"] = records[3]["data"][:-4]

    def coils(records):
        records[5] = _record(kspace[0, :1, :, 5], {"kspace_encode_step_1": 5})

    def noise(records):
        for record in records:
            record["head"]["flags"] = NOISE

    good_header = header((ROWS, COLUMNS, 1), (ROWS, COLUMNS, 1))
    changes = {
        "fewer samples than said": (samples, "acquisition 3"),
        "a line without a coil": (coils, "coils"),
        "no samples": (setting("number_of_samples", 0), "acquisition 3"),
        "a centre past the end": (setting("center_sample", 99), "acquisition 3"),
        "all discarded": (setting("discard_pre", ROWS), "acquisition 3"),
        "a line outside the matrix": (counter("kspace_encode_step_1", 77), "outside the matrix"),
        "a partition of 2-D data": (counter("kspace_encode_step_2", 5), "outside the matrix"),
        "noise alone": (noise, "no line"),
        "65,535 phases of nothing": (lambda r: [_record(kspace[0, :, :, 0], {"phase": i, "slice": i, "set": i, "repetition": i}) for i in range(400)], "elements"),
    }
    result = [Case("ismrmrd", name, recon("bad.h5"), {"bad.h5": lambda path, change=change: raw(path, change)}, mentions=(word,))
              for name, (change, word) in changes.items()]  # fmt: skip
    xmls = {
        "no XML": ("junk", "XML"), "half its XML": (good_header[: len(good_header) // 2], "XML"),
        "an empty header": ("", "XML"),
        "no matrix": ("<ismrmrdHeader><encoding/></ismrmrdHeader>", "matrix"),
        "a matrix of 0": (good_header.replace(f"<x>{ROWS}</x>", "<x>0</x>"), "matrix"),
        "a matrix of -1": (good_header.replace(f"<x>{ROWS}</x>", "<x>-1</x>"), "matrix"),
        "a matrix past 16 bits": (good_header.replace(f"<x>{ROWS}</x>", "<x>99999</x>"), "matrix"),
        "a huge matrix": (good_header.replace(f"<x>{ROWS}</x>", "<x>65535</x>").replace(f"<y>{COLUMNS}</y>", "<y>65535</y>"), "bad.h5"),
        "a spiral": (good_header.replace("cartesian", "spiral"), "Cartesian"),
        "deep XML": ("<ismrmrdHeader>" * 10_000, "XML"),
        "entities": ('<!DOCTYPE a [<!ENTITY b "' + "x" * 9999 + '">' + "".join(f'<!ENTITY b{i} "{"&b;" * 99}">' for i in range(9)) + "]>" + good_header, "bad.h5"),
    }  # fmt: skip
    result += [Case("ismrmrd", name, recon("bad.h5"), {"bad.h5": lambda path, xml=xml: raw(path, xml=xml or " ")}, mentions=(word,))
               for name, (xml, word) in xmls.items()]  # fmt: skip
    for name, arguments, word in [("axes named", ["--dimensions", "row,column"], "says itself"),
                                  ("no such slice", ["--slice", "3"], "no slice 3"),
                                  ("no noise lines", ["--prewhiten"], "no noise lines")]:  # fmt: skip
        result.append(Case("ismrmrd", name, recon("bad.h5") + arguments, {"bad.h5": raw}, mentions=(word,)))
    noises = {
        "the same noise in all coils": np.full((1, COILS, 16), 9e3),
        "fewer noise samples than coils": np.ones((1, COILS, 1)),
        "noise that is not finite": np.full((1, COILS, 16), np.nan),
        "no noise": np.zeros((1, COILS, 16)),
        "noise of fewer coils": np.ones((1, COILS - 1, 16)),
    }
    for name, noise in noises.items():
        result.append(Case("ismrmrd", name, recon("bad.h5") + ["--prewhiten"],
                           {"bad.h5": lambda path, noise=noise: ismrmrd(path, kspace, noise=noise)},
                           mentions=("noise" if noise.shape[1] == COILS else "acquisition 0",)))  # fmt: skip
    result.append(Case("npy", "noise lines asked of an array", recon("bad.npy") + ["--prewhiten"],
                       {"bad.npy": lambda path: np.save(path, kspace)}, mentions=("--prewhiten",)))  # fmt: skip
    return result


def hdf5_cases():
    def write(body):
        def save(path):
            with h5py.File(path, "w") as file:
                body(file)

        return save

    def external(file):
        file["kspace"] = h5py.ExternalLink("/etc/hostname", "x")

    def huge(file):
        file.create_dataset("kspace", (1 << 20, 1 << 14), np.complex64, chunks=(1, 1024))

    def newer(path):
        with h5py.File(path, "w", libver="latest") as file:
            file["kspace"] = kspace

    def virtual(file):
        layout = h5py.VirtualLayout(volume.shape, volume.dtype)
        layout[:] = h5py.VirtualSource("other.h5", "kspace", volume.shape)
        file.create_virtual_dataset("kspace", layout)

    def loop(file):
        file["kspace"] = h5py.SoftLink("/kspace")

    bodies = {
        "nothing in it": lambda file: None,
        "a group": lambda file: file.create_group("kspace"),
        "text": lambda file: file.create_dataset("kspace", data="text"),
        "one number": lambda file: file.create_dataset("kspace", data=1.0),
        "six dimensions": lambda file: file.create_dataset("kspace", data=kspace[None, None]),
        "zero elements": lambda file: file.create_dataset("kspace", (0, 3, 3), np.complex64),
        "records": lambda file: file.create_dataset("kspace", data=np.zeros((3, 3), "i4,f4")),
        "a link to another file": external,
        "a link to itself": loop,
        "a huge array that is not stored": huge,
        "values in another file": lambda file: file.create_dataset(
            "kspace", data=volume, external=[("/dev/null", 0, h5py.h5f.UNLIMITED)]),
        "values of another file": virtual,
        "a filter of h5py's own": lambda file: file.create_dataset("kspace", data=kspace, compression="lzf"),
        "numbers that are no complex ones": lambda file: file.create_dataset(
            "k", data=np.zeros((3, 3), [("imag", "f4"), ("real", "f4")])),
        "two arrays": lambda file: [file.create_dataset(n, data=volume) for n in ("a", "b")],
    }
    cases = [Case("hdf5", "a newer format", recon("bad.h5"), {"bad.h5": newer}, mentions=("1.10",))]
    mentions = {"a link to another file": "link", "values in another file": "other files",
                "values of another file": "other files", "a filter of h5py's own": "32000, lzf"}  # fmt: skip
    return cases + [
        Case("hdf5", name, recon("bad.h5"), {"bad.h5": write(body)}, mentions=(mentions.get(name, ""),))
        for name, body in bodies.items()]  # fmt: skip


def other_cases():
    """BART, NIfTI and DICOM headers that cannot be; axes that do not fit."""
    values = kspace.tobytes()
    result = []
    headers = {"no dimensions": "", "text": "a b c", "negative": "-4 5", "zero": "0 5", "overflow": f"{1 << 62} 4 4",
               "more than the values": "12 10 1 2 1 1 1 1 1 1 3", "fewer than the values": "12 10", "one": "480",
               "maps": "12 10 1 2 2", "17 dimensions": "12 10 1 2 " + "1 " * 13 + "2"}  # fmt: skip
    for name, text in headers.items():
        result.append(Case("bart", name, recon("bad.cfl"), {"bad.hdr": f"# Dimensions\n{text}\n", "bad.cfl": values}))
    result.append(Case("bart", "no values", recon("bad.hdr"), {"bad.hdr": "# Dimensions\n12 10\n"}, mentions=("bad.cfl",)))
    result.append(Case("bart", "no header", recon("bad.cfl"), {"bad.cfl": values}))

    image = nibabel.Nifti1Image(volume, np.eye(4)).to_bytes()

    def patched(offset, kind, value):
        return image[:offset] + np.array(value, kind).tobytes() + image[offset + np.dtype(kind).itemsize :]

    niftis = {
        "no dimensions": patched(40, "<i2", 0), "eight dimensions": patched(40, "<i2", 8),
        "an extent of 0": patched(42, "<i2", 0), "a negative extent": patched(42, "<i2", -5),
        "more than its data": patched(42, "<i2", 30_000), "unknown type": patched(70, "<i2", 7777),
        "colours": patched(70, "<i2", 128), "an offset past the end": patched(108, "<f4", 1e9),
        "a negative offset": patched(108, "<f4", -1e9), "an offset of NaN": patched(108, "<f4", np.nan),
        "another header size": patched(0, "<i4", 347), "half": image[: len(image) // 2], "its header": image[:348],
        "a slope of NaN": patched(112, "<f4", np.nan),
    }  # fmt: skip
    for name, content in niftis.items():
        result.append(Case("nifti", name, recon("bad.nii"), {"bad.nii": content}, random=name in ("a slope of NaN", "a negative offset", "an offset of NaN")))

    def without(name):
        def save(path):
            dicom(path)
            data = pydicom.dcmread(path)
            delattr(data, name)
            data.save_as(path)

        return save

    dicoms = {
        "no pixels": without("PixelData"), "no rows": without("Rows"),
        "more rows than pixels": lambda path: dicom(path, Rows=500),
        "fewer rows than pixels": lambda path: dicom(path, Rows=5),
        "a million frames": lambda path: dicom(path, NumberOfFrames=1_000_000),
        "minus one frame": lambda path: dicom(path, NumberOfFrames=-1),
        "colours": lambda path: dicom(path, SamplesPerPixel=3),
        "32 bits": lambda path: dicom(path, BitsAllocated=32),
        "20 of 16 bits": lambda path: dicom(path, BitsStored=20),
        "zeros": lambda path: dicom(path, np.zeros((8, 8), np.uint16)),
        "negative": lambda path: dicom(path, np.full((8, 8), 65_000, np.uint16), PixelRepresentation=1),
        "a slope of NaN": lambda path: dicom(path, RescaleSlope="NAN", RescaleIntercept="0"),
        "a preamble alone": bytes(128) + b"DICM",
    }  # fmt: skip
    for name, content in dicoms.items():
        result.append(Case("dicom", name, recon("bad.dcm"), {"bad.dcm": content}, random=name == "a slope of NaN"))

    axes = {"twice": "row,row,column,coil", "too few": "row,column", "no rows": "frame,coil,slice,column",
            "too many": "slice,frame,coil,row,column"}  # fmt: skip
    for name, text in axes.items():
        arguments = recon("bad.npy") + ["--dimensions", text]
        result.append(Case("axes", name, arguments, {"bad.npy": lambda path: np.save(path, kspace)}))
    arguments = recon("bad.npy") + ["--dimensions", "row,colum"]
    result.append(Case("axes", "misspelt", arguments, {"bad.npy": lambda path: np.save(path, kspace)}, 64, ("colum",)))
    arguments = recon("bad.nii") + ["--dimensions", "row,column,coil"]
    result.append(Case("axes", "coils of magnitudes", arguments, {"bad.nii": image}))
    return result


def cut_and_mutated(files, seed, count):
    """Every file cut at many places, and with bytes changed."""
    source = random.Random(f"{seed} scans")
    result = []
    for path in files:
        data = path.read_bytes()
        others = {p.name: p.read_bytes() for p in files if p.stem == "bart" and path.stem == "bart"}
        for share in (0, 0.02, 0.1, 0.3, 0.5, 0.8, 0.95, 0.999):
            files_now = others | {path.name: data[: int(len(data) * share)]}
            # A text header that lost its last line's end is whole; DICOM's pixels may come last.
            is_whole = path.suffix == ".hdr" and share > 0.2
            result.append(Case(path.suffix + " cut", f"{path.name} at {share}", recon(path.name), files_now,
                               random=is_whole, mentions=(path.name, "bart")))  # fmt: skip
        for number in range(count):
            changed = bytearray(data)
            reach = len(data) if number % 2 else min(len(data), 4096)
            for _ in range(source.choice((1, 2, 4, 16))):
                changed[source.randrange(reach)] = source.choice((0, 1, 0x7F, 0x80, 0xFF, source.randrange(256)))
            result.append(Case(path.suffix + " at random", f"{path.name} {number}", recon(path.name),
                               others | {path.name: bytes(changed)}, random=True, mentions=(path.name, "bart")))  # fmt: skip
    return result


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 12
    folder = pathlib.Path(tempfile.mkdtemp(prefix="rephase-scans."))
    folder.chmod(0o755)
    runner.limit_this_process()
    files = good(folder / "good")
    cases = spoiled_values() + raw_cases() + hdf5_cases() + other_cases()
    fixed = len(cases)
    cases += cut_and_mutated(files, seed, count)
    outcomes = runner.run_all(cases, folder / "cases")
    kinds = collections.Counter()
    for outcome in outcomes:
        kinds[outcome.case.kind, "valid" if outcome.valid else "failed" if outcome.complaints else "refused"] += 1
        if outcome.complaints:
            print(f"FAILED {outcome.case.kind}: {outcome.case.name}: {'; '.join(outcome.complaints)}")
            print(f"  {outcome.command}")
            print("".join(f"  | {line[:200]}\n" for line in outcome.error.split("\n")[:6] if line), end="")
    for (kind, what), number in sorted(kinds.items()):
        print(f"{kind:20} {number:4} {what}")
    failed = sum(bool(outcome.complaints) for outcome in outcomes)
    print(f"{len(outcomes)} scans, seed {seed}, {fixed} of them by hand; {failed} failed")
    if failed:
        sys.exit(f"error: {failed} scans were not refused as they should be; see {folder}")
    shutil.rmtree(folder)


main()
