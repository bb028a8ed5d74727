"""The fault planter itself: a toy package with one fault that its test notices and one that it does not."""

import importlib.util
import json
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts/plant_faults.py"


@pytest.fixture
def planter(monkeypatch):
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # a toy needs none, and they take long to load
    spec = importlib.util.spec_from_file_location("plant_faults", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "plant_faults", module)  # where dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def toy(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "tests").mkdir()
    (tmp_path / "src/toy.py").write_text("def double(x):\n    return 2 * x\n\n\ndef triple(x):\n    return 3 * x\n")
    (tmp_path / "tests/test_toy.py").write_text("import toy\n\n\ndef test_double():\n    assert toy.double(2) == 4\n")
    return tmp_path


def fault(old, new):
    return {"file": "src/toy.py", "old": old, "new": new, "tests": ["tests/test_toy.py"], "why": f"{old} is {new}"}


def judged(planter, toy, *faults):
    listed = toy / "faults.json"
    listed.write_text(json.dumps(faults))
    return planter.main([str(listed)], root=toy)


@pytest.mark.slow
def test_a_fault_is_caught_another_survives_and_the_source_stays(planter, toy, capsys):
    before = (toy / "src/toy.py").read_text()
    assert judged(planter, toy, fault("2 * x", "5 * x")) == 0
    assert "1 caught, 0 survived" in capsys.readouterr().out
    assert judged(planter, toy, fault("3 * x", "5 * x"), fault("2 * x", "5 * x")) == 1
    assert "1 caught, 1 survived" in capsys.readouterr().out
    assert (toy / "src/toy.py").read_text() == before


@pytest.mark.slow
def test_faults_that_say_nothing_about_the_tests_are_not_called_caught(planter, toy, capsys):
    stale, breaking = fault("7 * x", "5 * x"), fault("2 * x", "2 * * x")
    assert judged(planter, toy, stale) == 1
    assert judged(planter, toy, breaking) == 1
    assert capsys.readouterr().out.count("0 caught, 0 survived, 1 unusable") == 2
    (toy / "tests/test_toy.py").write_text("def test_nothing():\n    assert False\n")
    assert judged(planter, toy, fault("2 * x", "5 * x")) == 2


def test_every_listed_fault_can_be_planted(planter):
    """A renamed line would otherwise take its fault silently out of the list."""
    root = SCRIPT.parents[1]
    faults = planter.read_faults(sorted((root / "tests/faults").glob("*.json")))
    assert faults
    for planted in faults:
        assert (root / planted.file).read_text().count(planted.old) == 1, planted
        for test in planted.tests:
            file, *names = test.split("::")
            assert all(name.split("[")[0] in (root / file).read_text() for name in names), planted
