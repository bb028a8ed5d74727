"""What a page prints runs in the page's folder, as printed, and says there what it says on the page."""

import html
import json
import re
import shlex
from dataclasses import replace

import numpy as np
import pytest
from markupsafe import Markup
from PIL import Image
from test_printed_commands import exists

from inklens import DigitReader
from inklens.cli.main import _run
from inklens.datasets.embedded import load_embedded
from inklens.pages.figures import ReportFigure
from inklens.tutorial import fits

pytestmark = pytest.mark.slow
ROWS = 400


@pytest.fixture(scope="module", autouse=True)
def no_figures():
    """Pages without their figures, which print no command and are most of the work."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ReportFigure, "html", lambda figure: Markup(f'<figure id="figure-{figure.name}"></figure>'))
        patched.setattr(ReportFigure, "save", lambda figure, folder: None)
        yield


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
        yield folder / "page"


@pytest.fixture(scope="module")
def small_page(tmp_path_factory):
    """A page about images of 10 x 8 pixels, which no photo can be brought to."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("small")
    for name in "ab":
        (folder / "images" / name).mkdir(parents=True)
        for number in range(40):
            ink = rng.integers(0, 120, (10, 8))
            ink[:, 2 if name == "a" else 5] += rng.integers(0, 130, 10)
            Image.fromarray(ink.astype(np.uint8)).save(folder / "images" / name / f"{number}.png")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(fits, "POINTS", 4)
        patched.setattr(fits, "STRENGTHS", (0.1,))
        patched.setattr("sys.argv", ["inklens"])
        patched.chdir(folder)
        spec = ["--data", "folder:images?invert=no", "--train", "50", "--test", "30"]
        assert _run(["demo", *spec, "-o", "page", "--no-open"]) == 0
        yield folder / "page"


@pytest.fixture(scope="module")
def model_page(tmp_path_factory):
    """A page about a model whose file names its data by a path that holds in one folder only."""
    digits = load_embedded()
    folder = tmp_path_factory.mktemp("model")
    np.savez(folder / "rows.npz", X=digits.X[:ROWS].reshape(-1, 28, 28), y=digits.y[:ROWS])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.argv", ["inklens"])
        patched.chdir(folder)
        spec = ["--data", "npz:rows.npz", "--train", "300", "--test", "100"]
        assert _run(["fit", *spec, "--C", "0.1", "--tol", "1e-3", "-o", "m.inklens"]) == 0
        assert _run(["report", "m.inklens", "-o", "page", "--no-open"]) == 0
        yield folder / "page"


def printed(page):
    """Return the commands of the page, in order, each once."""
    text = (page / "index.html").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"<code>(.*?)</code>", text, flags=re.S))
    lines = html.unescape(re.sub(r"<[^>]*>", "", code)).splitlines()
    found = [re.split(r"\s{2,}# ", line)[0].strip() for line in lines if line.startswith("inklens ")]
    return list(dict.fromkeys(found))


def test_every_command_of_the_page_runs_in_its_folder(page, monkeypatch, capfd):
    monkeypatch.chdir(page)
    monkeypatch.setattr("inklens.tutorial.page.run_tutorial", lambda *_, **__: pytest.fail("a whole run"))
    commands = printed(page)
    assert len(commands) >= 10
    for command in commands:
        _, name, *rest = shlex.split(command)
        assert exists(command), command
        if name not in {"demo", "quiz"}:  # whole runs, and questions
            assert _run([name, *rest]) == 0, (command, capfd.readouterr().err)


@pytest.mark.parametrize("name", ["small_page", "model_page"])
def test_commands_of_other_pages_run_too(request, name, monkeypatch, capfd):
    folder = request.getfixturevalue(name)
    monkeypatch.chdir(folder)
    commands = [shlex.split(command)[1:] for command in printed(folder)]
    assert {"explain", "flip", "fit"} <= {command[0] for command in commands}
    for command in commands:
        if command[0] not in {"demo", "quiz"}:
            assert _run(command) == 0, (command, capfd.readouterr().err)


def test_every_command_names_the_run(page):
    """The rows of the run, or the model beside the page; the reader that ships, other rows, never silently."""
    for command in printed(page):
        if command.split()[1] in {"fit", "path"}:
            assert "--train 300 --test 100 --seed 4" in command
        elif command.split()[1] in {"read", "explain", "flip", "votes", "quiz"}:
            assert "model.inklens" in command


def test_one_picture_gets_the_same_answer_on_the_page_and_in_the_shell(page, monkeypatch, capfd):
    monkeypatch.chdir(page)
    on_page = json.loads((page / "numbers.json").read_text())["own"]["readings"]["faithful"]
    assert _run(["read", "picture.png", "--model", "model.inklens", "--one", "--json"]) == 0
    (digit,) = json.loads(capfd.readouterr().out)["images"][0]["digits"]
    assert digit["label"] == on_page["label"]
    assert digit["probability"] == pytest.approx(on_page["probability"], rel=1e-12)
    assert _run(["explain", "picture.png", "--model", "model.inklens", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["label"] == on_page["label"]


def test_the_model_beside_the_page_is_the_page_s_and_proves_itself(page, monkeypatch, capfd):
    monkeypatch.chdir(page)
    numbers = json.loads((page / "numbers.json").read_text())
    reader = DigitReader.load(page / "model.inklens")
    assert reader.recorded("accuracy")["test"] == numbers["evaluation"]["accuracy"]
    assert _run(["verify", "model.inklens"]) == 0
    assert _run(["evaluate", "model.inklens", "--json"]) == 0
    printed = capfd.readouterr().out.splitlines()[-1]
    assert json.loads(printed)["accuracy"] == numbers["evaluation"]["accuracy"]
