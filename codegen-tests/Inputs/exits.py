"""Runs a command and succeeds where it exits with the given status: `exits.py STATUS COMMAND...`."""

import subprocess
import sys

status = subprocess.call(sys.argv[2:])
if status != int(sys.argv[1]):
    sys.exit(f"{sys.argv[2]} exits with {status}, not {sys.argv[1]}")
