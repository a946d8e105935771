"""Exits 1 and names each package whose installed version is not the one a requirements file pins.

A local version label ("2.13.0+cpu") counts as the version it builds ("2.13.0").
"""

import importlib.metadata
import sys


def pins(path):
    """The (name, version) pairs of a file that holds only comments and `name==version` lines."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            line = line.split("#")[0].strip()
            if line:
                name, version = line.split("==")
                yield name, version


def installed(name):
    try:
        return importlib.metadata.version(name).split("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return None


wrong = [(n, v, installed(n)) for n, v in pins(sys.argv[1]) if installed(n) != v]
for name, version, found in wrong:
    print(f"{name}: {version} is pinned, {found or 'nothing'} is installed", file=sys.stderr)
sys.exit(1 if wrong else 0)
