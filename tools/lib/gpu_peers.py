"""PyTorch and ONNX Runtime on the GPU, for gpu-check: each variant is a function that puts a run into a stream."""

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


class Torch:
    """Variants of PyTorch in one stream; `none` says why there are none."""

    def __init__(self, driver):
        self.none = None
        try:
            import torch
        except ImportError:
            self.none = "PyTorch is not installed"
            return
        if not torch.cuda.is_available():
            self.none = "PyTorch finds no GPU"
            return
        self.torch = torch
        self.stream = torch.cuda.Stream()
        torch.backends.cudnn.benchmark = True

    @property
    def versions(self):
        if self.none:
            return dict(torch=None)
        return dict(
            torch=self.torch.__version__, cuda_of_torch=self.torch.version.cuda,
            cudnn=str(self.torch.backends.cudnn.version()))

    def use(self, kind):
        """Sets what float32 convolutions may do; to be called before each timing, too."""
        allowed = kind == "tf32"
        self.torch.backends.cudnn.allow_tf32 = self.torch.backends.cuda.matmul.allow_tf32 = allowed

    def variants(self, folder, network, x, kind):
        """(name, function, output) of each; the output is a NumPy array."""
        if self.none or kind not in CLASSES.values():
            return
        torch = self.torch
        dtype = {"bf16": torch.bfloat16, "f16": torch.float16}.get(kind, torch.float32)
        weights = folded(folder, network)
        for layout in ("contiguous_format", "channels_last"):
            form = dict(memory_format=getattr(torch, layout))
            model = bench_networks.torch_module(network, weights).cuda().to(dtype=dtype, **form)
            image = torch.from_numpy(x).cuda().to(dtype=dtype, **form)
            suffix = ", channels-last" if layout == "channels_last" else ""
            for name, make in (
                    ("PyTorch eager", self.eager), ("PyTorch CUDA graph", self.graph),
                    ("torch.compile max-autotune", self.compiled)):
                try:
                    with torch.inference_mode(), torch.cuda.stream(self.stream):
                        self.use(kind)
                        function, output = make(model, image)
                        function()
                        result = output().float().contiguous().cpu().numpy()
                    yield f"{name}{suffix}", function, result
                except Exception as problem:  # a variant that cannot run here is left out, and said to be
                    said(f"{name}{suffix} {kind}", problem)

    def inferring(self, work):
        def run():
            with self.torch.inference_mode(), self.torch.cuda.stream(self.stream):
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
    """ONNX Runtime's CUDA provider in a stream of ours, with and without a CUDA graph."""

    def __init__(self, driver):
        self.none, self.driver = None, driver
        try:
            import onnxruntime
        except ImportError:
            self.none = "ONNX Runtime is not installed"
            return
        self.runtime = onnxruntime
        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            self.none = "this ONNX Runtime has no CUDA provider"
            return
        self.stream = driver.stream()

    @property
    def versions(self):
        return dict(onnxruntime=None if self.none else self.runtime.__version__)

    def variants(self, folder, network, x, kind):
        if self.none or kind not in ("float32", "tf32"):
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
            user_compute_stream=str(self.stream.value), use_tf32=int(kind == "tf32"), enable_cuda_graph=int(graph),
            cudnn_conv_algo_search="EXHAUSTIVE")
        session = runtime.InferenceSession(str(path), providers=[("CUDAExecutionProvider", options)])
        binding = session.io_binding()
        image = runtime.OrtValue.ortvalue_from_numpy(x, "cuda", 0)
        output = runtime.OrtValue.ortvalue_from_numpy(numpy.zeros_like(x), "cuda", 0)
        binding.bind_ortvalue_input(session.get_inputs()[0].name, image)
        binding.bind_ortvalue_output(session.get_outputs()[0].name, output)
        for _ in range(3):
            session.run_with_iobinding(binding)
        self.driver.wait(self.stream)
        # The session and its tensors live as long as the function.
        return lambda: session.run_with_iobinding(binding), output.numpy()
