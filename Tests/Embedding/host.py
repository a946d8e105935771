"""A Python host of a compiled library by ctypes, with the C interface as N.h gives it.

host.py LIBRARY NAME INPUT.f32 OUTPUT.f32 THREADS runs it as host.c does.
"""

import ctypes
import json
import sys

import numpy

OK = 0


class Options(ctypes.Structure):
    """rephase_options."""

    _fields_ = [
        ("size", ctypes.c_size_t),
        ("threads", ctypes.c_uint32),
        ("device", ctypes.c_uint32),
        ("parallel_for", ctypes.c_void_p),
        ("parallel_user", ctypes.c_void_p),
    ]


def aligned(count, alignment=64):
    """Zero bytes at an aligned address."""
    memory = numpy.zeros(count + alignment, dtype=numpy.uint8)
    start = -memory.ctypes.data % alignment
    return memory[start : start + count]


class Library:
    """One model in a shared library; weights are bytes where they are separate."""

    def __init__(self, path, name):
        self.name = name
        self.library = ctypes.CDLL(str(path))
        size, pointer, status = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int
        self._declare("manifest", ctypes.c_char_p)
        for function in ["workspace_bytes", "workspace_alignment", "context_bytes"]:
            self._declare(function, size)
        self._declare("create", status, pointer, size, pointer, size, ctypes.POINTER(Options))
        self._declare("run", status, pointer, pointer, pointer, pointer, size)
        self._declare("selftest", status, pointer, pointer, size)
        self._declare("status_text", ctypes.c_char_p, status)
        self._declare("destroy", None, pointer)
        self.manifest = json.loads(self.manifest())
        self.workspace = aligned(self.workspace_bytes(), self.workspace_alignment())
        self.context = None
        self.weights = None

    def _declare(self, function, result, *arguments):
        symbol = getattr(self.library, f"{self.name}_{function}")
        symbol.restype, symbol.argtypes = result, list(arguments)
        setattr(self, function, symbol)

    def start(self, threads=1, weights=None):
        """Makes the context; returns the status."""
        options = Options(ctypes.sizeof(Options), threads, 0, None, None)
        self.context = aligned(self.context_bytes())
        address, count = None, 0
        if weights is not None:
            self.weights = aligned(len(weights))
            self.weights[:] = numpy.frombuffer(weights, dtype=numpy.uint8)
            address, count = self.weights.ctypes.data, len(weights)
        return self.create(
            self.context.ctypes.data, self.context.size, address, count, ctypes.byref(options)
        )

    def check(self):
        """The status of the self-test."""
        return self.selftest(
            self.context.ctypes.data, self.workspace.ctypes.data, self.workspace.size
        )

    def outputs(self, *inputs):
        """The outputs of a run; raises where it fails."""
        arrays = [numpy.ascontiguousarray(array, dtype=numpy.float32) for array in inputs]
        wanted = [tuple(tensor["shape"]) for tensor in self.manifest["inputs"]]
        if [array.shape for array in arrays] != wanted:
            raise ValueError(f"inputs must be {wanted}")
        results = [
            numpy.full(tensor["shape"], numpy.nan, dtype=numpy.float32)
            for tensor in self.manifest["outputs"]
        ]
        pointers = [
            (ctypes.c_void_p * len(some))(*[array.ctypes.data for array in some])
            for some in (arrays, results)
        ]
        status = self.run(
            self.context.ctypes.data, *pointers, self.workspace.ctypes.data, self.workspace.size
        )
        if status != OK:
            raise RuntimeError(self.status_text(status).decode())
        return results

    def stop(self):
        self.destroy(self.context.ctypes.data)


def main(path, name, source, destination, threads):
    library = Library(path, name)
    for status in (library.start(threads=int(threads)), library.check()):
        if status != OK:
            sys.exit(f"error: {library.status_text(status).decode()}")
    shape = library.manifest["inputs"][0]["shape"]
    (output,) = library.outputs(numpy.fromfile(source, dtype=numpy.float32).reshape(shape))
    output.tofile(destination)
    library.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
