"""lit's configuration of the text tests: rephase's output goes through LLVM 19's FileCheck.

Run them by `tools/test --only codegen`, or by lit with REPHASE set to the command to test.
"""

import atexit
import os
import shutil
import sys
import tempfile

import lit.formats


def llvm_tools():
    """The folder of FileCheck and not; LLVM 19's, whatever else PATH holds."""
    folder = os.environ.get("REPHASE_LLVM_BIN", "/usr/lib/llvm-19/bin")
    for tool in ("FileCheck", "not"):
        if not os.access(os.path.join(folder, tool), os.X_OK):
            lit_config.fatal(f"no {tool} in {folder}; run tools/setup")
    return folder


def rephase():
    """The command under test, as an absolute path."""
    path = os.environ.get("REPHASE", "")
    if not (os.path.isfile(path) and os.access(path, os.X_OK)):
        lit_config.fatal(f"REPHASE names no executable ('{path}'); run tools/test --only build")
    return os.path.abspath(path)


def temporary_folder():
    """Where tests write %t; outside the source tree and gone when lit ends."""
    folder, owner = tempfile.mkdtemp(prefix="rephase-codegen-tests-"), os.getpid()

    def remove():
        # lit's forked workers inherit this handler; only the process that made the folder removes it.
        if os.getpid() == owner:
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


config.name = "rephase"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".rir", ".test"]
config.excludes = ["Inputs"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = temporary_folder()
python = os.environ.get("REPHASE_PYTHON", sys.executable)
exits = os.path.join(config.test_source_root, "Inputs", "exits.py")
# `%fails COMMAND` succeeds where the command says that its work failed (exit status 1, no signal), `%refuses COMMAND`
# where it says that it is used wrongly (64).
config.substitutions += [
    ("%rephase", rephase()),
    ("%python", python),
    ("%fails", f"{python} {exits} 1"),
    ("%refuses", f"{python} {exits} 64"),
]
config.environment["PATH"] = os.pathsep.join(
    [llvm_tools(), os.path.dirname(rephase()), config.environment["PATH"]]
)
