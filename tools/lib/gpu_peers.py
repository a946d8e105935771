"""PyTorch and ONNX Runtime on the GPU, for gpu-check: each variant is a function that puts a run into a stream."""

import contextlib
import ctypes
import sys

import bench_networks
import numpy

# What our precisions are compared with; others have no peer of their kind.
CLASSES = {"strict": "float32", "standard": "float32", "tf32": "tf32", "bf16": "bf16", "f16": "f16"}


def folded(folder, network):
    parts = numpy.load(folder / f"{network}-folded.npz")
    names = [key[: -len(".weight")] for key in parts.files if key.endswith(".weight")]
    return {name: (parts[name + ".weight"], parts[name + ".bias"]) for name in names}


def said(name, problem):
    print(f"{name} cannot run: {str(problem).strip().splitlines()[0]}", file=sys.stderr)


LAYOUTS = ("contiguous_format", "channels_last")


class Torch:
    """Variants of PyTorch in one stream; `none` says why there are none. Tests use the device "cpu"."""

    def __init__(self, device="cuda", compiled_layouts=LAYOUTS):
        self.none, self.device, self.compiled_layouts = None, device, compiled_layouts
        try:
            import torch
        except ImportError:
            self.none = "PyTorch is not installed"
            return
        self.torch = torch
        if device == "cpu":
            self.streaming = contextlib.nullcontext
            return
        if not torch.cuda.is_available():
            self.none = "PyTorch finds no GPU"
            return
        self.stream = torch.cuda.Stream()
        self.streaming = lambda: torch.cuda.stream(self.stream)
        self.handle = ctypes.c_void_p(self.stream.cuda_stream)
        torch.backends.cudnn.benchmark = True

    @property
    def versions(self):
        if self.none:
            return dict(torch=None)
        return dict(
            torch=self.torch.__version__, cuda_of_torch=self.torch.version.cuda,
            cudnn=str(self.torch.backends.cudnn.version()))

    def begin(self):
        """Before the variants of a network and batch: what was compiled for others would count against a limit."""
        if self.none:
            return
        import torch._dynamo as dynamo

        dynamo.reset()
        for name in ("cache_size_limit", "recompile_limit"):
            if hasattr(dynamo.config, name):
                setattr(dynamo.config, name, 64)

    def use(self, kind):
        """Sets what float32 convolutions may do; to be called before each timing, too."""
        allowed = kind == "tf32"
        backends = self.torch.backends
        backends.cudnn.allow_tf32 = backends.cuda.matmul.allow_tf32 = allowed
        # What torch.compile's own convolutions look at.
        backends.cudnn.fp32_precision = "tf32" if allowed else "ieee"

    def variants(self, folder, network, x, kind, compiled):
        """(name, function, output) of each, those of torch.compile or all others; the output is a NumPy array."""
        if self.none or kind not in CLASSES.values():
            return
        torch = self.torch
        dtype = {"bf16": torch.bfloat16, "f16": torch.float16}.get(kind, torch.float32)
        weights = folded(folder, network)
        makers = [("PyTorch eager", self.eager), ("PyTorch CUDA graph", self.graph)]
        if compiled:
            makers = [("torch.compile max-autotune", self.compiled)]
        for layout in self.compiled_layouts if compiled else LAYOUTS:
            form = dict(memory_format=getattr(torch, layout))
            with self.streaming():
                model = bench_networks.torch_module(network, weights).to(device=self.device, dtype=dtype, **form)
                image = torch.from_numpy(x).to(device=self.device, dtype=dtype).contiguous(**form)
            suffix = ", channels-last" if layout == "channels_last" else ""
            for name, make in makers:
                try:
                    with torch.inference_mode(), self.streaming():
                        self.use(kind)
                        function, output = make(model, image)
                        function()
                        result = output().float().contiguous().cpu().numpy()
                    yield f"{name}{suffix}", function, result
                except Exception as problem:  # a variant that cannot run here is left out, and said to be
                    said(f"{name}{suffix} {kind}", problem)

    def inferring(self, work):
        def run():
            with self.torch.inference_mode(), self.streaming():
                return work()

        return run

    def eager(self, model, image):
        run = self.inferring(lambda: model(image))
        return run, run

    def graph(self, model, image):
        for _ in range(3):
            model(image)
        self.stream.synchronize()
        graph = self.torch.cuda.CUDAGraph()
        with self.torch.cuda.graph(graph, stream=self.stream):
            output = model(image)
        return self.inferring(graph.replay), lambda: output

    def compiled(self, model, image):
        optimized = self.torch.compile(model, mode="max-autotune")
        run = self.inferring(lambda: optimized(image))
        for _ in range(3):
            run()
        return run, run


class OnnxRuntime:
    """ONNX Runtime's CUDA provider in a stream of ours, with and without a CUDA graph. Tests use the device "cpu"."""

    def __init__(self, driver, device="cuda"):
        self.none, self.driver, self.device = None, driver, device
        try:
            import onnxruntime
        except ImportError:
            self.none = "ONNX Runtime is not installed"
            return
        self.runtime = onnxruntime
        self.provider = "CUDAExecutionProvider" if device == "cuda" else "CPUExecutionProvider"
        if self.provider not in onnxruntime.get_available_providers():
            self.none = "this ONNX Runtime has no CUDA provider"
            return
        self.handle = driver.stream()

    def begin(self):
        pass

    def use(self, kind):
        pass

    @property
    def versions(self):
        return dict(onnxruntime=None if self.none else self.runtime.__version__)

    def variants(self, folder, network, x, kind, compiled):
        if self.none or compiled or kind not in ("float32", "tf32"):
            return
        for graph in (False, True):
            name = "ONNX Runtime" + (", CUDA graph" if graph else "")
            try:
                yield name, *self.session(folder / f"{network}-b{len(x)}.onnx", x, kind, graph)
            except Exception as problem:  # as with PyTorch
                said(f"{name} {kind}", problem)

    def session(self, path, x, kind, graph):
        runtime = self.runtime
        options = dict(
            user_compute_stream=str(self.handle.value), use_tf32=int(kind == "tf32"), enable_cuda_graph=int(graph),
            cudnn_conv_algo_search="EXHAUSTIVE")
        if self.device == "cpu":
            options = {}
        session = runtime.InferenceSession(str(path), providers=[(self.provider, options)])
        binding = session.io_binding()
        image = runtime.OrtValue.ortvalue_from_numpy(x, self.device, 0)
        output = runtime.OrtValue.ortvalue_from_numpy(numpy.zeros_like(x), self.device, 0)
        binding.bind_ortvalue_input(session.get_inputs()[0].name, image)
        binding.bind_ortvalue_output(session.get_outputs()[0].name, output)
        # As with the others, a run is only put into the stream.
        settings = runtime.RunOptions()
        settings.add_run_config_entry("disable_synchronize_execution_providers", "1")
        for _ in range(3):
            session.run_with_iobinding(binding, settings)
        self.driver.wait(self.handle)
        # The session and its tensors live as long as the function.
        return lambda: session.run_with_iobinding(binding, settings), output.numpy()
