"""Compile the kernels into a plain shared library that ctypes loads.

    python scripts/build_kernels.py
    python scripts/build_kernels.py --check gcc clang-19

Every C file of `src/inklens/linear/kernels/c` is compiled once per instruction set; the library holds them all and
picks at run time. Uses the compiler named by CC, else cc, gcc or clang. What is built carries a fingerprint of the
sources and of the target, and is built anew when either differs. Where no compiler works, what was tried is kept in
`_kernels.failed` beside the sources, for the warning and for `inklens doctor`; the NumPy kernels then do the same work.

With `--asan` a library that checks every access to memory runs the kernel tests, and is thrown away.

With `--check` nothing is built: each compiler (default: gcc and clang, where there) must take every file without a
warning.
"""

import argparse
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FLAGS = ["-O3", "-fPIC", "-std=gnu11", "-fno-math-errno", "-fvisibility=hidden", "-pthread"]
SANITIZED = ["-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
KERNEL_TESTS = ("test_linear_kernels.py", "test_linear_given_arrays.py")
STRICT = ["-O1", "-Wall", "-Wextra", "-Werror"]

# Baseline first: it also holds the function that asks the processor what it can run.
INSTRUCTION_SETS = {
    "x86": {
        "plain": [],
        "avx2": ["-mavx2", "-mfma"],
        "avx512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma", "-mprefer-vector-width=512"],
    },
    "windows": {"plain": []},  # GCC aligns no vector wider than 16 bytes on the stack there (GCC bug 54412)
    "arm64": {"neon": []},
    "other": {"plain": []},
}
FAMILIES = {"x86_64": "x86", "AMD64": "x86", "aarch64": "arm64", "arm64": "arm64"}
FAMILY = "windows" if sys.platform == "win32" else FAMILIES.get(platform.machine(), "other")
ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "src/inklens/linear/kernels"


def build(folder: Path) -> Path:
    """Return the library's path; where no compiler works, that of a text which says what was tried."""
    library, failure = folder / "_kernels.so", folder / "_kernels.failed"
    built_from = fingerprint(folder)
    if library.exists() and built_from.encode() in library.read_bytes():
        return library
    tried = []
    for compiler in filter(None, [os.environ.get("CC"), "cc", "gcc", "clang"]):
        command = shlex.split(compiler)
        if not shutil.which(command[0]):
            continue
        partial = library.with_suffix(f".{os.getpid()}.so")
        try:
            compile_library(command, folder, partial, accepted_sets(command), [f'-DBUILT_FROM="{built_from}"'])
        except subprocess.CalledProcessError as error:
            partial.unlink(missing_ok=True)
            tried.append(f"{compiler}: {_first_error(error.stderr)}")
            print(f"inklens: {compiler} could not build the kernels:\n{error.stderr[-2000:]}", file=sys.stderr)
            continue
        partial.replace(library)
        failure.unlink(missing_ok=True)
        return library
    library.unlink(missing_ok=True)  # an older one lacks what the Python side calls
    failure.write_text("; ".join(tried) or "no C compiler was found", encoding="utf-8")
    print("inklens: no working C compiler, so the slower NumPy kernels will be used", file=sys.stderr)
    return failure


def fingerprint(folder: Path, target: str = "") -> str:
    """Return what tells one build from another: of the sources, this script, and the machine that they are for."""
    digest = hashlib.sha256((target or f"{sys.platform} {platform.machine()}").encode())
    for file in [*sorted(folder.glob("c/*")), Path(__file__)]:
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    return f"inklens kernels {digest.hexdigest()}"


def check(folder: Path, compilers: Iterable[str]) -> None:
    """Compile every file with all warnings as errors; exit with what the first compiler that objects says."""
    for compiler in compilers:
        with tempfile.TemporaryDirectory() as scratch:
            try:
                command = shlex.split(compiler)
                compile_library(command, folder, Path(scratch) / "checked.so", accepted_sets(command), STRICT)
            except FileNotFoundError:
                sys.exit(f"there is no compiler {compiler}; install it, or name others")
            except subprocess.CalledProcessError as error:
                sys.exit(f"{compiler} objects to the kernels:\n{error.stderr}")
        print(f"Kernels: no warning from {compiler}")


def test_with_sanitizers(folder: Path) -> int:
    """Run the kernel tests with a library under the sanitizers of addresses and of undefined behaviour."""
    command = shlex.split(os.environ.get("CC", "gcc"))
    runtimes = [_said([*command, f"-print-file-name={name}"]) for name in ("libasan.so", "libubsan.so")]
    with tempfile.TemporaryDirectory() as scratch:
        checked = Path(scratch) / "_kernels.so"
        compile_library(command, folder, checked, accepted_sets(command), SANITIZED)
        environment = os.environ | {
            "LD_PRELOAD": " ".join(runtimes),
            "INKLENS_LIBRARY": str(checked),
            "ASAN_OPTIONS": "detect_leaks=0",  # Python itself keeps what it has
            "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
        }
        tests = [str(ROOT / "tests" / name) for name in KERNEL_TESTS]
        options = ["-p", "no:cacheprovider", "-m", "not slow", "--timeout", "1200"]
        return subprocess.run([sys.executable, "-m", "pytest", *options, *tests], env=environment).returncode


def compile_library(
    command: list[str], folder: Path, library: Path, sets: dict[str, list[str]], extra: list[str]
) -> None:
    """Compile each source for each instruction set, the baseline first, then link; raise what the compiler raised."""
    baseline = next(iter(sets))
    with tempfile.TemporaryDirectory() as scratch:

        def compile_one(job: tuple[Path, str]) -> str:
            source, name = job
            target = Path(scratch) / f"{source.stem}.{name}.o"
            options = [*FLAGS, *sets[name], f"-DISA={name}", *(["-DBASELINE"] if name == baseline else []), *extra]
            _run([*command, *options, "-c", str(source), "-o", str(target)])
            return str(target)

        with ThreadPoolExecutor() as pool:
            objects = list(pool.map(compile_one, [(source, name) for source in _sources(folder) for name in sets]))
        flags = [flag for flag in extra if flag.startswith("-fsanitize")]
        _run([*command, *flags, "-shared", "-pthread", *objects, "-o", str(library), "-lm"])


def accepted_sets(command: list[str]) -> dict[str, list[str]]:
    """Return the instruction sets of this machine's family that the compiler knows."""
    sets = INSTRUCTION_SETS[FAMILY]
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "probe.c"
        source.write_text("int probed;\n")
        probe = ["-c", str(source), "-o", str(Path(scratch) / "probe.o")]

        def is_accepted(flags: list[str]) -> bool:
            return subprocess.run([*command, *flags, *probe], capture_output=True).returncode == 0

        return {name: flags for name, flags in sets.items() if not flags or is_accepted(flags)}


def _sources(folder: Path) -> list[Path]:
    return sorted(folder.glob("c/*.c"))


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def _said(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _first_error(text: str) -> str:
    """Return the compiler's first error, without the path of the file."""
    lines = text.strip().splitlines() or ["it failed without a word"]
    said = next((line for line in lines if "error" in line), lines[0])
    return said.removeprefix(f"{FOLDER}{os.sep}")[:300]


def main() -> None:
    """Build, or check."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", nargs="*", metavar="COMPILER", help="build nothing; no file may raise a warning")
    parser.add_argument("--asan", action="store_true", help="run the kernel tests under sanitizers")
    options = parser.parse_args()
    if options.asan:
        sys.exit(test_with_sanitizers(FOLDER))
    if options.check is None:
        build(FOLDER)
    else:
        check(FOLDER, options.check or filter(shutil.which, ("gcc", "clang")))


if __name__ == "__main__":
    main()
