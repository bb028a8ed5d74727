"""Damaged files of every kind, known by their numbers: read or refused by the one error, whatever was done to them."""

import os
import sys
import time
from pathlib import Path
from random import Random

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from mutate import KINDS, damaged

from inklens.errors import InklensError

N_FILES = {"pictures": 40, "homework": 40, "folders": 12, "collections": 60}  # in a quick test; of other kinds, 150


def files(kind, n_files, first):
    """Yield what reads a file of the kind, and damaged files by number."""
    seeds, mended, read = KINDS[kind]()
    for number in range(first, first + n_files):
        rng, data = Random(number), seeds[number % len(seeds)]
        yield read, number, mended(data, rng) if rng.random() < 0.5 else damaged(data, rng)


@pytest.mark.parametrize("kind", KINDS)
def test_any_damaged_file_is_read_or_refused(kind):
    first = int(time.time()) if os.environ.get("INKLENS_FUZZ") else 0
    became = set()
    for read, number, data in files(kind, N_FILES.get(kind, 150), first):
        try:
            became.add(read(data))
        except InklensError:
            became.add(False)
        except Exception as error:
            raise AssertionError(f"python scripts/mutate.py {kind} 1 --from {number}") from error
    assert became == {True, False}, "no damage came far, or all did"


@pytest.mark.parametrize("kind", KINDS)
def test_a_number_is_always_the_same_file(kind):
    assert [data for *_, data in files(kind, 20, 5)] == [data for *_, data in files(kind, 20, 5)]
