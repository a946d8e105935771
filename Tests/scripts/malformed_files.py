"""Malformed weights (safetensors), arrays (npy, npz) and compiled libraries."""

import io
import json
import random
import shutil
import struct
import zipfile

import numpy as np
from malformed_ir import NETWORK
from malformed_runner import Case


def cases(base, seed, count):
    result = _weights(base) + _weights_of_others(base) + _arrays(base) + _archives(base)
    result += _scans(base) + _libraries(base)
    source = random.Random(f"{seed} files")
    for number in range(count):
        damaged = _flipped(base.bytes("w.safetensors"), source, 3000)
        result.append(Case("safetensors at random", str(number), _run_weights(base), {"bad.safetensors": damaged}, random=True))
        damaged = _flipped(base.bytes("x.npy"), source, 128)
        result.append(Case("npy at random", str(number), _run_input(base), {"bad.npy": damaged}, random=True))
        damaged = _flipped(_npz(base, bool(number % 2)), source, 2000)
        result.append(Case("npz at random", str(number), _recon("bad.npz"), {"bad.npz": damaged}, random=True))
    return result


def _flipped(data, source, reach):
    """Some of the first bytes changed, and now and then a cut."""
    data = bytearray(data)
    for _ in range(source.randint(1, 6)):
        data[source.randrange(min(reach, len(data)))] = source.randrange(256)
    return bytes(data[: source.randrange(len(data))] if source.random() < 0.3 else data)


def _run_weights(base, model=NETWORK, weights="bad.safetensors"):
    return ["run", *model, "--weights", weights, "--input", base.path("x.npy"), "-o", "{out}/y.npy"]


def _run_input(base, name="bad.npy"):
    return ["run", *NETWORK, "--weights", base.path("w.safetensors"), "--input", name, "-o", "{out}/y.npy"]


def _recon(name, *options):
    return ["recon", name, "--model", "none", "--mask", "none", "--quiet", *options, "-o", "{out}/y.npy"]


def _split(data):
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def _safetensors(header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _weights(base):
    """Safetensors files that break a rule of the format each."""
    whole = base.bytes("w.safetensors")
    header, data = _split(whole)
    text = json.dumps(header).encode()
    first = "head.bias"

    def edited(**fields):
        return _safetensors(header | {first: header[first] | fields}, data)

    deep = b'{"a":' * 20_000 + b"1" + b"}" * 20_000
    contents = {
        "empty": b"",
        "seven bytes": whole[:7],
        "its length alone": whole[:8],
        "half its header": whole[:300],
        "half its data": whole[: len(whole) - len(data) // 2],
        "one byte more": whole + b"\0",
        "header of 2^64 - 1 bytes": b"\xff" * 8 + whole[8:],
        "header of 2^63 bytes": struct.pack("<Q", 1 << 63) + whole[8:],
        "header of 200 MB": struct.pack("<Q", 200_000_000) + whole[8:],
        "header of 0 bytes": struct.pack("<Q", 0) + data,
        "header one byte short": struct.pack("<Q", len(text) - 1) + text + data,
        "a header that is a list": _safetensors(b"[1, 2]", data),
        "a header that is a number": _safetensors(b"1", data),
        "no UTF-8": _safetensors(text.replace(b"head", b"he\xff\xfe", 1), data),
        "a zero byte": _safetensors(text.replace(b"head", b"he\0d", 1), data),
        "deep JSON": _safetensors(deep, data),
        "deep lists": _safetensors(b'{"a":' + b"[" * 100_000, data),
        "the same name twice": _safetensors(b'{"head.bias":' + json.dumps(header[first]).encode() + b"," + text[1:], data),
        "offsets reversed": edited(data_offsets=[16, 0]),
        "offsets past the end": edited(data_offsets=[1 << 40, (1 << 40) + 16]),
        "offsets that overflow": edited(data_offsets=[(1 << 63) - 17, (1 << 63) - 1]),
        "offsets past 64 bits": edited(data_offsets=[1 << 64, (1 << 64) + 16]),
        "negative offsets": edited(data_offsets=[-16, 0]),
        "one offset": edited(data_offsets=[0]),
        "offsets of text": edited(data_offsets=["0", "16"]),
        "offsets that overlap": edited(data_offsets=header["head.weight"]["data_offsets"][:1] + [header["head.weight"]["data_offsets"][0] + 16]),
        "real offsets": edited(data_offsets=[0.5, 16.5]),
        "unknown element type": edited(dtype="F31"),
        "no element type": edited(dtype=None),
        "a shape that overflows": edited(shape=[1 << 62, 1 << 62]),
        "a negative shape": edited(shape=[-4]),
        "a shape of 0": edited(shape=[0]),
        "a shape of text": edited(shape="4"),
        "a shape of 10,000 dimensions": edited(shape=[1] * 10_000),
        "a shape that is not the offsets'": edited(shape=[5]),
        "metadata of numbers": _safetensors(header | {"__metadata__": {"network": 1}}, data),
        "metadata that is a list": _safetensors(header | {"__metadata__": []}, data),
        "100,000 tensors": _safetensors({f"t{i}": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]} for i in range(100_000)}, data),
    }
    return [Case("safetensors", name, _run_weights(base), {"bad.safetensors": content}) for name, content in contents.items()]


def _weights_of_others(base):
    """Well-formed files whose tensors are not the network's."""
    header, data = _split(base.bytes("w.safetensors"))
    plain = {name: entry for name, entry in header.items() if name != "__metadata__"}
    metadata = header["__metadata__"]
    values = np.frombuffer(data, np.float32)

    def written(tensors, **changes):
        position, fields, parts = 0, {"__metadata__": metadata | changes}, []
        for name, array in tensors.items():
            kind = {"float32": "F32", "float64": "F64", "int32": "I32", "bool": "BOOL"}[str(array.dtype)]
            end = position + array.nbytes
            fields[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [position, end]}
            parts.append(array.tobytes())
            position = end
        return _safetensors(fields, b"".join(parts))

    tensors = {}
    for name, entry in plain.items():
        start, end = entry["data_offsets"]
        tensors[name] = values[start // 4 : end // 4].reshape(entry["shape"])
    fewer = dict(list(tensors.items())[1:])
    other = tensors["head.weight"]
    contents = {
        "a tensor less": written(fewer),
        "a tensor more": written(tensors | {"extra": other}),
        "no tensors": written({}),
        "another shape": written(tensors | {"head.weight": other.reshape(1, 4, 3, 3)}),
        "another rank": written(tensors | {"head.weight": other.reshape(-1)}),
        "integers": written(tensors | {"head.weight": other.astype(np.int32)}),
        "truth values": written(tensors | {"head.weight": other > 0}),
        "metadata of another network": written(tensors, network="unet"),
        "metadata of no network": written(tensors, network="nobody"),
        "metadata with terminal codes": written(tensors, network="\x1b[2J\n\nerror: x"),
        "metadata of other settings": written(tensors, settings='{"filters": "8"}'),
        "metadata of junk settings": written(tensors, settings="{{{"),
        "metadata of deep settings": written(tensors, settings="[" * 100_000),
    }
    result = [Case("safetensors", name, _run_weights(base), {"bad.safetensors": content}) for name, content in contents.items()]
    for name in ["metadata of no network", "metadata of junk settings", "metadata with terminal codes"]:
        result.append(Case("safetensors", f"{name}, no MODEL", _run_weights(base, []), {"bad.safetensors": contents[name]}))
    result.append(Case("safetensors", "missing", _run_weights(base, weights="no.safetensors"), mentions=("no.safetensors",)))
    result.append(Case("safetensors", "a folder", _run_weights(base), {"bad.safetensors": lambda path: path.mkdir()}))
    result.append(Case("safetensors", "/dev/zero", _run_weights(base, weights="/dev/zero"), mentions=("/dev/zero",)))
    return result


def _npy(header, data=b"", version=b"\1\0"):
    text = header.encode() if isinstance(header, str) else header
    size = struct.pack("<H" if version[0] == 1 else "<I", len(text))
    return b"\x93NUMPY" + version + size + text + data


def _header(shape="(1, 1, 16, 16)", kind="'<f4'", order="False"):
    return f"{{'descr': {kind}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


def _arrays(base):
    """.npy files that break a rule of the format, or are not the network's input."""
    whole = base.bytes("x.npy")
    data = bytes(4 * 256)
    contents = {
        "empty": b"",
        "bad magic": b"\x93NUMPX" + whole[6:],
        "half": whole[: len(whole) // 2],
        "header alone": whole[:128],
        "half its header": whole[:40],
        "a byte more": whole + b"\0",
        "version 9": whole[:6] + b"\x09\0" + whole[8:],
        "a header longer than the file": _npy(_header(), data)[:8] + b"\xff\xff" + whole[10:],
        "a header of 4 GB": b"\x93NUMPY\2\0\xff\xff\xff\xff" + whole[12:],
        "header of junk": _npy("junk junk junk", data),
        "header of code": _npy("__import__('os').system('true')", data),
        "header of an open dictionary": _npy(_header()[:40], data),
        "header of deep brackets": _npy("{'descr': " + "(" * 30_000, data),
        "header without a shape": _npy("{'descr': '<f4', 'fortran_order': False}", data),
        "header with a shape twice": _npy(_header()[:-3] + "'shape': (2,)}", data),
        "header of zeros": _npy(bytes(100), data),
        "no UTF-8": _npy(b"\xff" * 60, data),
        "objects": _npy(_header(kind="'|O'"), data),
        "text": _npy(_header(kind="'<U4'"), data),
        "a structure": _npy(_header(kind="[('a', '<f4')]"), data),
        "an unknown type": _npy(_header(kind="'<q9'"), data),
        "a type of 1 GB": _npy(_header(kind="'|S1000000000'"), data),
        "complex numbers": _npy(_header("(1, 1, 16, 8)", "'<c8'"), data),
        "a shape that is larger": _npy(_header("(1, 1, 16, 17)"), data),
        "a shape that is smaller": _npy(_header("(1, 1, 16, 15)"), data),
        "a shape that overflows": _npy(_header(f"({2**62}, {2**62})"), data),
        "a shape past 64 bits": _npy(_header(f"({2**70},)"), data),
        "a huge shape": _npy(_header("(1, 1, 1000000, 65536)"), data),
        "a negative shape": _npy(_header("(-1, -1, -16, -16)"), data),
        "a shape of text": _npy(_header("'16'"), data),
        "an empty array": _npy(_header("(1, 1, 0, 16)")),
        "1,000 dimensions": _npy(_header("(" + "1, " * 1000 + ")"), data),
        "Fortran order, too short": _npy(_header("(1, 1, 16, 99)", order="True"), data),
        "an order of text": _npy(_header(order="'maybe'"), data),
        "three dimensions": _npy(_header("(1, 16, 16)"), data),
        "two channels": _npy(_header("(1, 2, 16, 8)"), data),
        "no batch": _npy(_header("(256,)"), data),
    }
    result = [Case("npy", name, _run_input(base), {"bad.npy": content}) for name, content in contents.items()]
    for name in ["empty", "half", "header of deep brackets", "objects", "a huge shape", "a shape that overflows"]:
        result.append(Case("npy", f"{name} (recon)", _recon("bad.npy"), {"bad.npy": contents[name]}))
    for name in ["missing.npy", "/dev/zero", "/dev/null", "."]:
        result.append(Case("npy", name, _run_input(base, name), mentions=(name,)))
        result.append(Case("npy", f"{name} (recon)", _recon(name), mentions=(name,)))
    return result


def _npz(base, compressed=False, name="images.npy", content=None):
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        archive.writestr(name, content or _image(base))
    return buffer.getvalue()


def _image(base):
    buffer = io.BytesIO()
    np.save(buffer, np.load(base.path("x.npy"))[0])
    return buffer.getvalue()


def _archives(base):
    """.npz files that break a rule of ZIP, or hold no scan."""
    stored, deflated = _npz(base), _npz(base, True)
    central, end = stored.index(b"PK\1\2"), stored.index(b"PK\5\6")

    def patched(data, at, value):
        return data[:at] + value + data[at + len(value) :]

    middle = deflated.index(b"PK\1\2")
    bomb = _npz(base, True, content=_npy(_header("(64, 4096, 4096)"), bytes(1 << 24)))
    contents = {
        "empty": b"",
        "no archive": b"PK\3\4" + bytes(300),
        "half": stored[: len(stored) // 2],
        "without its end": stored[:end],
        "no member": stored[end:].replace(stored[end + 8 : end + 20], bytes(12)),
        "bad CRC": patched(stored, 300, b"\xaa\xbb"),
        "bad CRC, deflated": patched(deflated, middle + 16, b"\0\0\0\0"),
        "damaged stream": patched(deflated, 100, b"\xff" * 200),
        "a size of 4 GB": patched(patched(deflated, 22, b"\xfe\xff\xff\xff"), middle + 24, b"\xfe\xff\xff\xff"),
        "a stored size of 4 GB": patched(stored, central + 20, b"\xfe\xff\xff\xff\xfe\xff\xff\xff"),
        "encrypted": patched(patched(stored, 6, b"\1\0"), central + 8, b"\1\0"),
        "unknown compression": patched(patched(stored, 8, b"\x63\0"), central + 10, b"\x63\0"),
        "a directory past the end": patched(stored, end + 16, b"\xff\xff\xff\x7f"),
        "a member past the end": patched(stored, central + 42, b"\xff\xff\xff\x7f"),
        "65,535 members": patched(stored, end + 8, b"\xff\xff\xff\xff"),
        "a name past the end": patched(stored, central + 28, b"\xff\xff"),
        "a bomb": bomb,
        "text inside": _npz(base, name="readme.txt", content=b"hello"),
        "a member of junk": _npz(base, content=b"junk"),
        "a member of objects": _npz(base, content=_npy(_header(kind="'|O'"), bytes(1024))),
    }
    result = [Case("npz", name, _recon("bad.npz"), {"bad.npz": content}) for name, content in contents.items()]
    named = _npz(base, name="../../evil.npy")
    result.append(Case("npz", "no such array", _recon("bad.npz", "--array", "nobody"), {"bad.npz": named}, mentions=("bad.npz", "nobody")))
    return result


def _scans(base):
    """Arrays that are no scan."""
    image = np.load(base.path("x.npy"))[0]

    def array(value):
        def write(path):
            copy = image.copy()
            copy[0, 3, 4] = value
            np.save(path, copy)
        return write

    contents = {
        "NaN": array(np.nan), "infinity": array(np.inf), "a negative value": array(-1),
        "all zero": lambda path: np.save(path, image * 0),
        "NaN in k-space": lambda path: np.save(path, (image * np.nan).astype(np.complex64)),
        "all zero k-space": lambda path: np.save(path, np.zeros((1, 16, 16), np.complex64)),
        "one number": lambda path: np.save(path, np.float32(1)),
        "one line": lambda path: np.save(path, image[0, 0]),
        "seven dimensions": lambda path: np.save(path, image.reshape(1, 1, 1, 1, 1, 16, 16)),
    }
    return [Case("scan", name, _recon("bad.npy"), {"bad.npy": content}) for name, content in contents.items()]


def _libraries(base):
    """Shared libraries that are none, are cut, or are of something else."""
    library = base.bytes("library/libtiny.so")

    def command(name):
        return ["run", name, "--input", base.path("x.npy"), "-o", "{out}/y.npy"]

    def libm(path):
        shutil.copy("/lib/x86_64-linux-gnu/libm.so.6", path)

    contents = {
        "no ELF": b"#!/bin/sh\n", "empty": b"", "four bytes": library[:4], "its header": library[:64],
        "half": library[: len(library) // 2], "a magic with junk": b"\x7fELF" + bytes(1000),
        "another library": libm, "an object": base.bytes("library/tiny.o"),
        "an archive": base.bytes("library/libtiny.a"), "a folder": lambda path: path.mkdir(),
        "its manifest's name alone": b"\x7fELF" + bytes(60) + b"tiny_manifest\0",
        "renamed functions": library.replace(b"tiny_workspace_bytes", b"tiny_workspace_bytez"),
    }
    result = [Case("library", name, command("bad.so"), {"bad.so": content}) for name, content in contents.items()]
    recon = ["recon", base.path("x.npy"), "--model", "bad.so", "-o", "{out}/y.npy"]
    for name in ["four bytes", "half", "another library"]:
        result.append(Case("library", f"{name} (recon)", recon, {"bad.so": contents[name]}))
    good = base.path("library/libtiny.so")
    result += [
        Case("library", "as a dump", ["emit", good, "-o", "{out}/x"], mentions=("libtiny.so",)),
        Case("library", "another input", ["run", good, "--input", "bad.npy", "-o", "{out}/y.npy"], {"bad.npy": lambda path: np.save(path, np.zeros((1, 1, 8, 8), np.float32))}, mentions=("bad.npy", "shape")),
        Case("library", "foreign weights", ["run", good, "--weights", "bad", "--input", base.path("x.npy"), "-o", "{out}/y.npy"], {"bad": b"junk"}, mentions=("bad", "weights")),
    ]
    return result
