"""Imports run downward only, as the pictures in CONTRIBUTING say, and importing the package loads nothing heavy."""

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import inklens

SOURCE = Path(inklens.__file__).parent
CONTRIBUTING = Path(__file__).parents[1] / "CONTRIBUTING.md"
MOST_ANY = 40  # places in the package that may leave a type open

# Parameters that stand for something the package has a type for: nobody takes them as `Any` or `object`.
TYPED = {"model", "reader", "problem", "penalty", "rows", "point", "solution", "backend", "storage", "step"}


def picture(heading):
    """The floors drawn under a heading of CONTRIBUTING, lowest first; a room may stand on one floor only."""
    text = CONTRIBUTING.read_text(encoding="utf-8")
    drawn = re.search(rf"\*\*{heading}\*\*.*?```\n(.*?)```", text, re.DOTALL)
    assert drawn, f"CONTRIBUTING has no picture of {heading}"
    floors = [line.split("|")[0].split() for line in drawn[1].splitlines()][::-1]
    rooms = [room for floor in floors for room in floor]
    assert len(rooms) == len(set(rooms))
    return {room: number for number, floor in enumerate(floors) for room in floor}


PACKAGE, LINEAR = picture("Floors"), picture("Floors of `linear`")


@cache
def nodes(path):
    """Every node of a module's syntax tree, parsed once for all laws."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@pytest.fixture(scope="module", autouse=True)
def forgotten_trees():
    yield
    nodes.cache_clear()


def modules(folder=SOURCE):
    return sorted(folder.rglob("*.py"))


def place_of(path):
    """A module's name below the package as a tuple; a package's `__init__` is the package itself."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports(path):
    """Places below the package that a module imports from, wherever in it the import stands."""
    for node in nodes(path):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            if name.startswith("inklens."):
                yield tuple(name.split(".")[1:])


def upward(path, floors, depth):
    """Imports of a module that lead to a floor above, or to another room of its own."""
    here = place_of(path)[depth]
    for place in imports(path):
        if place[:depth] != place_of(path)[:depth] or len(place) <= depth or place[depth] not in floors:
            continue
        other = place[depth]
        if other != here and floors[other] >= floors[here]:
            yield other


def test_every_room_is_in_the_picture():
    assert {place_of(path)[0] for path in modules() if place_of(path)} - {"__main__"} == PACKAGE.keys()
    rooms = {place_of(path)[1] for path in modules(SOURCE / "linear") if len(place_of(path)) > 1}
    assert rooms == LINEAR.keys()


def test_imports_run_downward():
    found = []
    for path in modules():
        place = place_of(path)
        if place and place[0] in PACKAGE:
            found += [f"{path}: {place[0]} imports {other}" for other in upward(path, PACKAGE, 0)]
        if len(place) > 1 and place[0] == "linear":
            found += [f"{path}: linear/{place[1]} imports {other}" for other in upward(path, LINEAR, 1)]
    assert not found, "what is not below"


def test_an_import_that_leads_upward_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "SOURCE", tmp_path)
    for name, source in {
        "linear/rows/rows.py": "def f():\n    from inklens.linear.methods import newton\n",
        "evaluation/counts.py": "from inklens.reader import DigitReader\n",
        "explanations/flips.py": "from inklens.linear.driver import solve\nfrom inklens.evaluation import counts\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    assert list(upward(tmp_path / "linear/rows/rows.py", LINEAR, 1)) == ["methods"]
    assert list(upward(tmp_path / "evaluation/counts.py", PACKAGE, 0)) == ["reader"]
    assert list(upward(tmp_path / "explanations/flips.py", PACKAGE, 0)) == ["evaluation"]


def test_modules_of_a_room_import_in_no_circle():
    """Of `linear`, whose rows and kernels know each other by type, rooms are asked instead."""
    for room in PACKAGE.keys() - {"linear"}:
        within = {place_of(path): path for path in modules() if place_of(path)[:1] == (room,)}
        graph = {
            place: {other if other in within else other[:-1] for other in imports(path)} & within.keys() - {place}
            for place, path in within.items()
        }
        TopologicalSorter(graph).prepare()  # raises with the circle


def names_in(annotation):
    return {node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)}


def annotations(path):
    """Where a module annotates parameters that have a type: place, and the names in the annotation."""
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for given in [*node.args.args, *node.args.kwonlyargs]:
                if given.arg in TYPED and given.annotation is not None:
                    yield f"{path}:{node.lineno}: {given.arg} of {node.name}", names_in(given.annotation)


def test_what_has_a_type_is_not_taken_as_any():
    """A room that takes a model as `Any` uses a floor above without importing it."""
    found = [(place, names) for path in modules() for place, names in annotations(path)]
    assert found
    assert not [place for place, names in found if names & {"Any", "object"}]


def test_types_are_seldom_left_open():
    found = sum(isinstance(node, ast.Name) and node.id == "Any" for path in modules() for node in nodes(path))
    assert found < MOST_ANY


HEAVY = ("matplotlib", "sklearn", "scipy", "dask", "fastapi", "numpy", "PIL", "pandas")


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import inklens", HEAVY),
        ("import inklens.cli", HEAVY),
        ("import inklens.linear", HEAVY),
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
