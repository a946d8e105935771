"""NVIDIA's driver by ctypes, and compiled models on it: memory, streams, events."""

import ctypes
import json

import numpy

CAPABILITY = (75, 76)


class Driver:
    """The first GPU, with its primary context made current where one is asked for; exits where no driver or GPU is."""

    def __init__(self, context=True):
        try:
            self.library = ctypes.CDLL("libcuda.so.1")
        except OSError:
            raise SystemExit("NVIDIA's driver (libcuda.so.1) cannot be loaded: run this on a machine with a GPU")
        self.device, count = ctypes.c_int(), ctypes.c_int()
        if self.library.cuInit(0) or self.library.cuDeviceGetCount(ctypes.byref(count)) or count.value == 0:
            raise SystemExit("the NVIDIA driver finds no GPU")
        self.call("cuDeviceGet", ctypes.byref(self.device), 0)
        if context:
            self.enter()

    def enter(self):
        context = ctypes.c_void_p()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), self.device)
        self.call("cuCtxPushCurrent_v2", context)

    def call(self, name, *arguments):
        result = getattr(self.library, name)(*arguments)
        if result:
            raise RuntimeError(f"{name} gives error {result}")

    def attribute(self, number):
        value = ctypes.c_int()
        self.call("cuDeviceGetAttribute", ctypes.byref(value), number, self.device)
        return value.value

    @property
    def capability(self):
        """90 for compute capability 9.0."""
        major, minor = map(self.attribute, CAPABILITY)
        return 10 * major + minor

    @property
    def versions(self):
        name, version = ctypes.create_string_buffer(100), ctypes.c_int()
        self.call("cuDeviceGetName", name, 100, self.device)
        self.call("cuDriverGetVersion", ctypes.byref(version))
        return dict(gpu=name.value.decode(), cuda_of_driver=f"{version.value // 1000}.{version.value % 1000 // 10}")

    def stream(self):
        stream = ctypes.c_void_p()
        self.call("cuStreamCreate", ctypes.byref(stream), 1)
        return stream

    def wait(self, stream):
        self.call("cuStreamSynchronize", stream)

    def array(self, values, stream):
        """A copy of a NumPy array on the GPU: its address."""
        address = ctypes.c_uint64()
        self.call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(values.nbytes))
        self.write(address, values, stream)
        return address

    def write(self, address, values, stream):
        values = numpy.ascontiguousarray(values)
        self.call(
            "cuMemcpyHtoDAsync_v2", address, ctypes.c_void_p(values.ctypes.data), ctypes.c_size_t(values.nbytes), stream)
        self.wait(stream)

    def values(self, address, shape, stream):
        result = numpy.empty(shape, "f4")
        self.call(
            "cuMemcpyDtoHAsync_v2", ctypes.c_void_p(result.ctypes.data), address, ctypes.c_size_t(result.nbytes), stream)
        self.wait(stream)
        return result


class Stopwatch:
    """Times what is put into a stream, by events of the GPU."""

    def __init__(self, driver):
        self.driver, self.events = driver, []
        for _ in range(2):
            event = ctypes.c_void_p()
            driver.call("cuEventCreate", ctypes.byref(event), 0)
            self.events.append(event)

    def seconds(self, function, calls, stream):
        """Of one call, where `calls` follow each other."""
        begin, end = self.events
        self.driver.call("cuEventRecord", begin, stream)
        for _ in range(calls):
            function()
        self.driver.call("cuEventRecord", end, stream)
        self.driver.call("cuEventSynchronize", end)
        milliseconds = ctypes.c_float()
        self.driver.call("cuEventElapsedTime", ctypes.byref(milliseconds), begin, end)
        return milliseconds.value / 1e3 / calls


class Info(ctypes.Structure):
    """rephase_device_info."""

    _fields_ = [("size", ctypes.c_size_t)] + [
        (name, kind) for kind, names in (
            (ctypes.c_uint32, ("device", "capability", "code", "graph")),
            (ctypes.c_int32, ("code_error", "graph_error"))) for name in names]


class Library:
    """A compiled model through its C interface; RuntimeError where it cannot be used here."""

    def __init__(self, path, name):
        self.library, self.name = ctypes.CDLL(str(path)), name
        self.function("context_bytes").restype = ctypes.c_size_t
        for function in ("status_text", "manifest"):
            self.function(function).restype = ctypes.c_char_p
        size = self.function("context_bytes")()
        self.memory = ctypes.create_string_buffer(size + 16)
        self.context = ctypes.c_void_p((ctypes.addressof(self.memory) + 15) // 16 * 16)
        self.check(self.function("create")(self.context, ctypes.c_size_t(size), None, ctypes.c_size_t(0), None))

    def function(self, suffix):
        return getattr(self.library, f"{self.name}_{suffix}")

    def check(self, status):
        if status:
            raise RuntimeError(self.function("status_text")(status).decode())

    @property
    def manifest(self):
        return json.loads(self.function("manifest")())

    @property
    def info(self):
        info = Info(size=ctypes.sizeof(Info))
        self.check(self.function("device_info")(self.context, ctypes.byref(info)))
        return {name: getattr(info, name) for name, _ in Info._fields_ if name != "size"}

    def selftest(self):
        """A sentence, or None where it passes."""
        status = self.function("selftest")(self.context, None, ctypes.c_size_t(0))
        return self.function("status_text")(status).decode() if status else None

    def runner(self, x, y, stream):
        """Puts a run on addresses of the GPU into a stream."""
        inputs, outputs = (ctypes.c_void_p * 1)(x.value), (ctypes.c_void_p * 1)(y.value)
        run, context = self.function("run_device"), self.context
        return lambda: self.check(run(context, inputs, outputs, stream))
