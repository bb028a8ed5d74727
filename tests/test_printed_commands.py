"""Every command that README, documentation, help and terminal print runs as printed, in order, in a fresh folder.

The pictures are drawn, the digits are the first 300 of the package's, and what would be downloaded is made of them.
Pages with all their figures are made elsewhere (test_tutorial_run, test_cli_contract); here, their commands only check
what they were given, and refits are few.
"""

import logging
import re
import shlex
import shutil
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from io import BytesIO, StringIO
from pathlib import Path
from types import SimpleNamespace

import click
import numpy as np
import pytest
from datasets_makers import idx_bytes
from PIL import Image
from sklearn.datasets import load_digits

from inklens import DigitReader, SoftmaxRegression
from inklens.classroom.archive import open_hand_in
from inklens.cli.main import COMMANDS, _run, inklens
from inklens.datasets import DatasetInfo
from inklens.datasets.embedded import load_embedded
from inklens.evaluation import curvature, stability
from inklens.siblings.roster import choose
from inklens.siblings.run import Siblings
from inklens.tasks.model_rows import split_rows

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *(p for p in sorted((ROOT / "docs").rglob("*.rst")) if "_build" not in p.parts)]
PICTURES = (
    "photo.jpg",
    "page.jpg",
    "my-digit.jpg",
    "my-seven.jpg",
    "my-four.jpg",
    "seven-1.jpg",
    "seven-2.jpg",
    "drawing.png",
    "four.jpg",
    "four-changed.jpg",
    "a.jpg",
    "b.jpg",
)
FOLDERS_OF_MNIST = ("DIR", "FOLDER")  # what stands for a folder of the reader's own
ROWS, LARGE = 300, 10_000
REFITS = 2
CODES = {
    "inklens verify src/inklens/reader.inklens --data idx:FOLDER": 1,  # which are not the digits that it names
    "inklens homework check": 1,  # nobody has explained anything
    "inklens homework check my-homework": 1,
    "inklens homework check my-homework --json": 1,
}


def commands_in(text):
    """Return the lines that begin with the program, without remarks."""
    found = []
    for line in text.splitlines():
        printed = re.fullmatch(r"\s*((?:printf .*\| )?inklens(?: .*)?)", line)
        if printed:
            command = re.split(r"\s{2,}| # ", printed[1])[0].strip()
            if "..." not in command and "[" not in command:
                found.append(command)
    return found


def mentions_in(text):
    """Return what stands in the running text as code."""
    return re.findall(r"`(inklens (?:[a-z]|-)[^`]*)`", text)


def exists(mention):
    """Whether a mention, such as `inklens fit --scale min-max`, names commands and options that there are."""
    words, command = mention.split()[1:], inklens
    while words and isinstance(command, click.Group):
        command = command.get_command(click.Context(command), words.pop(0))
        if command is None:
            return False
    known = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    return {word.split("=")[0] for word in words if word.startswith("-") and len(word) > 1} <= known


def pages_of_help():
    """Yield the words of each command and its help, of groups and their commands."""
    context = click.Context(inklens, info_name="inklens")
    yield "inklens", inklens.get_help(context)
    for name in COMMANDS:
        command = inklens.get_command(context, name)
        yield name, command.get_help(click.Context(command, info_name=name, parent=context))
        for child in getattr(command, "commands", {}):
            below = command.commands[child]
            parent = click.Context(command, info_name=name, parent=context)
            yield f"{name} {child}", below.get_help(click.Context(below, info_name=child, parent=parent))


@pytest.fixture(scope="module")
def small():
    digits = load_embedded()
    return replace(digits, X=digits.X[:ROWS], y=digits.y[:ROWS])


def tutorial_for_nothing(dataset, *, out, train, test, seed, photo, **options):
    """Check the arguments, and leave what a run leaves for the commands that follow: a page and its model."""
    rows = split_rows(dataset, train=train, test=test, seed=seed)
    assert photo is None or Path(photo).is_file()
    Path(out).mkdir(exist_ok=True)
    (Path(out) / "index.html").write_text("a page")
    spec = {"spec": "idx:FOLDER", "train": len(rows.y_train), "test": len(rows.y_test), "seed": seed}
    DigitReader(np.eye(10, 784), np.zeros(10), dataset.classes, (28, 28), provenance={"data": spec}).save(
        Path(out) / "model.inklens"
    )
    words = SimpleNamespace(in_words=list)
    fits = SimpleNamespace(compared={}, l2=SimpleNamespace(title="L2"))
    return SimpleNamespace(fits=fits, evaluation=words, own=words)


def page_for_nothing(reader, *, out, **options):
    assert isinstance(reader, DigitReader)
    return SimpleNamespace(judged=SimpleNamespace(notes=()))


def race_for_nothing(dataset, *, only=(), named=(), changed, **rules):
    """Check who takes part, and leave a page of a race that has not begun."""
    split = dataset.split(train=200, test=100, seed=9)
    rules = {name: value for name, value in rules.items() if name in ("seed",)}
    done = Siblings(dataset, split, siblings=choose(only, named), budget=1.0, n_jobs=1, finished=True, **rules)
    changed(done)
    return done


def few_refits(args, options):
    return stability(*args, **{**options, "n_refits": REFITS})


@contextmanager
def in_this_process(*_, **__):
    """A cluster that need not be started, and ends with its command."""
    distributed = pytest.importorskip("distributed")
    options = {"processes": False, "dashboard_address": "127.0.0.1:0", "silence_logs": logging.CRITICAL}
    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=1, **options) as local,
        distributed.Client(local, set_as_default=False) as client,
    ):
        yield client


@lru_cache(maxsize=1)
def nothing_drawn():
    """A picture of one pixel; what figures look like is asked elsewhere (test_displays_*)."""
    file = BytesIO()
    Image.new("L", (1, 1)).save(file, "PNG")
    return file.getvalue()


@lru_cache(maxsize=1)
def scatter():
    """The curvature of one small model; that of a printed command's would take seconds."""
    rng = np.random.default_rng(0)
    X, y = rng.uniform(size=(40, 784)), np.resize(list("0123456789"), 40)
    return curvature(SoftmaxRegression(C=0.1).fit(X, y), X, y, n_draws=2)


def table_of_small_digits():
    """Return scikit-learn's digits, 8 x 8 and ink from 0 to 16, as rows of label and pixels."""
    digits = load_digits()
    rows = np.column_stack([digits.target, digits.data]).astype(int)[:ROWS]
    return "".join(",".join(map(str, row)) + "\n" for row in rows.tolist())


@pytest.fixture
def folder(small, tmp_path, monkeypatch):
    """A fresh folder with pictures, in which the package's digits are few and nothing is downloaded."""
    many = np.resize(np.arange(ROWS), LARGE)
    large = replace(small, X=small.X[many], y=small.y[many], name="mnist_784")
    monkeypatch.setattr("inklens.datasets.embedded.load", lambda *_: small)
    monkeypatch.setattr("inklens.datasets.openml.client.load", lambda *_: large)
    fetched = DatasetInfo("mnist", "MNIST", "CC", LARGE, 10, (28, 28), 0, True, 1, "cache", ())
    monkeypatch.setattr("inklens.datasets.fetch", lambda *_, **__: fetched)
    monkeypatch.setattr("inklens.tutorial.page.run_tutorial", tutorial_for_nothing)
    monkeypatch.setattr("inklens.pages.model_page.write_model_page", page_for_nothing)
    monkeypatch.setattr("inklens.siblings.run.run_siblings", race_for_nothing)
    monkeypatch.setattr("inklens.tasks.certainty.stability", lambda *args, **options: few_refits(args, options))
    monkeypatch.setattr("inklens.tasks.limits.SECONDS", 0.5)
    monkeypatch.setattr("inklens.displays.base.Display.to_png", lambda *_, **__: nothing_drawn())
    monkeypatch.setattr("inklens.tasks.certainty.curvature", lambda *_, **__: scatter())
    monkeypatch.setattr("inklens.classroom.drawing.draw", lambda number, tell: small.X[number].reshape(28, 28) / 255)
    monkeypatch.setattr("inklens.classroom.boxed.prepare", lambda: None)
    monkeypatch.setattr("inklens.classroom.boxed.recheck_boxed", lambda data, *_, **__: open_hand_in(data))
    monkeypatch.setattr("inklens.notebook.lesson.run_notebook", lambda book, folder, progress: None)
    monkeypatch.setattr("inklens.studio.server.serve", lambda settings, listener: None)
    monkeypatch.setattr("inklens.classroom.live_server.serve_class", lambda settings, tell: None)
    monkeypatch.setattr("inklens.cluster.opened", in_this_process)
    monkeypatch.setenv("INKLENS_CACHE", str(tmp_path / "cache"))
    here = tmp_path / "here"
    here.mkdir()
    for number, name in enumerate(PICTURES):
        digit = small.X[4 + 10 * number].reshape(28, 28)
        if name == "page.jpg":
            digit = np.tile(digit, (1, 3))  # a row of them
        Image.fromarray(255 - digit).resize((10 * digit.shape[1], 280)).save(here / name)
    for name in FOLDERS_OF_MNIST:
        (here / name).mkdir()
        for half, rows in (("train", slice(0, 220)), ("t10k", slice(220, ROWS))):
            images, labels = small.X[rows].reshape(-1, 28, 28), small.y[rows].astype(np.uint8)
            (here / name / f"{half}-images-idx3-ubyte").write_bytes(idx_bytes(images))
            (here / name / f"{half}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    (here / "scans").mkdir()
    shutil.copy(here / "photo.jpg", here / "scans")
    (here / "names.txt").write_text("photo.jpg\n")
    (here / "digits.csv").write_text(table_of_small_digits())
    (here / "hand-ins").mkdir()
    (here / "hand-ins" / "ada.inkwork").write_bytes(b"a row with a reason")
    (here / "digits").mkdir()
    np.savez(here / "digits" / "ada.npz", images=small.X[:30].reshape(-1, 28, 28), labels=small.y[:30].astype(str))
    shutil.copy(here / "digits" / "ada.npz", here / "hand-ins")
    (here / "src" / "inklens").mkdir(parents=True)
    (here / "src" / "inklens" / "reader.inklens").write_bytes((ROOT / "src/inklens/reader.inklens").read_bytes())
    (here / "class.inklens").write_bytes((ROOT / "src/inklens/reader.inklens").read_bytes())
    monkeypatch.chdir(here)
    return here


def execute(command, monkeypatch, capfd):
    """Run one printed command in this process, and return the commands that it prints in turn."""
    monkeypatch.setattr("sys.argv", ["inklens"])
    monkeypatch.setattr("sys.stdin", StringIO())
    line = re.split(r" >>? ", command)[0]
    if line.startswith("printf"):
        typed, line = line.split(" | ")
        monkeypatch.setattr("sys.stdin", StringIO(shlex.split(typed)[1].encode().decode("unicode_escape")))
    words = [
        path
        for word in shlex.split(line)[1:]
        for path in (sorted(map(str, Path().glob(word))) if "*" in word else [word])
    ]
    code = _run(words)
    _, err = capfd.readouterr()
    assert code == CODES.get(command, 0), f"{command}\n{err}"
    return commands_in(err)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_of_a_document_run_in_order(document, folder, monkeypatch, capfd):
    for command in commands_in(document.read_text(encoding="utf-8")):
        execute(command, monkeypatch, capfd)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_the_running_text_exist(document):
    mentions = mentions_in(document.read_text(encoding="utf-8"))
    assert [mention for mention in mentions if not exists(mention)] == []
    assert not exists("inklens fit --penalty l1")
    assert not exists("inklens data frobnicate")


@pytest.mark.parametrize("name", ["inklens", *COMMANDS])
def test_examples_of_help_run_in_order(name, folder, monkeypatch, capfd):
    texts = dict(pages_of_help())
    for page in texts:
        if page.split()[0] == name:
            for command in commands_in(texts[page]):
                execute(command, monkeypatch, capfd)


def test_hints_in_the_terminal_run_and_are_about_the_same_rows(folder, monkeypatch, capfd):
    made = "demo --data idx:FOLDER --train 200 --test 90 --seed 4 -o first"
    hints = execute(f"inklens {made}", monkeypatch, capfd)
    assert len(hints) >= 4
    for hint in hints:
        if " fit " in hint or " demo " in hint:
            assert "--data idx:FOLDER --train 200 --test 90 --seed 4" in hint
    for hint in hints:
        execute(hint, monkeypatch, capfd)


def test_hints_of_a_fit_and_of_labels_run(folder, monkeypatch, capfd):
    made = "fit --data idx:FOLDER --train 200 --test 90 --seed 4 -o 'my model.inklens'"
    hints = execute(f"inklens {made}", monkeypatch, capfd)
    assert [hint.split()[1] for hint in hints] == ["evaluate", "explain", "report"]
    again = execute("inklens labels 'my model.inklens' --table 'my table.csv'", monkeypatch, capfd)
    assert [hint.split()[1] for hint in again] == ["labels"]
    for hint in [*hints, *again]:
        execute(hint, monkeypatch, capfd)
    assert Path("corrected.inklens").is_file()
