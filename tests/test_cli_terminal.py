"""What commands print when names of files hold what no terminal should obey and no UTF-8 can say."""

import json
import os
import re
import shutil
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import inklens.cli
from inklens import load_dataset
from inklens.cli.main import main
from inklens.cli.output import print_table
from inklens.cli.terminal import echo, json_text, shown

MODEL = files("inklens") / "reader.inklens"
NASTY = os.fsdecode(b"\xff \x1b[31mred\x9b2J\r\n\xc2\x9b")
COMMANDS = {
    "read": ("read", "--model", "{model}", "{image}"),
    "explain": ("explain", "--model", "{model}", "{image}", "--anyway"),
    "votes": ("votes", "--model", "{model}", "{image}", "--anyway", "--data", "npz:{data}"),
    "evaluate": ("evaluate", "{model}", "--data", "npz:{data}"),
    "compare": ("compare", "{model}", "{model}", "--data", "npz:{data}"),
    "verify": ("verify", "{model}", "--data", "npz:{data}"),
    "labels": ("labels", "{model}", "--data", "npz:{data}", "--folds", "2"),
    "export": ("export", "{model}", "-o", "{out}.json"),
    "fit": ("fit", "--data", "npz:{data}", "--tol", "0.1", "-o", "{out}.inklens"),
    "path": ("path", "--data", "npz:{data}", "--points", "3"),
    "data": ("data", "info", "npz:{data}"),
    "missing": ("read", "--model", "{out}", "{out}.png"),
    "missing data": ("fit", "--data", "csv:{out}", "-o", "{out}"),
}

REFUSED = ("missing", "verify", "votes", "labels")


@pytest.fixture
def places(tmp_path):
    folder = tmp_path / NASTY
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("a file system that takes UTF-8 only")
    names = {name: str(folder / f"{NASTY} {name}") for name in ("model", "image", "data", "out")}
    names["image"] += ".png"
    shutil.copy(MODEL, names["model"])
    digits = load_dataset("embedded")
    with Path(names["data"]).open("wb") as file:  # np.savez would add an ending
        np.savez(file, X=digits.X[:80], y=digits.y[:80])
    ink = np.full((60, 60), 255, np.uint8)
    ink[15:45, 28:33] = 0
    Image.fromarray(ink).save(names["image"])
    return names


def run(capfdbinary, *args):
    with pytest.raises(SystemExit) as ended:
        main(list(args))
    return ended.value.code, *capfdbinary.readouterr()


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_printed_is_obeyed_by_a_terminal(places, capfdbinary, monkeypatch, name, as_json):
    monkeypatch.setattr("sys.argv", ["inklens"])
    args = [part.format(**places) for part in COMMANDS[name]]
    code, out, err = run(capfdbinary, *args, *(["--json"] if as_json else []))
    for text in (out.decode(), err.decode()):
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]", text)
        assert "Traceback" not in text
    assert (code != 0) == name.startswith(REFUSED), err
    if as_json and out:
        json.loads(out)


def test_paths_in_json_are_the_paths(places, capfdbinary):
    _, out, _ = run(capfdbinary, "read", "--model", places["model"], places["image"], "--json")
    assert json.loads(out)["images"][0]["path"] == os.fsencode(places["image"]).decode("utf-8", "backslashreplace")


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=20))
def test_any_text_is_valid_json(text):
    written = json_text({"text": text, text: 1})
    assert json.loads(written.encode())["text"] == text
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", written)


@given(st.binary(max_size=20).map(os.fsdecode))
def test_any_path_is_one_line(path):
    assert len(shown(path).encode().splitlines()) <= 1
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202e]", shown(path))


def test_only_our_own_bold_passes(capsys):
    echo("a\x1b[1mb\x1b[0m\x1b[31m\x1b]0;title\x07\u202e")
    assert capsys.readouterr().out == "ab\\x1b[31m\\x1b]0;title\\x07\\u202e\n"


def test_commands_print_through_one_function():
    for path in Path(inklens.cli.__file__).parent.glob("*.py"):
        code = re.sub(">>> .*", "", path.read_text())
        assert path.name == "terminal.py" or not re.search(r"click\.(echo|secho|format_filename)|\bprint\(", code)


def test_no_cell_makes_up_a_row(capsys):
    print_table(["file", "check"], [["ada\nbo.inkwork  every number was found again", "\x1b[2J"]], title="one\ntwo")
    assert len(capsys.readouterr().out.splitlines()) == 3
