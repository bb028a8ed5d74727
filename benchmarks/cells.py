"""Cells of printed grids and thin scans: digits refused or read wrong, and what is accepted without a digit.

INKLENS_MNIST=idx:FOLDER python benchmarks/cells.py

INKLENS_MNIST is a data spec; `mnist` by default. MNIST's test digits judge; its training digits, with other seeds, set
the limits of `inklens.photos.printed`.
"""

import os
import time
from collections import Counter

import _cells as cells
import numpy as np
from results import table, write_section

from inklens import load_dataset
from inklens.photos import normalise
from inklens.tasks.reading import load_reader

JUDGED_SEED = 11
PER_KIND = 150
EMPTY_SEEDS = range(911, 921)  # of 200 made pictures without a digit each, and of 50 of each other kind
EMPTY_PER_SEED = 200


def digits_table(data) -> str:
    """Read made cells of test digits and count what is refused, right, and wrong but accepted."""
    reader, body = load_reader(), []
    everything: list[tuple[bool, bool]] = []
    for number, kind in enumerate(cells.KINDS):
        rng = np.random.default_rng([JUDGED_SEED, number])
        rows = rng.integers(60_000, 70_000, PER_KIND)
        seen = [normalise(cells.picture(data.images(int(row)), rng, kind)) for row in rows]
        answers = reader.predict(np.array([each.frame for each in seen], np.float32))
        outcome = [
            (each.accepted, str(data.y[row]) == answer) for each, row, answer in zip(seen, rows, answers, strict=True)
        ]
        everything += outcome
        body.append([kind, *_shares(outcome)])
    return table(["cells", "of", "refused", "read right", "accepted and wrong"], [*body, ["all", *_shares(everything)]])


def _shares(outcome: list[tuple[bool, bool]]) -> list[str]:
    accepted, right = np.array(outcome).T
    shares = (~accepted, right, accepted & ~right)
    return [str(len(outcome)), *(f"{100 * share.mean():.1f} %" for share in shares)]


def empty_table() -> str:
    """Count what is accepted of made pictures without a digit."""
    accepted, total = Counter[str](), Counter[str]()
    for seed in EMPTY_SEEDS:
        for name, picture in cells.no_digits(np.random.default_rng(seed), EMPTY_PER_SEED):
            total[name] += 1
            accepted[name] += normalise(picture).accepted
    return table(
        ["pictures without a digit", "accepted", "of"], [[name, accepted[name], total[name]] for name in total]
    )


def main() -> None:
    """Measure and write the section."""
    data = load_dataset(os.environ.get("INKLENS_MNIST", "mnist"))
    began = time.process_time()
    text = [
        "Made cells with MNIST's test digits, 60 to 120 pixels (thin scans: 28 to 32), read by the reader that ships:",
        digits_table(data),
        "Accepted, before any classifier is asked:",
        empty_table(),
        f"Making and reading took {time.process_time() - began:.0f} s of CPU.",
    ]
    write_section("Cells of printed grids", "\n\n".join(text))


if __name__ == "__main__":
    main()
