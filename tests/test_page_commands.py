"""What a page prints runs in the page's folder, as printed, and says there what it says on the page."""

import html
import json
import re
import shlex
from dataclasses import replace

import pytest
from PIL import Image
from test_printed_commands import exists

from inklens import DigitReader
from inklens.cli.main import _run
from inklens.datasets.embedded import load_embedded
from inklens.tutorial import fits

ROWS = 400


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The folder of a page about few digits, made on the command line."""
    digits = load_embedded()
    small = replace(digits, X=digits.X[:ROWS], y=digits.y[:ROWS])
    folder = tmp_path_factory.mktemp("here")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("inklens.datasets.embedded.load", lambda *_: small)
        patched.setattr(fits, "POINTS", 4)
        patched.setattr(fits, "STRENGTHS", (0.1,))
        patched.setattr("sys.argv", ["inklens"])
        patched.chdir(folder)
        assert _run(["demo", "--train", "300", "--test", "100", "--seed", "4", "-o", "page", "--no-open"]) == 0
        picture = Image.fromarray(255 - small.X[4].reshape(28, 28)).resize((280, 280))
        picture.save(folder / "page" / "my-digit.jpg")
        patched.chdir(folder / "page")
        yield folder / "page"


def printed(page):
    """Return the commands of the page, in order, each once."""
    text = (page / "index.html").read_text(encoding="utf-8")
    lines = html.unescape("\n".join(re.findall(r"<code>(.*?)</code>", text, flags=re.S))).splitlines()
    found = [re.split(r"\s{2,}# ", line)[0].strip() for line in lines if line.startswith("inklens ")]
    return list(dict.fromkeys(found))


def test_every_command_of_the_page_runs_in_its_folder(page, monkeypatch, capfd):
    monkeypatch.setattr("inklens.tutorial.page.run_tutorial", lambda *_, **__: pytest.fail("a whole run"))
    commands = printed(page)
    assert len(commands) >= 10
    for command in commands:
        _, name, *rest = shlex.split(command)
        assert exists(command), command
        if name not in {"demo", "quiz"}:  # whole runs, and questions
            assert _run([name, *rest]) == 0, (command, capfd.readouterr().err)


def test_every_command_names_the_run(page):
    """The rows of the run, or the model beside the page; the reader that ships, other rows, never silently."""
    for command in printed(page):
        if command.split()[1] in {"fit", "path"}:
            assert "--train 300 --test 100 --seed 4" in command
        elif command.split()[1] in {"read", "explain", "flip", "votes", "quiz"}:
            assert "model.inklens" in command


def test_one_picture_gets_the_same_answer_on_the_page_and_in_the_shell(page, capfd):
    on_page = json.loads((page / "numbers.json").read_text())["own"]["readings"]["faithful"]
    assert _run(["read", "picture.png", "--model", "model.inklens", "--one", "--json"]) == 0
    (digit,) = json.loads(capfd.readouterr().out)["images"][0]["digits"]
    assert digit["label"] == on_page["label"]
    assert digit["probability"] == pytest.approx(on_page["probability"], rel=1e-12)
    assert _run(["explain", "picture.png", "--model", "model.inklens", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["label"] == on_page["label"]


def test_the_model_beside_the_page_is_the_page_s_and_proves_itself(page, capfd):
    numbers = json.loads((page / "numbers.json").read_text())
    reader = DigitReader.load(page / "model.inklens")
    assert reader.recorded("accuracy")["test"] == numbers["evaluation"]["accuracy"]
    assert _run(["verify", "model.inklens"]) == 0
    assert _run(["evaluate", "model.inklens", "--json"]) == 0
    printed = capfd.readouterr().out.splitlines()[-1]
    assert json.loads(printed)["accuracy"] == numbers["evaluation"]["accuracy"]
