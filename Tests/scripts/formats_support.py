"""Writers of MR formats for the tests: each as its own documentation has it."""

import re

import h5py
import numpy as np

NOISE, NAVIGATOR, REVERSE = 1 << 18, 1 << 22, 1 << 21
PHASE_CORRECTION, DUMMY, CALIBRATION = 1 << 23, 1 << 26, 1 << 19

COUNTERS = ["kspace_encode_step_1", "kspace_encode_step_2", "average", "slice", "contrast", "phase",
            "repetition", "set", "segment"]  # fmt: skip
HEAD = np.dtype([
    ("version", "<u2"), ("flags", "<u8"), ("measurement_uid", "<u4"), ("scan_counter", "<u4"),
    ("acquisition_time_stamp", "<u4"), ("physiology_time_stamp", "<u4", 3),
    ("number_of_samples", "<u2"), ("available_channels", "<u2"), ("active_channels", "<u2"),
    ("channel_mask", "<u8", 16), ("discard_pre", "<u2"), ("discard_post", "<u2"),
    ("center_sample", "<u2"), ("encoding_space_ref", "<u2"), ("trajectory_dimensions", "<u2"),
    ("sample_time_us", "<f4"), ("position", "<f4", 3), ("read_dir", "<f4", 3),
    ("phase_dir", "<f4", 3), ("slice_dir", "<f4", 3), ("patient_table_position", "<f4", 3),
    ("idx", np.dtype([(name, "<u2") for name in COUNTERS] + [("user", "<u2", 8)])),
    ("user_int", "<i4", 8), ("user_float", "<f4", 8)])  # fmt: skip
ACQUISITION = np.dtype(
    [("head", HEAD), ("traj", h5py.vlen_dtype(np.float32)), ("data", h5py.vlen_dtype(np.float32))])


def header(encoded, recon, trajectory="cartesian", mode="embedded", acceleration=1):
    """An ISMRMRD header of matrices (x, y, z), 2 mm apart."""

    def space(name, matrix):
        def sizes(scale):
            return "".join(f"<{a}>{m * scale}</{a}>" for a, m in zip("xyz", matrix))

        return (f"<{name}><matrixSize>{sizes(1)}</matrixSize>"
                f"<fieldOfView_mm>{sizes(2.0)}</fieldOfView_mm></{name}>")  # fmt: skip

    return (
        '<?xml version="1.0"?><ismrmrdHeader xmlns="http://www.ismrm.org/ISMRMRD"><encoding>'
        + space("encodedSpace", encoded) + space("reconSpace", recon)
        + f"<trajectory>{trajectory}</trajectory><parallelImaging><accelerationFactor>"
        + f"<kspace_encoding_step_1>{acceleration}</kspace_encoding_step_1></accelerationFactor>"
        + f"<calibrationMode>{mode}</calibrationMode></parallelImaging>"
        + "</encoding></ismrmrdHeader>")  # fmt: skip


def _along_rows(data, transform):
    shifted = np.fft.ifftshift(data, axes=-2)
    return np.fft.fftshift(transform(shifted, axis=-2, norm="ortho"), axes=-2)


def _record(samples, counters, flags=0, centre=None, discard=(0, 0)):
    """One acquisition of samples [coil, sample]; the centre counts in the order of k-space, what is discarded in that of
    acquisition."""
    centre = samples.shape[1] // 2 if centre is None else centre
    before, after = discard
    centre += after if flags & REVERSE else before
    samples = np.pad(samples, [(0, 0), discard], constant_values=99 + 9j)
    record = np.zeros(1, ACQUISITION)[0]
    record["head"]["discard_pre"], record["head"]["discard_post"] = discard
    record["head"]["version"] = 1
    record["head"]["flags"] = flags
    record["head"]["number_of_samples"] = samples.shape[1]
    record["head"]["active_channels"] = record["head"]["available_channels"] = len(samples)
    record["head"]["center_sample"] = centre
    for name, value in counters.items():
        record["head"]["idx"][name] = value
    record["traj"] = np.zeros(0, np.float32)
    record["data"] = samples.astype(np.complex64).ravel().view(np.float32)
    return record


def write_ismrmrd(path, xml, records, group="dataset"):
    """Beside what the file holds in other groups, where the group is not the usual one."""
    with h5py.File(path, "w" if group == "dataset" else "a") as file:
        rows = np.zeros(len(records), ACQUISITION)
        for i, record in enumerate(records):
            rows[i] = record
        file[f"{group}/data"] = rows
        file[group].create_dataset("xml", data=np.array([xml], object), dtype=h5py.string_dtype())


def one_frame(path, kspace, group):
    """[coil, row, column], in a group beside others."""
    _, rows, columns = kspace.shape
    records = [_record(kspace[:, :, column], {"kspace_encode_step_1": column}) for column in range(columns)]
    write_ismrmrd(path, header((rows, columns, 1), (rows, columns, 1)), records, group)


def two_encodings(path, kspace):
    """One frame, [coil, row, column], all central lines for calibration too, and another encoding with a scan apart."""
    _, rows, columns = kspace.shape
    first = re.sub("<parallelImaging>.*</parallelImaging>", "", header((rows, columns, 1), (rows, columns, 1)))
    second = header((8, 8, 1), (8, 8, 1), mode="separate", acceleration=2)
    second = second[second.index("<encoding>") :]
    records = []
    for column in range(columns):
        flags = CALIBRATION if abs(column - columns // 2) < 4 else 0
        records.append(_record(kspace[:, :, column], {"kspace_encode_step_1": column}, flags))
    for column in range(8):
        records.append(_record(kspace[:, :8, column], {"kspace_encode_step_1": column}))
        records[-1]["head"]["encoding_space_ref"] = 1
    write_ismrmrd(path, first.replace("</ismrmrdHeader>", second), records)


def ismrmrd(path, kspace, oversampling=1, counters=("phase",), counts=None, samples=None, centre=None,
            partitions=False, in_view=None, noise=None, discard=(0, 0), **options):  # fmt: skip
    """Writes [frame, coil, row, column] with rows along the readout; what a reader must find comes back.

    Every line comes twice, as 1.5 and 0.5 times itself: averages. Noise and navigator lines, which are more than that,
    stand between.
    `partitions`: frames are the second phase encoding, of which `in_view` images lie in the field of view. `noise`: the noise scan, [line, coil, sample]. `discard`: samples
    before and after each line that mean nothing.
    """
    frames, coils, rows, columns = kspace.shape
    wanted = kspace.astype(complex)
    full = wanted
    if oversampling > 1:
        image = _along_rows(wanted, np.fft.ifft)
        border = rows * (oversampling - 1) // 2
        pad = np.random.default_rng(1).normal(size=(frames, coils, border, columns))
        full = _along_rows(np.concatenate([pad, image, pad], axis=-2), np.fft.fft)
    length = full.shape[-2]
    if samples:
        start = length // 2 - centre
        outside = np.ones(length, bool)
        outside[start : start + samples] = False
        wanted = full.copy()
        wanted[:, :, outside] = 0
    first = length // 2 - centre if samples else 0
    counts = counts or (frames,)
    noise = np.full((1, coils, 16), 9e3) if noise is None else noise
    records = [_record(line, {}, NOISE) for line in noise]
    for frame in range(frames):
        indices = np.unravel_index(frame, counts)
        where = {"kspace_encode_step_2": frame} if partitions else dict(zip(counters, indices))
        records.append(_record(np.full((coils, 16), 9e3), where, NAVIGATOR | PHASE_CORRECTION | DUMMY))
        for column in range(columns):
            line = full[frame, :, first : first + (samples or length), column]
            where["kspace_encode_step_1"] = column
            for average, factor in enumerate((1.5, 0.5)):
                flags, shown = (REVERSE, line[:, ::-1]) if average and not samples else (0, line)
                records.append(_record(
                    shown * factor, where | {"average": average}, flags, centre, discard))  # fmt: skip
    depth = frames if partitions else 1
    xml = header((length, columns, depth), (rows, columns, in_view or depth), **options)
    write_ismrmrd(path, xml, records)
    if partitions:
        shifted = np.fft.ifft(np.fft.ifftshift(wanted, axes=0), axis=0, norm="ortho")
        first = depth // 2 - (in_view or depth) // 2
        wanted = np.fft.fftshift(shifted, axes=0)[first : first + (in_view or depth)]
    return wanted


def fastmri(path, kspace, size):
    """[slice, coil, row, column], or without coils; `size` is what images are cut to."""
    rows, columns = kspace.shape[-2:]
    with h5py.File(path, "w") as file:
        file["kspace"] = kspace
        file["ismrmrd_header"] = header((rows, columns, 1), (*size, 1)).encode()
        file["reconstruction_rss"] = np.ones((len(kspace), *size), np.float32)
        file.attrs["acquisition"] = "AXT1"


def save_matlab73(path, name, array):
    """As MATLAB's save -v7.3: HDF5 behind 512 bytes, dimensions reversed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        data = array.T
        if np.iscomplexobj(data):
            kind = np.dtype([("real", data.real.dtype), ("imag", data.real.dtype)])
            parts = np.zeros(data.shape, kind)
            parts["real"], parts["imag"] = data.real, data.imag
            data = parts
        file[name] = data
        file[name].attrs["MATLAB_class"] = np.bytes_("single")
    with open(path, "r+b") as file:
        text = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created on: Thu Jan  1 00:00:00 2026"
        file.write(text.ljust(124) + b"\x00\x02IM")


def save_bart(path, kspace):
    """[frame, coil, row, column] as BART has it: read, phase, partition, coil, then time as dimension 10."""
    frames, coils, rows, columns = kspace.shape
    extents = [rows, columns, 1, coils] + [1] * 6 + [frames] + [1] * 5
    path.with_suffix(".hdr").write_text("# Dimensions\n" + " ".join(map(str, extents)) + "\n")
    kspace.transpose(2, 3, 1, 0).astype(np.complex64).ravel(order="F").tofile(path.with_suffix(".cfl"))
