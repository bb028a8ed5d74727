"""`inklens quiz`: the right answers are the model's own, and the game is polite whatever comes in."""

import io
import json
import os
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from command import run
from PIL import Image

from inklens import DigitReader, explain, flip, load_dataset
from inklens.cli.pictures import ASCII, BLOCKS, text_picture
from inklens.cli.quiz import _Terminal
from inklens.errors import ParameterError
from inklens.tutorial.quiz import PLACE, Score, questions


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "m.inklens"
    command = ["fit", "--train", "400", "--test", "300", "--C", "0.1", "--tol", "1e-2", "-o", path]
    assert run(*command).returncode == 0
    return path


def test_the_right_answers_are_the_models(model):
    reader = DigitReader.load(model)
    frames = load_dataset("embedded").images(slice(0, 5000, 50)) / 255
    names = [str(i) for i in range(len(frames))]
    asked = list(questions(reader, frames, names, rounds=12, seed=5))
    assert [q.kind for q in asked] == ["answer", "place", "flip"] * 4
    for q in asked:
        frame = frames[int(q.name)]
        assert q.right in q.choices
        if q.kind == "answer":
            assert q.right == reader.predict(frame[None])[0]
        elif q.kind == "flip":
            assert q.right == flip(reader, frame).target == reader.predict(q.after[None])[0]
        else:
            why = explain(reader, frame)
            between = why.between(why.label, why.rival)
            for letter in "AB":
                places = [place for place, mark in q.marks.items() if mark == letter]
                assert len(places) == PLACE**2
                assert sum(between[place] for place in places) == pytest.approx(q.numbers[letter])
                assert (q.numbers[letter] > 0) == (letter == q.right)
            assert len(q.marks) == 2 * PLACE**2  # the places do not overlap


def test_one_seed_asks_the_same_questions_another_does_not(model):
    reader, frames = DigitReader.load(model), load_dataset("embedded").images(slice(0, 5000, 50)) / 255
    names = [str(i) for i in range(len(frames))]
    asked = [[q.name for q in questions(reader, frames, names, rounds=6, seed=seed)] for seed in (1, 1, 2)]
    assert asked[0] == asked[1] != asked[2]


def test_exact_flips_are_only_asked_of_models_on_pixels():
    coef = np.random.default_rng(0).normal(size=(3, 784))
    reader = DigitReader(coef, np.zeros(3), ("a", "b", "c"), (28, 28), features="upright")
    frames = load_dataset("embedded").images(slice(0, 100, 10)) / 255
    kinds = {q.kind for q in questions(reader, frames, list("0123456789"), rounds=5, seed=0)}
    assert kinds == {"answer", "place"}
    with pytest.raises(ParameterError, match="pixels"):
        next(questions(reader, frames, list("0123456789"), rounds=1, kinds=["flip"]))


def test_a_score_counts_what_was_right(model):
    reader, frames = DigitReader.load(model), load_dataset("embedded").images(slice(0, 5000, 50)) / 255
    score = Score()
    for number, q in enumerate(questions(reader, frames, [""] * len(frames), rounds=4, seed=0)):
        assert score.add(q, q.right if number % 2 else "") == bool(number % 2)
    assert (score.right, len(score.rounds), str(score)) == (2, 4, "2 of 4 predicted right")
    json.dumps(score.to_json(), allow_nan=False)


def test_answers_come_through_a_pipe_and_right_ones_score(model):
    options = ["quiz", "--model", model, "--seed", "3", "--rounds", "6", "--json"]
    first = json.loads(run(*options, input="\n" * 6).stdout)
    assert (first["asked"], first["right"], first["ended"]) == (6, 0, "finished")
    right = [entry["right_answer"] for entry in first["rounds"]]
    answers = "".join(f" {answer.lower()} \n" for answer in right)
    assert json.loads(run(*options, input=answers).stdout)["right"] == 6
    again = run(*options, input="nonsense\n" + answers)
    assert json.loads(again.stdout)["right"] == 6
    assert "Please type one of" in again.stderr


@pytest.mark.parametrize(("typed", "ended", "asked"), [("", "end of input", 0), ("4\nq\n", "you", 1)])
def test_leaving_early_ends_with_the_score(model, typed, ended, asked):
    done = run("quiz", "--model", model, "--seed", "3", "--json", input=typed)
    document = json.loads(done.stdout)
    assert (done.returncode, document["ended"], document["asked"]) == (0, ended, asked)
    assert "Traceback" not in done.stderr
    assert "Ended by" in run("quiz", "--model", model, "--seed", "3", input=typed).stdout


@pytest.mark.parametrize("given", ["closed", b"\xff\xfe\x00\n" + b"no\n" * 1000, b"x" * 2_000_000])
def test_whatever_comes_in_ends_the_quiz_with_its_score(given, model, tmp_path):
    command = [sys.executable, "-m", "inklens", "quiz", "--model", model, "--rounds", "1", "--json"]
    (tmp_path / "in").write_bytes(b"" if given == "closed" else given)
    where = "<&-" if given == "closed" else f"< {tmp_path}/in"
    done = subprocess.run(
        f"{shlex.join(map(str, command))} {where}", shell=True, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, json.loads(done.stdout)["asked"]) == (0, 0), done.stderr
    assert "Traceback" not in done.stderr


def test_classes_that_differ_in_case_alone_can_all_be_said(monkeypatch):
    terminal = _Terminal(to_stderr=False)
    for typed, taken in (("a\n", "a"), ("A\n", "A"), (" B \n", "B"), ("b\n", "B"), ("Q\n", "Q")):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        assert terminal.ask(("A", "a", "B", "Q")) == taken


@pytest.mark.slow
def test_ctrl_c_shows_the_score():
    command = [sys.executable, "-u", "-m", "inklens", "quiz", "--seed", "1"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # background jobs inherit that it is ignored
    )  # fmt: skip
    seen = ""
    while "> " not in seen:
        seen += process.stdout.read(1)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Ended by Ctrl-C: no question answered." in stdout
    assert "Traceback" not in stderr


@pytest.mark.slow
def test_it_fits_80_columns_without_colour_in_any_locale(model):
    poor = {"PATH": os.environ["PATH"], "LANG": "C", "NO_COLOR": "1", "HOME": "/nonexistent"}
    done = run("quiz", "--model", model, "--seed", "3", "--rounds", "3", input="\n" * 3, env=poor, fresh=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert "\x1b" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    rich = run("quiz", "--model", model, "--rounds", "1", input="\n", env=poor | {"LANG": "en_US.UTF-8"}, fresh=True)
    assert BLOCKS[-1] in rich.stdout


def test_a_photo_is_asked_about(model, tmp_path):
    Image.fromarray(255 - load_dataset("embedded").images(2500)).resize((280, 280)).save(tmp_path / "mine.png")
    done = run("quiz", "--model", model, "--photo", tmp_path / "mine.png", "--json", input="\n\n\n")
    document = json.loads(done.stdout)
    assert {entry["kind"] for entry in document["rounds"]} == {"answer", "place", "flip"}
    assert all(entry["image"] == str(tmp_path / "mine.png") for entry in document["rounds"])


def test_pictures_keep_every_pixel_of_ink():
    rng = np.random.default_rng(0)
    frame = np.zeros((28, 28))
    frame[5:12, 7:20] = rng.random((7, 13))
    for shades, blocks in ((ASCII, False), (BLOCKS, True)):
        lines = text_picture(frame, blocks=blocks).splitlines()
        assert len(lines) == 9
        body = np.array([list(line[1:-1]) for line in lines])[1:-1, 2:-2]
        level = np.vectorize(shades.index)(body)
        assert np.array_equal(level, np.repeat(np.ceil(frame[5:12, 7:20] * 4).astype(int), 2, axis=1))
    assert "AA" in text_picture(frame, {(0, 0): "A"})
    assert text_picture(np.zeros((3, 3))).count("|") == 6
