"""Rows that stay in a memory-mapped file: seconds and memory against the number of rows, beside rows in memory.

    python benchmarks/streamed.py [--rows N [N ...]]

The rows are MNIST's, each copy of an image moved by up to two pixels. Every fit runs in a process of its own; its
memory is what the process's resident size grows by at most, pages of the file included (Linux only).
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from results import table, write_section
from solvers import pixels

FIT = """
import sys, time
import numpy as np
from inklens import SoftmaxRegression
from inklens.linear.rows.rows import Rows

def resident():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))

file, labels, n_samples, l1_ratio, where = sys.argv[1:]
X = np.memmap(file, np.uint8, "r").reshape(-1, 784)[: int(n_samples)]
y = np.load(labels)[: len(X)]
X = np.array(X) if where == "memory" else X
open("/proc/self/clear_refs", "w").write("5")  # the high-water mark starts again from what is resident now
before, began = resident(), time.perf_counter()
model = SoftmaxRegression(l1_ratio=float(l1_ratio), tol=1e-3).fit(Rows.of(X, scale=1 / 255), y)
print(time.perf_counter() - began, resident() - before, model.dual_gap_, model.n_passes_, model.objective_)
"""


def write_rows(folder: Path, n_samples: int) -> tuple[Path, Path]:
    """Write moved copies of the digits, and their labels, a copy of all at a time."""
    X, y = pixels(60_000)
    images, rng = X.reshape(-1, 28, 28), np.random.default_rng(0)
    file, labels = folder / "pixels.u8", []
    with file.open("wb") as out:
        for _ in range(-(-n_samples // len(X))):
            moved, kind = np.empty_like(images), rng.integers(0, 25, len(images))
            for place in range(25):
                own = kind == place
                moved[own] = np.roll(images[own], (place // 5 - 2, place % 5 - 2), axis=(1, 2))
            out.write(moved.tobytes())
            labels.append(y)
    np.save(folder / "labels.npy", np.concatenate(labels))
    return file, folder / "labels.npy"


def main(arguments=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[200_000, 400_000, 800_000], help="numbers of rows")
    options = parser.parse_args(arguments)
    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        file, labels = write_rows(Path(scratch), max(options.rows))
        cases = [(n, "L2", 0, where) for n in options.rows for where in ("file", "memory")]
        cases += [(options.rows[0], "L1", 1, where) for where in ("file", "memory")]
        for n_samples, name, l1_ratio, where in cases:
            command = [sys.executable, "-c", FIT, str(file), str(labels), str(n_samples), str(l1_ratio), where]
            found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
            seconds, kilobytes, gap, n_passes, objective = map(float, found)
            line = [f"{n_samples:,} {name}", where, f"{seconds:.1f} s", f"{n_passes:.0f}", f"{gap:.0e}"]
            lines.append([*line, f"{objective:.2f}", f"{kilobytes / 1024:.0f} MB"])
            print(*lines[-1], flush=True)
    head = ["rows of 784 pixels", "lie in", "seconds", "passes", "certified", "objective", "memory over the data"]
    body = [
        "Moved copies of MNIST, uint8, ten classes, C = 1, tol 1e-3. A file above 128 MB stays a file: memory does not "
        "grow with its rows, the pages of the file included (but for 12 bytes a row of label and weight).",
        table(head, lines),
    ]
    write_section("Rows in a file", "\n\n".join(body))


if __name__ == "__main__":
    main()
