"""Compile the kernels into a plain shared library that ctypes loads.

    python scripts/build_kernels.py

Every C file of `src/inklens/linear/kernels/c` is compiled once per instruction set; the library holds them all and
picks at run time. Uses the compiler named by CC, else cc, gcc or clang. Without one it says so and leaves nothing
behind: the NumPy kernels then do the same work.
"""

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FLAGS = ["-O3", "-fPIC", "-std=gnu11", "-fno-math-errno", "-fvisibility=hidden", "-pthread"]

# Baseline first: it also holds the function that asks the processor what it can run.
INSTRUCTION_SETS = {
    "x86": {
        "plain": [],
        "avx2": ["-mavx2", "-mfma"],
        "avx512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma", "-mprefer-vector-width=512"],
    },
    "arm64": {"neon": []},
    "other": {"plain": []},
}
FAMILIES = {"x86_64": "x86", "AMD64": "x86", "aarch64": "arm64", "arm64": "arm64"}


def build(folder: Path) -> Path | None:
    """Return the library's path, or None where no compiler works."""
    library = folder / "_kernels.so"
    sources = sorted(folder.glob("c/*.c"))
    newest = max(file.stat().st_mtime for file in [*folder.glob("c/*"), Path(__file__)])
    if library.exists() and library.stat().st_mtime >= newest:
        return library
    for compiler in filter(None, [os.environ.get("CC"), "cc", "gcc", "clang"]):
        command = shlex.split(compiler)
        if not shutil.which(command[0]):
            continue
        partial = library.with_suffix(f".{os.getpid()}.so")
        try:
            _compile(command, sources, partial)
        except subprocess.CalledProcessError as error:
            partial.unlink(missing_ok=True)
            print(f"inklens: {compiler} could not build the kernels:\n{error.stderr[-2000:]}", file=sys.stderr)
            continue
        partial.replace(library)
        return library
    library.unlink(missing_ok=True)  # an older one lacks what the Python side calls
    print("inklens: no working C compiler, so the slower NumPy kernels will be used", file=sys.stderr)
    return None


def _compile(command: list[str], sources: list[Path], library: Path) -> None:
    """Compile each source for each instruction set that the compiler knows, then link."""
    sets = INSTRUCTION_SETS[FAMILIES.get(platform.machine(), "other")]
    with tempfile.TemporaryDirectory() as scratch:

        def compile_one(job: tuple[Path, str]) -> str:
            source, name = job
            target = Path(scratch) / f"{source.stem}.{name}.o"
            baseline = ["-DBASELINE"] if name == next(iter(sets)) else []
            options = [*FLAGS, *sets[name], f"-DISA={name}", *baseline]
            subprocess.run(
                [*command, *options, "-c", str(source), "-o", str(target)], check=True, capture_output=True, text=True
            )
            return str(target)

        known = [name for name, flags in sets.items() if not flags or _accepts(command, flags, scratch)]
        with ThreadPoolExecutor() as pool:
            objects = list(pool.map(compile_one, [(source, name) for source in sources for name in known]))
        link = [*command, "-shared", "-pthread", *objects, "-o", str(library), "-lm"]
        subprocess.run(link, check=True, capture_output=True, text=True)


def _accepts(command: list[str], flags: list[str], scratch: str) -> bool:
    """Tell whether the compiler takes these machine flags."""
    options = ["-x", "c", "-c", os.devnull, "-o", str(Path(scratch) / "probe.o")]
    return subprocess.run([*command, *flags, *options], capture_output=True).returncode == 0


if __name__ == "__main__":
    build(Path(__file__).parents[1] / "src/inklens/linear/kernels")
