"""Compile `kernels.c` into a plain shared library that ctypes loads.

    python scripts/build_kernels.py

Uses the compiler named by CC, else cc, gcc or clang. Without one it says so and leaves nothing behind:
the NumPy kernels then do the same work.
"""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

FLAGS = ["-O3", "-fPIC", "-shared", "-std=gnu11", "-fno-math-errno", "-fvisibility=hidden", "-pthread"]


def build(source: Path) -> Path | None:
    """Return the library's path, or None where no compiler works."""
    library = source.with_name("_kernels.so")
    if library.exists() and library.stat().st_mtime >= source.stat().st_mtime:
        return library
    for compiler in filter(None, [os.environ.get("CC"), "cc", "gcc", "clang"]):
        command = shlex.split(compiler)
        if not shutil.which(command[0]):
            continue
        partial = library.with_suffix(f".{os.getpid()}.so")
        done = subprocess.run([*command, *FLAGS, str(source), "-o", str(partial), "-lm"], capture_output=True, text=True)
        if done.returncode == 0:
            partial.replace(library)
            return library
        partial.unlink(missing_ok=True)
        print(f"inklens: {compiler} could not build the kernels:\n{done.stderr[-2000:]}", file=sys.stderr)
    print("inklens: no working C compiler, so the slower NumPy kernels will be used", file=sys.stderr)
    return None


if __name__ == "__main__":
    build(Path(__file__).parents[1] / "src/inklens/linear/kernels.c")
