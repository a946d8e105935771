"""The report of gpu-check as a table: no GPU is needed for it."""

LABELS = dict(
    gpu="GPU", capability="compute capability", cuda_of_driver="CUDA of the driver", torch="PyTorch",
    cuda_of_torch="CUDA of PyTorch", cudnn="cuDNN", onnxruntime="ONNX Runtime")
COLUMNS = (
    "network", "batch", "precision class", "what", "median µs", "best µs", "fastest peer / this", "error, 2^-23",
    "promise", "code")


def is_ours(row):
    return "precision" in row


def fastest_peer(report, row):
    """Median of the fastest peer of the same network, batch and precision class, or None."""
    times = [
        other["median_us"] for other in report["rows"]
        if not is_ours(other) and "median_us" in other
        and all(other[key] == row[key] for key in ("network", "batch", "kind"))]
    return min(times, default=None)


def code(row):
    """What ran: machine code or PTX, and how it was launched."""
    if "code" not in row:
        return ""
    loaded = f"machine code ({row['ptxas']})" if row["code"] else "PTX"
    refused = f", refused as {row['code_error']}" if row["code_error"] else ""
    launch = "graph" if row["graph"] else f"launches (graph: error {row['graph_error']})"
    return f"{loaded}{refused}; {launch}"


def cells(report, row):
    peer = fastest_peer(report, row) if is_ours(row) and "median_us" in row else None
    ratio = f"{peer / row['median_us']:.2f}" if peer else ""
    times = [f"{row[key]:.1f}" if key in row else "-" for key in ("median_us", "best_us")]
    error = row["problem"] if "problem" in row else f"{row['ulps']:.1f}"
    promise = f"{row['promise']:g}" if "promise" in row else ""
    return [
        row["network"], str(row["batch"]), row["kind"], row.get("what", row.get("name")), *times, ratio, error, promise,
        code(row)]


def markdown(report):
    """One line for each contestant, the fastest of a group first."""
    versions = [f"{label} {report['versions'].get(key) or 'none'}" for key, label in LABELS.items()
                if key in report["versions"]]
    lines = [
        "; ".join(versions) + ".", "",
        f"Medians of {report['rounds']} rounds in turns, by CUDA events around runs that follow each other, on tensors on "
        "the GPU. Promises are ours.", "",
        "| " + " | ".join(COLUMNS) + " |", "| --- " * len(COLUMNS) + "|"]
    order = sorted(
        report["rows"],
        key=lambda row: (row["network"], row["batch"], row["kind"], row.get("median_us", float("inf")), row.get("what", "")))
    lines += ["| " + " | ".join(cells(report, row)).replace("\n", " ") + " |" for row in order]
    return "\n".join(lines) + "\n"


def problems(report):
    """Sentences about what is wrong."""
    ours = [row for row in report["rows"] if is_ours(row)]
    found = []
    for row in ours:
        name = f"{row['network']}, batch {row['batch']}, {row['precision']}" + (", tuned" if row.get("tuned") else "")
        if "problem" in row:
            found.append(f"{name}: cannot run here: {row['problem']}")
            continue
        if not row["ulps"] <= row["promise"]:
            found.append(f"{name}: the error {row['ulps']:.1f} is past the promise of {row['promise']:g}")
        if row["selftest"]:
            found.append(f"{name}: self-test: {row['selftest']}")
    if not ours:
        found.append("nothing was run")
    return found
