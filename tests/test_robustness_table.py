"""The table of faults leads to tests that are there."""

import re
from pathlib import Path

TESTS = Path(__file__).parent
TABLE = (TESTS.parent / "docs" / "robustness.rst").read_text(encoding="utf-8")


def test_every_test_that_the_table_names_exists():
    named = re.findall(r"``(test_\w+)::(test_\w+)``", TABLE)
    assert len(named) > 70
    missing = [
        f"{file}::{name}"
        for file, name in named
        if not re.search(rf"^def {name}\(", (TESTS / f"{file}.py").read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert missing == []


def test_every_row_has_its_tests_or_is_named_as_open():
    rows = re.findall(r"^   \* - ([NDMICS]\d.*)\n     - .+\n     - (.+)$", TABLE, re.MULTILINE)
    letters = {letter: set() for letter in "NDMICS"}
    for numbers, tests in rows:
        assert "::" in tests or tests.startswith("open")
        for letter, number in re.findall(r"([A-Z])(\d+)", numbers):
            letters[letter].add(int(number))
    counts = {"N": 16, "D": 14, "M": 15, "I": 23, "C": 8, "S": 4}
    assert letters == {letter: set(range(1, count + 1)) for letter, count in counts.items()}
