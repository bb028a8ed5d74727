"""Build what is published, for every platform, on this one: an sdist, a pure wheel, and wheels with kernels.

    python scripts/build_wheels.py                     # all of it, into dist/
    python scripts/build_wheels.py any win_amd64       # some wheels

Zig compiles for the others (`uv pip install --group wheels`). A library is packed only if it is what the platform's tag
says: every function for every instruction set and nothing else, the ABI that Python expects, no system newer than the
tag's. The same sources and the same Zig give the same bytes.
"""

import argparse
import os
import struct
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import libraries
from build_kernels import FOLDER, INSTRUCTION_SETS, ROOT, compile_library, fingerprint

sys.path.insert(0, str(ROOT / "src"))
from inklens.linear.kernels.library import FUNCTIONS, expected_abi

NOT_COMPILED = "this wheel is for machines of any kind and has none"
ZIG = [sys.executable, "-m", "ziglang", "cc"]
FLAGS = ["-g0", "-s"]  # no debug information: it holds paths, and four times the bytes
# Clang's scheduler for processors in general keeps one sum of a tile in memory: an L1 fit then takes a tenth longer.
TUNING = {"avx2": ["-mtune=haswell"]}
OURS = {"inklens_abi", "inklens_built_from", "inklens_isa"}
LINKERS = {"__dso_handle", "_mh_dylib_header"}  # Zig's linker for macOS exports these marks of its own
EPOCH = 1577836800  # seconds; date of the files in an archive where SOURCE_DATE_EPOCH gives none


@dataclass(frozen=True)
class Platform:
    """What a wheel's platform tag promises about the library in it."""

    target: str  # as Zig calls it
    form: str
    machine: str
    needs: tuple[str, ...]  # libraries that every such system has; * stands for anything
    glibc: tuple[int, ...] = ()
    system: tuple[int, ...] = ()

    @property
    def sets(self) -> dict[str, list[str]]:
        """Instruction sets by name, with the compiler's flags; the baseline first."""
        if self.machine == "aarch64":
            return INSTRUCTION_SETS["arm64"]
        return {name: flags + TUNING.get(name, []) for name, flags in INSTRUCTION_SETS["x86"].items()}


GLIBC = ("libc.so.6", "libm.so.6", "libpthread.so.0", "ld-linux-*.so.*")
MACOS = ("/usr/lib/libSystem.B.dylib",)
WINDOWS = ("KERNEL32.dll", "api-ms-win-crt-*.dll")
PLATFORMS = {
    "manylinux_2_17_x86_64": Platform("x86_64-linux-gnu.2.17", "ELF", "x86_64", GLIBC, glibc=(2, 17)),
    "manylinux_2_17_aarch64": Platform("aarch64-linux-gnu.2.17", "ELF", "aarch64", GLIBC, glibc=(2, 17)),
    "musllinux_1_2_x86_64": Platform("x86_64-linux-musl", "ELF", "x86_64", ("libc.so",)),
    "musllinux_1_2_aarch64": Platform("aarch64-linux-musl", "ELF", "aarch64", ("libc.so",)),
    "macosx_11_0_x86_64": Platform("x86_64-macos.11.0", "Mach-O", "x86_64", MACOS, system=(11, 0)),
    "macosx_11_0_arm64": Platform("aarch64-macos.11.0", "Mach-O", "aarch64", MACOS, system=(11, 0)),
    "win_amd64": Platform("x86_64-windows-gnu", "PE", "x86_64", WINDOWS),
}


def compile_for(tag: str, library: Path) -> None:
    """Compile the kernels for a platform."""
    platform = PLATFORMS[tag]
    built_from = f'-DBUILT_FROM="{fingerprint(FOLDER, platform.target)}"'
    compile_library([*ZIG, "-target", platform.target, *FLAGS], FOLDER, library, platform.sets, [built_from])


def faults(tag: str, library: Path) -> list[str]:
    """Return in which ways a library is not what the platform's tag promises; nothing where it is."""
    platform, found = PLATFORMS[tag], libraries.read(library)
    wanted = OURS | {f"{function}_{name}" for function in FUNCTIONS for name in platform.sets}
    abi = struct.pack(f"<{len(expected_abi())}q", *expected_abi())
    more = found.exports - wanted - (LINKERS if found.form == "Mach-O" else set())
    foreign = sorted(name for name in found.needs if not any(fnmatch(name, known) for known in platform.needs))
    wrong = {
        f"it is {found.form} for {found.machine}": (found.form, found.machine) != (platform.form, platform.machine),
        f"it lacks {sorted(wanted - found.exports)}": bool(wanted - found.exports),
        f"it also exports {sorted(more)}": bool(more),
        "its ABI is another one than Python expects": abi not in library.read_bytes(),
        f"it needs {foreign}, which not every such system has": bool(foreign),
        f"it needs glibc {found.glibc}": found.glibc > platform.glibc,
        f"it needs macOS {found.system}": found.system > platform.system,
        "it is not signed": (platform.form, platform.machine) == ("Mach-O", "aarch64") and not found.is_signed,
        "it wants to run its stack": found.runs_its_stack,
    }
    return [fault for fault, is_so in wrong.items() if is_so]


def build_wheel(tag: str, folder: Path) -> Path:
    """Build the wheel for a platform, or the pure one ("any"); exit where its library is not what it should be."""
    with tempfile.TemporaryDirectory() as scratch:
        prepared = Path(scratch) / tag
        prepared.mkdir()
        if tag == "any":
            (prepared / "_kernels.failed").write_text(NOT_COMPILED, encoding="utf-8")
        else:
            library = prepared / "_kernels.so"
            compile_for(tag, library)
            for left in set(prepared.iterdir()) - {library}:  # Zig's import library
                left.unlink()
            if found := faults(tag, library):
                sys.exit(f"the library for {tag} will not do: {'; '.join(found)}")
        return _hatch("wheel", folder, INKLENS_WHEEL=str(prepared))


def build_sdist(folder: Path) -> Path:
    """Build the archive of sources."""
    return _hatch("sdist", folder)


def _hatch(what: str, folder: Path, **environment: str) -> Path:
    """Let hatchling build something, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {"SOURCE_DATE_EPOCH": str(EPOCH), **os.environ, **environment}
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        command = [sys.executable, "-m", "hatchling", "build", "-t", what, "-d", scratch]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"hatchling could not build the {what}:\n{done.stderr[-2000:]}")
        (built,) = Path(scratch).iterdir()
        return built.replace(folder / built.name)


def main() -> None:
    """Build, check, and say what there is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    tags = ["any", *PLATFORMS]
    parser.add_argument("tags", nargs="*", metavar="TAG", help=f"wheels to build, of {', '.join(tags)} (default: all)")
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "dist", metavar="FOLDER", help="default: dist")
    options = parser.parse_args()
    if unknown := set(options.tags) - set(tags):
        parser.error(f"no wheel is called {', '.join(sorted(unknown))}; there are {', '.join(tags)}")
    built = [] if options.tags else [build_sdist(options.out)]
    for tag in options.tags or tags:
        built.append(build_wheel(tag, options.out))
        print(f"{built[-1].stat().st_size / 1e6:.1f} MB  {built[-1]}", flush=True)


if __name__ == "__main__":
    main()
