"""The text table and the HTML page of tools/bench, from what bench.json holds."""

from html import escape

from bench_deployment import COLD_STARTS

HEADINGS = [
    "engine", "median ms", "best ms", "x fastest peer", "x rephase", "GFLOP/s", "FMA peak",
    "peak MiB", "error",
]  # fmt: skip
WIDTHS = [-14, 10, 9, 15, 10, 9, 9, 9, 9]
COLORS = {"rephase": "#b3371d"}
PEER_COLOR = "#5b7a99"
NOTES = [
    "Ratios are medians of the rounds' own ratios of times: more than 1 is slower.",
    "Every timed inference follows one that is not timed; engines take turns round by round.",
    "GFLOP/s counts direct convolution, two operations a multiply-add, over the median time.",
    "FMA peak is measured by `rephase bench --layers` on the same cores, before and after.",
    "Peak MiB is the worker's, which for every engine holds Python and NumPy too.",
    "Error is the largest difference from PyTorch in float64 over its largest value.",
    "Batch norm is folded into the convolutions for all engines.",
]


def title(case):
    plural = "" if case["threads"] == 1 else "s"
    return f"{case['net']}, batch {case['batch']}, {case['threads']} thread{plural}"


def subtitle(case):
    return (
        f"{case['gflop']:.2f} GFLOP, FMA peak {case['fma_peak_gflops']:.0f} GFLOP/s, "
        f"rephase compile {case['compile_s']:.1f} s"
    )


def mib(count):
    return f"{count / 2**20:.1f}"


def cells(row):
    """A row's columns; an engine without times has its reason in place of them."""
    if not row.get("times_s"):
        return [row["engine"], f"{row['status']}: {row.get('reason', '')}"]
    right = row["status"] == "ok"
    ratio = lambda key: f"{row[key]:.2f}" if key in row else "-" if right else row["status"]
    return [
        row["engine"], f"{row['median_s'] * 1e3:.2f}", f"{row['best_s'] * 1e3:.2f}",
        ratio("to_fastest_peer"), ratio("to_rephase"), f"{row['gflops']:.0f}",
        f"{row['peak_share'] * 100:.0f} %", mib(row["peak_bytes"]) if "peak_bytes" in row else "-",
        f"{row['error']:.1e}",
    ]  # fmt: skip


def cold_cells(row):
    name = f"{row['engine']} ({row['host']})"
    if "best_s" not in row:
        return [row["net"], name, f"{row['status']}: {row.get('reason', '')}"]
    return [row["net"], name, f"{row['best_s'] * 1e3:.1f}", mib(row["peak_bytes"])]


def size_cells(row):
    return [row["engine"], f"{row['bytes'] / 1e6:.1f}" if row["bytes"] else "-", row["what"]]


def engines_line(report):
    """Versions and settings, once for each engine that was there."""
    known = {}
    for case in report["cases"]:
        for row in case["engines"]:
            if "version" in row:
                known[row["engine"]] = f"{row['engine']} {row['version']} ({row['layout']})"
    return "; ".join(known.values())


def machine_line(report):
    machine = report["machine"]
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}; load "
        f"{machine['load_before']:.1f} before and {machine['load_after']:.1f} after"
    )


def aligned(columns, widths):
    padded = [f"{c:<{-w}}" if w < 0 else f"{c:>{w}}" for c, w in zip(columns, widths)]
    return "".join(padded).rstrip()


def text(report):
    lines = [f"{report['date']}, {report['rounds']} rounds", machine_line(report)]
    lines += [engines_line(report)]
    for case in report["cases"]:
        lines += ["", f"{title(case)}: {subtitle(case)}", aligned(HEADINGS, WIDTHS)]
        for columns in map(cells, case["engines"]):
            short = len(columns) == 2
            lines.append(aligned(columns, [WIDTHS[0], -1] if short else WIDTHS))
    lines += ["", f"Cold start: process start to first output, best of {COLD_STARTS}"]
    widths = [-10, -24, 10, 10]
    lines.append(aligned(["net", "engine (host)", "ms", "peak MiB"], widths))
    for columns in map(cold_cells, report["cold_starts"]):
        lines.append(aligned(columns, widths if len(columns) == 4 else [-10, -24, -1]))
    lines += ["", "Installed size in MB"]
    for engine, size, what in map(size_cells, report["installed"]):
        lines.append(aligned([engine, size, f"  {what}"], [-14, 10, -1]))
    return "\n".join([*lines, "", *NOTES]) + "\n"


def chart(case):
    """Horizontal bars of the median times, with a mark at the best one and the FMA bound."""
    rows = [row for row in case["engines"] if row["status"] == "ok"]
    if not rows:
        return ""
    bound = case["gflop"] / case["fma_peak_gflops"]
    left, width, step = 120, 480, 26
    height = step * len(rows) + 24
    scale = width / max(bound, *(row["median_s"] for row in rows))
    parts = [
        f'<svg viewBox="0 0 {left + width + 90} {height}" role="img" '
        f'aria-label="Median times of {escape(title(case))}">'
    ]
    for index, row in enumerate(rows):
        y, bar, best = index * step, row["median_s"] * scale, row["best_s"] * scale
        color = COLORS.get(row["engine"], PEER_COLOR)
        parts += [
            f'<text x="{left - 8}" y="{y + 16}" text-anchor="end">{escape(row["engine"])}</text>',
            f'<rect x="{left}" y="{y + 3}" width="{bar:.1f}" height="{step - 6}" fill="{color}"/>',
            f'<path d="M{left + best:.1f} {y + 3}v{step - 6}" stroke="#fff" stroke-width="2"/>',
            f'<text x="{left + bar + 6:.1f}" y="{y + 16}">{row["median_s"] * 1e3:.1f} ms</text>',
        ]
    x = left + bound * scale
    parts += [
        f'<path d="M{x:.1f} 0v{height - 18}" stroke="#222" stroke-dasharray="3 3"/>',
        f'<text x="{x:.1f}" y="{height - 4}" text-anchor="middle">FMA peak</text></svg>',
    ]
    return "\n".join(parts)


def table(headings, rows, kind="numbers"):
    def line(tag, columns):
        span = len(headings) - len(columns) + 1
        filled = [f"<{tag}>{escape(column)}</{tag}>" for column in columns[:-1]]
        extra = f' colspan="{span}" class="why"' if span > 1 else ""
        return "<tr>" + "".join(filled) + f"<{tag}{extra}>{escape(columns[-1])}</{tag}></tr>"

    body = [line("th", headings), *(line("td", columns) for columns in rows)]
    return f'<table class="{kind}">\n' + "\n".join(body) + "\n</table>"


def kernels(case):
    """Rephase's kernels, those of one name together: calls, time, rate."""
    groups = {}
    for row in case["layers"]:
        groups.setdefault(row["kernel"], []).append(row)
    total = sum(row["median_s"] for row in case["layers"])
    for name, rows in groups.items():
        seconds = sum(row["median_s"] for row in rows)
        # Kernels that only move data have no rate.
        rate = sum(row.get("gflop", 0) for row in rows) / seconds
        share = rate / case["fma_peak_gflops"]
        yield [
            name, str(len(rows)), f"{seconds * 1e3:.2f}", f"{seconds / total * 100:.0f} %",
            *([f"{rate:.0f}", f"{share * 100:.0f} %"] if rate else ["-", "-"]),
        ]  # fmt: skip


def kernel_table(case):
    headings = ["kernel, each timed alone", "calls", "ms", "of the time", "GFLOP/s", "FMA peak"]
    summary = f"Rephase's kernels in {title(case)}"
    inner = table(headings, kernels(case))
    return f"<details><summary>{escape(summary)}</summary>{inner}</details>"


STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
svg { width: 100%; max-width: 44rem; font-size: 13px; display: block; margin: .5rem 0; }
table { border-collapse: collapse; margin: .5rem 0 2rem; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child, .why, .text td, .text th { text-align: left; }
"""


def html(report):
    parts = [f"<h1>Rephase beside other engines</h1><p>{escape(machine_line(report))}</p>"]
    parts.append(f"<p>{escape(report['date'])}, {report['rounds']} interleaved rounds. ")
    parts.append(escape(engines_line(report)) + "</p>")
    for case in report["cases"]:
        legend = "Bars are medians, white marks the best round."
        legend += " The dashed line is direct convolution at the FMA peak."
        parts.append(f"<h2>{escape(title(case))}</h2><p>{escape(subtitle(case))}. {legend}</p>")
        parts += [chart(case), table(HEADINGS, map(cells, case["engines"])), kernel_table(case)]
    parts.append(f"<h2>Cold start</h2><p>Process start to first output, best of {COLD_STARTS}.</p>")
    headings = ["net", "engine (host)", "ms", "peak MiB"]
    parts.append(table(headings, map(cold_cells, report["cold_starts"]), "text"))
    parts.append("<h2>Installed size</h2>")
    sizes = map(size_cells, report["installed"])
    parts.append(table(["engine", "MB", "what"], sizes, "text"))
    parts.append("<ul>" + "".join(f"<li>{escape(note)}</li>" for note in NOTES) + "</ul>")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Rephase beside other engines</title><style>{STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )
