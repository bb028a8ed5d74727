"""Imports run downward only, and importing the package loads nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import inklens

SOURCE = Path(inklens.__file__).parent

# A room may import itself and the rooms of lower floors; rooms of one floor know nothing of each other.
FLOORS = [
    {"errors", "progress"},
    {"storage", "classes"},
    {"linear", "datasets", "photos"},
    {"model"},
    {"explanations", "evaluation"},
    {"reader", "displays"},
    {"tasks"},
    {"pages"},
    {"tutorial"},
    {"cli", "studio"},
]
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def modules():
    return sorted(SOURCE.rglob("*.py"))


def room_of(path):
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return parts[0]


def imported_rooms(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = (
                [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "inklens" else [node.module]
            )
        for name in names:
            parts = name.split(".")
            if parts[0] == "inklens" and len(parts) > 1 and parts[1] in FLOOR:
                yield parts[1]


def test_every_room_has_a_floor():
    rooms = {room_of(path) for path in modules()} - {"__init__", "__main__"}
    assert rooms <= FLOOR.keys()


@pytest.mark.parametrize(
    "path", [p for p in modules() if room_of(p) in FLOOR], ids=lambda p: str(p.relative_to(SOURCE))
)
def test_imports_run_downward(path):
    room = room_of(path)
    for other in imported_rooms(path):
        allowed = other == room or FLOOR[other] < FLOOR[room]
        assert allowed, f"{room} imports {other}, which is not below it"


HEAVY = ("matplotlib", "sklearn", "scipy", "dask", "fastapi", "numpy", "PIL", "pandas")


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import inklens", HEAVY),
        ("import inklens.cli", HEAVY),
        ("import inklens.datasets", ("matplotlib", "sklearn", "pandas", "pyarrow")),
        ("import inklens.reader", ("matplotlib", "sklearn", "pandas")),
    ],
)
def test_imports_stay_light(statement, forbidden):
    code = f"{statement}; import sys; print([m for m in {forbidden!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_exist():
    for name in inklens.__all__:
        assert getattr(inklens, name) is not None
    with pytest.raises(AttributeError):
        inklens.no_such_name
