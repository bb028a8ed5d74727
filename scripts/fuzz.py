"""Give every border random input for a time: pictures, tables, models, the cache, the command line, arrays.

    python scripts/fuzz.py 600                     # all, for ten minutes together
    python scripts/fuzz.py 600 test_reader_schema  # those of one file

The harnesses are the properties of the test suite, with a few dozen examples each; here each goes on with new
ones until its share of the time is over. What fails is printed with the line that repeats it; Hypothesis keeps it in
`.hypothesis`, so that `make test` tries it first. Small findings become tests.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

TESTS = Path(__file__).parents[1] / "tests"
HARNESSES = {  # border: file and property
    "arrays": "test_linear_given_arrays.py::test_a_sparse_matrix_that_lies_is_refused_or_its_indices_lie_inside",
    "numbers": "test_linear_borders.py::test_hostile_problems_end_well",
    "model header": "test_reader_schema.py::test_any_header_is_refused_or_usable",
    "model tensors": "test_reader_schema.py::test_any_tensors_are_refused_or_usable",
    "model JSON": "test_reader_schema.py::test_any_json_model_is_refused_or_usable",
    "claims of a fit": "test_reader_schema.py::test_whatever_a_file_claims_of_its_fit_verify_answers_or_refuses",
    "model bytes": "test_reader_file.py::test_any_bytes_give_a_model_or_the_one_error",
    "tables": "test_datasets_hostile.py",
    "pictures": "test_photos_hostile.py",
    "damaged files": "test_mutated_files.py",
    "terminal": "test_cli_terminal.py",
}
ROUND_SECONDS = 60.0  # of one harness before the next has its turn


def main() -> None:
    """Go round the harnesses until the time is over; exit with 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seconds", type=float)
    parser.add_argument("only", nargs="?", default="", help="part of a file's or a property's name")
    options = parser.parse_args()
    chosen = {border: test for border, test in HARNESSES.items() if options.only in test}
    end, failed, seed = time.monotonic() + options.seconds, set(), int(time.time())
    while time.monotonic() < end:
        for border, test in chosen.items():
            left = min(end - time.monotonic(), ROUND_SECONDS, options.seconds / len(chosen))
            if left > 0 and not _survives(test, seed, left):
                failed.add(border)
        seed += 1
    for border in sorted(failed):
        print(f"{border}: {HARNESSES[border]} fails; repeat it with pytest")
    sys.exit(bool(failed))


def _survives(test: str, seed: int, seconds: float) -> bool:
    """Run one harness over and over with new seeds; tell whether it always passed."""
    end = time.monotonic() + seconds
    while True:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow"]
        only = ["-k", "any or many or lies or hostile or whatever"]
        done = subprocess.run(
            [*command, *only, f"--hypothesis-seed={seed}", str(TESTS / test)],
            cwd=TESTS.parent,
            env=os.environ | {"INKLENS_FUZZ": "1"},
        )
        if done.returncode not in (0, 5):  # 5: nothing of that name
            return False
        seed += 1_000_003
        if time.monotonic() >= end:
            return True


if __name__ == "__main__":
    main()
