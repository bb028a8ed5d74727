"""How long a person waits: help, import, the demo, the first set-up.

python benchmarks/startup.py
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from results import ROOT, table, write_section

BIN = Path(sys.executable).parent


def cpu_seconds(command: list[str], repeats: int = 7) -> float:
    """Return the smallest CPU time (user + system) of `repeats` runs."""
    times = []
    for _ in range(repeats):
        before = os.times()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = os.times()
        times.append(after.children_user - before.children_user + after.children_system - before.children_system)
    return min(times)


def wall_seconds(command: list[str], **options) -> float:
    """Return the wall time of one run."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    return time.perf_counter() - began


def cold_setup_seconds() -> float:
    """Return the wall time of the set-up in a fresh clone; the installer's download cache may be warm."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "inklens"
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        return wall_seconds(["make", ".venv/.ready"], cwd=clone)


def main() -> None:
    """Measure and write the section."""
    bare = cpu_seconds([sys.executable, "-c", "pass"])
    out = Path(tempfile.mkdtemp())
    fit = [str(BIN / "inklens"), "fit", "--train", "300", "--test", "100", "-o", str(out / "model.inklens")]
    rows = [
        ["`inklens --help`", "CPU", f"{1000 * cpu_seconds([str(BIN / 'inklens'), '--help']):.0f} ms", "150 ms"],
        ["`import inklens`", "CPU above a bare interpreter",
         f"{1000 * (cpu_seconds([sys.executable, '-c', 'import inklens']) - bare):.0f} ms", "100 ms"],
        ["`inklens fit`, 300 of the embedded digits", "CPU", f"{cpu_seconds(fit):.2f} s", "1 s"],
        ["`inklens demo` on the embedded digits", "wall",
         f"{wall_seconds([str(BIN / 'inklens'), 'demo', '--out', str(out / 'report')]):.1f} s", "40 s"],
        ["set-up in a fresh clone", "wall", f"{cold_setup_seconds():.0f} s", "180 s"],
    ]  # fmt: skip
    shutil.rmtree(out)
    write_section("Waiting times", table(["what", "measure", "measured", "goal"], rows))


if __name__ == "__main__":
    main()
