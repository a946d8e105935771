#!/usr/bin/env bash
# tools/pool-latency: one line for each loop, thread count and pause. Times are not judged.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
"$root/tools/pool-latency" 2 | python3 -c '
import json, sys
rows = [json.loads(line) for line in sys.stdin]
cases = {(row["loop"], row["threads"], row["gap_us"]) for row in rows}
assert cases == {(l, t, g) for l in ("empty", "meeting") for t in (1, 2) for g in (0, 5, 20, 100, 2000)}, cases
for row in rows:
    assert 0 <= row["median_us"] <= row["p99_us"] < 1e6, row
'
echo "pool-latency: passed"
