"""One engine in a process of its own, told what to do by JSON lines on standard input.

bench_worker.py ENGINE CASE.json     answers {"ready": {"version", "layout"}}, in training also
                                     "first_loss", or
                                     {"unavailable": why} and ends; then to each line
  {"do": "run"}                      {"seconds": t}: one inference, after one that is not timed
  {"do": "output", "path": P}        {"done": true}: the output of the case's input, as a .npy
  {"do": "end"}                      {"peak_bytes": n}: peak resident memory, and ends
"""

import importlib.metadata
import io
import json
import os
import sys
import time

# Before anything that starts threads is imported: pools take their size from these.
with open(sys.argv[2], encoding="utf-8") as case_file:
    CASE = json.load(case_file)
os.sched_setaffinity(0, CASE["cores"])
for variable in ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"]:
    os.environ[variable] = str(CASE["threads"])

import numpy


def rephase():
    """The compiled library by ctypes, as any host calls it."""
    sys.path.insert(0, CASE["embedding"])
    import host

    library = host.Library(CASE["library"], CASE["name"])
    status = library.start(threads=CASE["threads"])
    if status != host.OK:
        raise RuntimeError(library.status_text(status).decode())
    return lambda x: library.outputs(x)[0], library.manifest["rephase"], "compiled library"


def onnxruntime():
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = CASE["threads"]
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        CASE["onnx"], options, providers=["CPUExecutionProvider"]
    )
    return lambda x: session.run(None, {"x": x})[0], onnxruntime.__version__, "all optimizations"


def openvino():
    import openvino

    core = openvino.Core()
    settings = {
        "INFERENCE_NUM_THREADS": CASE["threads"],
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    request = core.compile_model(CASE["onnx"], "CPU", settings).create_infer_request()
    # Answers may share the request's memory: agreement is checked before the next run.
    run = lambda x: request.infer([x], share_inputs=True, share_outputs=True)[0]
    return run, openvino.__version__.split("-")[0], "latency hint, float32"


def torch(compiled=False):
    import torch

    import bench_networks

    torch.set_num_threads(CASE["threads"])
    module = bench_networks.torch_module(CASE["net"], bench_networks.load_folded(CASE["folded"]))
    network = module.to(memory_format=torch.channels_last)
    if compiled:
        import torch._inductor.config

        torch._inductor.config.freezing = True
        network = torch.compile(network)

    def run(x):
        with torch.inference_mode():
            return network(torch.from_numpy(x).to(memory_format=torch.channels_last)).numpy()

    how = "weights frozen" if compiled else "inference mode"
    return run, torch.__version__, f"channels-last, {how}"


def torch_compile():
    return torch(compiled=True)


def jax():
    os.environ["JAX_PLATFORMS"] = "cpu"
    import jax

    import bench_networks

    weights = bench_networks.jax_parameters(bench_networks.load_folded(CASE["folded"]))
    parameters = jax.device_put(weights)
    function = jax.jit(bench_networks.jax_function(CASE["net"]))
    compiled = function.lower(parameters, jax.ShapeDtypeStruct(CASE["shape"], "float32")).compile()
    return lambda x: numpy.asarray(compiled(parameters, x)), jax.__version__, "jit, NHWC"


def iree():
    """From JAX's StableHLO, weights in it as constants; channels last took half the time of an ONNX import."""
    os.environ["JAX_PLATFORMS"] = "cpu"
    import iree.compiler
    import iree.runtime
    import jax

    import bench_networks

    weights = bench_networks.jax_parameters(bench_networks.load_folded(CASE["folded"]))
    network = bench_networks.jax_function(CASE["net"])
    lowered = jax.jit(lambda x: network(weights, x)).lower(
        jax.ShapeDtypeStruct(CASE["shape"], "float32")
    )
    stablehlo = io.BytesIO()
    lowered.compiler_ir("stablehlo").operation.write_bytecode(stablehlo)
    module = iree.compiler.compile_str(
        stablehlo.getvalue(), input_type="stablehlo", target_backends=["llvm-cpu"],
        extra_args=["--iree-llvmcpu-target-cpu=host", "--iree-opt-level=O3"],
    )  # fmt: skip
    iree.runtime.flags.parse_flags(
        f"--task_topology_cpu_ids={','.join(map(str, CASE['cores']))}"
    )
    driver = "local-sync" if CASE["threads"] == 1 else "local-task"
    context = iree.runtime.SystemContext(config=iree.runtime.Config(driver))
    context.add_vm_module(iree.runtime.VmModule.copy_buffer(context.instance, module))
    (name,) = (name for name in context.modules.keys() if name != "hal")
    main = context.modules[name]["main"]
    version = importlib.metadata.version("iree-base-compiler")
    return lambda x: numpy.asarray(main(x).to_host()), version, "NHWC, O3"


def halide():
    os.environ["HL_NUM_THREADS"] = str(CASE["threads"])
    import bench_halide
    import bench_networks

    weights = bench_networks.load_folded(CASE["folded"])
    build = lambda ops, x: bench_networks.build(CASE["net"], ops, x, weights)
    run = bench_halide.compiled(build, weights, CASE["shape"])
    return run, importlib.metadata.version("halide"), "NHWC, our schedule"


def train_torch(compiled=False):
    """One training step a run, on the case's input and its mirror image as target."""
    import torch
    from safetensors.numpy import load_file

    sys.path.insert(0, CASE["scripts"])
    import pytorch_training

    torch.set_num_threads(CASE["threads"])
    training = pytorch_training.Training(
        CASE["net"], load_file(CASE["weights"]), CASE["loss"], load_file(CASE["vgg"])
    )
    if compiled:
        training.predict = torch.compile(training.predict)

    def run(x):
        image = torch.from_numpy(x)
        return numpy.float32(training.step(image, image.flip(-1), 1e-3))

    return run, torch.__version__, "compiled forward and backward" if compiled else "eager"


def train_torch_compile():
    return train_torch(compiled=True)


def train_jax():
    os.environ["JAX_PLATFORMS"] = "cpu"
    import jax
    from safetensors.numpy import load_file

    import jax_training

    if CASE["loss"] not in jax_training.LOSSES:
        raise ImportError(f"the loss {CASE['loss']} is not written for JAX here")
    training = jax_training.Training(
        CASE["net"], load_file(CASE["weights"]), CASE["loss"], load_file(CASE["vgg"])
    )
    run = lambda x: numpy.float32(training.step(x, numpy.flip(x, -1), 1e-3))
    return run, jax.__version__, "jit, NHWC"


ENGINES = {
    "rephase": rephase,
    "onnxruntime": onnxruntime,
    "openvino": openvino,
    "torch": torch,
    "torch-compile": torch_compile,
    "jax": jax,
    "iree": iree,
    "halide": halide,
    "train-torch": train_torch,
    "train-torch-compile": train_torch_compile,
    "train-jax": train_jax,
}


def peak_bytes():
    """This program's own high-water mark; getrusage would count the parent's before exec."""
    with open("/proc/self/status", encoding="ascii") as file:
        (line,) = (line for line in file if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def serve(run, x, commands, answer):
    for line in commands:
        command = json.loads(line)
        if command["do"] == "run":
            run(x)
            start = time.perf_counter()
            run(x)
            answer({"seconds": time.perf_counter() - start})
        elif command["do"] == "output":
            numpy.save(command["path"], run(x))
            answer({"done": True})
        else:
            answer({"peak_bytes": peak_bytes()})
            return


def main(engine):
    # Libraries may print to standard output: only answers go to the real one.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(content):
        print(json.dumps(content), file=answers, flush=True)

    x = numpy.load(CASE["input"])
    try:
        run, version, layout = ENGINES[engine]()
    except ImportError as error:
        answer({"unavailable": f"{type(error).__name__}: {error}".splitlines()[0]})
        return
    first = run(x)
    ready = {"version": version, "layout": layout}
    if engine.startswith("train-"):
        ready["first_loss"] = float(first)
    answer({"ready": ready})
    serve(run, x, sys.stdin, answer)


if __name__ == "__main__":
    main(sys.argv[1])
