#!/usr/bin/env python3
"""Malformed inputs, made by hand and by a seeded mutator: rephase refuses each with one message.

Exit code 1 (bad file or content) or 64 (usage), never a signal; one `error: ` line that names the
file or the option; nothing written or left behind; at most 2 s of CPU time and 1 GiB. What was
mutated at random may happen to be valid. Seed and number of random cases for each kind of file:
`malformed-inputs.py [SEED] [COUNT]`.
"""

import collections
import pathlib
import shutil
import sys
import tempfile

import malformed_evaluation
import malformed_files
import malformed_flags
import malformed_ir
import malformed_onnx
import malformed_runner as runner


def summary(outcomes):
    """A line for each kind of input."""
    kinds = collections.OrderedDict()
    for outcome in outcomes:
        kinds.setdefault(outcome.case.kind, []).append(outcome)
    print(f"{'kind':24} cases refused  valid failed  max CPU  max memory")
    for kind, rows in kinds.items():
        valid = sum(row.valid for row in rows)
        failed = sum(bool(row.complaints) for row in rows)
        refused = sum(not row.valid and not row.complaints for row in rows)
        seconds = max(row.seconds for row in rows)
        peak = max(row.peak for row in rows) >> 20
        print(f"{kind:24} {len(rows):5} {refused:7} {valid:6} {failed:6} {seconds:6.2f} s {peak:6} MiB")


def main():
    seed = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    folder = pathlib.Path(tempfile.mkdtemp(prefix="rephase-malformed."))
    folder.chmod(0o755)
    runner.limit_this_process()
    base = malformed_ir.Base(folder / "base")
    cases = malformed_ir.cases(base, seed, count)
    cases += malformed_files.cases(base, seed, count)
    cases += malformed_evaluation.cases(base, seed, count)
    cases += malformed_onnx.cases(base, seed, count)
    cases += malformed_flags.cases(base)
    outcomes = runner.run_all(cases, folder / "cases")
    outcomes += malformed_flags.full_disk(base, folder / "disk")
    for outcome in outcomes:
        if outcome.complaints:
            print(f"FAILED {outcome.case.kind}: {outcome.case.name}: {'; '.join(outcome.complaints)}")
            print(f"  {outcome.command}")
            print("".join(f"  | {line[:200]}\n" for line in outcome.error.split("\n")[:6] if line), end="")
    summary(outcomes)
    failed = sum(bool(outcome.complaints) for outcome in outcomes)
    fixed = sum(not outcome.case.random for outcome in outcomes)
    valid = sum(outcome.valid for outcome in outcomes)
    print(
        f"{len(outcomes)} inputs, seed {seed}: {fixed} by hand, {len(outcomes) - fixed} at random, of "
        f"which {valid} are valid; {failed} failed")
    if failed:
        sys.exit(f"error: {failed} inputs were not refused as they should be; see {folder}")
    shutil.rmtree(folder)


main()
