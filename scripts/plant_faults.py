"""Plant known faults in a copy of the package and see whether the tests that should notice do.

    python scripts/plant_faults.py [FILE.json ...] [--only TEXT] [--jobs N]

A fault is an object of a JSON list (by default of every `tests/faults/*.json`):

    {"file": "src/inklens/linear/softmax.py", "old": "text that stands there once", "new": "the wrong text",
     "tests": ["tests/test_x.py"], "why": "what goes wrong"}

The tests must pass without any fault. Exits with 1 when a fault survives, cannot be planted or breaks the collection of
the tests (which says nothing about them), and with 2 when the tests fail by themselves. The checkout is not touched.
"""

import argparse
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPIED = (
    "src",
    "tests",
    "scripts",
    "benchmarks",
    "docs",
    "pyproject.toml",
    "README.md",
    "CONTRIBUTING.md",
)  # tests read them
NOT_COPIED = shutil.ignore_patterns("__pycache__", ".*_cache", "*.pyc")
KERNELS = "src/inklens/linear/kernels"
MAX_SECONDS = 900  # for the tests of one fault: a fault that makes them hang is noticed
FAILED, PASSED = 1, 0  # pytest's exit codes; others mean that it could not run the tests


@dataclass(frozen=True)
class Fault:
    """One replacement in one file, and the tests that should fail with it."""

    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    why: str

    @property
    def is_compiled(self) -> bool:
        """Whether the kernels have to be built again."""
        return self.file.endswith((".c", ".h", ".inc"))


@dataclass(frozen=True)
class Verdict:
    """What became of a fault: "caught", "survived", or "unusable" with the reason."""

    fault: Fault
    outcome: str
    reason: str = ""


def read_faults(files: Iterable[Path], only: str = "") -> list[Fault]:
    """Return the faults whose file, text or reason contains `only`."""
    found = []
    for file in files:
        for entry in json.loads(file.read_text()):
            fault = Fault(**{**entry, "tests": tuple(entry["tests"])})
            if any(only in text for text in (fault.file, fault.old, fault.why)):
                found.append(fault)
    return found


def copy_tree(root: Path, target: Path) -> None:
    """Copy what the tests need."""
    for name in COPIED:
        if (root / name).is_dir():
            shutil.copytree(root / name, target / name, ignore=NOT_COPIED)
        elif (root / name).exists():
            shutil.copy2(root / name, target / name)


def run_tests(tree: Path, tests: Sequence[str]) -> tuple[int, str]:
    """Return pytest's exit code and output; a run that takes too long counts as failed."""
    environment = {**os.environ, "PYTHONPATH": str(tree / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    # Without bytecode: its cache tells files apart by second and size, and a fault may change neither.
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, timeout=MAX_SECONDS)
    except subprocess.TimeoutExpired:
        return FAILED, "took too long"
    return done.returncode, done.stdout + done.stderr


def build_kernels(tree: Path) -> bool:
    """Build the kernels of a tree; tell whether that succeeded."""
    subprocess.run([sys.executable, "scripts/build_kernels.py"], cwd=tree, capture_output=True)
    return (tree / KERNELS / "_kernels.so").exists()


def judge(tree: Path, fault: Fault) -> Verdict:
    """Plant a fault, run its tests, and take it out again."""
    target = tree / fault.file
    if not target.exists():
        return Verdict(fault, "unusable", "the file does not exist")
    original = target.read_text()
    if original.count(fault.old) != 1 or fault.old == fault.new:
        return Verdict(fault, "unusable", f"the old text stands there {original.count(fault.old)} times, not once")
    library = tree / KERNELS / "_kernels.so"
    kept = library.read_bytes() if fault.is_compiled and library.exists() else None
    try:
        target.write_text(original.replace(fault.old, fault.new))
        if fault.is_compiled and not build_kernels(tree):
            return Verdict(fault, "unusable", "it does not compile")
        code, output = run_tests(tree, fault.tests)
    finally:
        target.write_text(original)
        if kept is not None:
            library.write_bytes(kept)  # newer than the sources, so that nobody builds it again
    if code == FAILED:
        return Verdict(fault, "caught")
    if code == PASSED:
        return Verdict(fault, "survived")
    return Verdict(fault, "unusable", f"pytest could not run: {output.strip()[-300:]}")


def judge_all(root: Path, faults: Sequence[Fault], n_jobs: int) -> list[Verdict] | None:
    """Return a verdict for each fault, or None where the tests fail without any."""
    with tempfile.TemporaryDirectory(prefix="faults-") as scratch:
        trees: queue.Queue[Path] = queue.Queue()
        for number in range(n_jobs):
            tree = Path(scratch) / str(number)
            tree.mkdir()
            copy_tree(root, tree)
            trees.put(tree)
        tests = sorted({test for fault in faults for test in fault.tests})
        code, output = run_tests(Path(scratch) / "0", tests)
        if code != PASSED:
            print(output[-3000:])
            return None

        def judge_one(fault: Fault) -> Verdict:
            tree = trees.get()
            try:
                verdict = judge(tree, fault)
            finally:
                trees.put(tree)
            reason = f" ({verdict.reason})" if verdict.reason else ""
            print(f"{verdict.outcome:<9} {fault.file}: {fault.why}{reason}", flush=True)
            return verdict

        with ThreadPoolExecutor(n_jobs) as pool:
            return list(pool.map(judge_one, faults))


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Judge the faults of the command line and print a table; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, help="lists of faults (default: tests/faults/*.json)")
    parser.add_argument("--only", default="", metavar="TEXT", help="faults whose file, text or reason contains TEXT")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="faults judged at a time (default: 1)")
    options = parser.parse_args(arguments)
    faults = read_faults(options.files or sorted((root / "tests/faults").glob("*.json")), options.only)
    if not faults:
        print("no such faults")
        return 1
    verdicts = judge_all(root, faults, max(1, options.jobs))
    if verdicts is None:
        print("the tests fail without any fault, so they can judge none")
        return 2
    counts = {name: sum(v.outcome == name for v in verdicts) for name in ("caught", "survived", "unusable")}
    print(", ".join(f"{count} {name}" for name, count in counts.items()))
    return 0 if counts["caught"] == len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())
