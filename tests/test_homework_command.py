"""`inklens homework`: from the first photo to the hand-in."""

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from command import run
from hand_ins import TEXTS, class_model, members, two_photos

from inklens.classroom import Homework
from inklens.classroom.work import Work
from inklens.cli.main import inklens as inklens_command


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return class_model(tmp_path_factory.mktemp("class"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return two_photos(tmp_path_factory.mktemp("photos"))


def test_the_command_from_first_photo_to_hand_in(tmp_path, model, pictures):
    one, two = pictures
    begin = ["homework", "new", "hw", "--name", "Ada", "--model", model, "--photo", one, "--meant", "4", "--guess", "4"]
    first = run(*begin, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("digit 1: 4  ")
    assert "digit 2: no picture yet" in first.stderr
    second = run("homework", "new", "hw", "--photo", two, "--guess", "9", cwd=tmp_path)
    assert second.stdout.startswith("digit 2: 7  ")
    assert second.stdout.strip().endswith("misread")
    checked = run("homework", "check", "hw", cwd=tmp_path)
    assert checked.returncode == 1
    assert "digit 1: the explanation is missing" in checked.stderr
    answers = (tmp_path / "hw" / "answers.md").read_text(encoding="utf-8")
    (tmp_path / "hw" / "answers.md").write_text(
        answers.replace("## Digit 2", f"{TEXTS[0]}\n\n## Digit 2") + TEXTS[1], encoding="utf-8"
    )
    checked = run("homework", "check", "hw", "--json", cwd=tmp_path)
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout)["complete"] is True
    handed = run("homework", "hand-in", "hw", "--no-open", cwd=tmp_path)
    assert handed.returncode == 0, handed.stderr
    assert handed.stdout.startswith("ada.inkwork: ")
    work = Work.from_bytes(members((tmp_path / "ada.inkwork").read_bytes())["work.json"])
    assert tuple(digit.text for _, digit in work.numbered) == TEXTS
    assert replace(work, name="x").members == work.members


@pytest.mark.slow
def test_on_a_terminal_the_guess_is_asked_before_the_answer_is_told(tmp_path, model, pictures, monkeypatch):
    monkeypatch.setattr("inklens.cli.homework._on_terminal", lambda: True)
    new, told = ["homework", "new", str(tmp_path / "hw")], []
    for more, typed in (
        (["--model", str(model), "--photo", str(pictures[0])], "Ada\n4\nx\n7\n"),
        (["--photo", str(pictures[1])], "9\n"),  # it is the same digit: only the guess is asked
    ):
        done = CliRunner().invoke(inklens_command, [*new, *more], input=typed)
        assert done.exit_code == 0, done.output
        told.append(done.output)
    assert "is not one of" in told[0]
    assert told[0].index("What will the model say?") < told[0].index("digit 1: 4")
    assert "so that it is misread" in told[0]
    assert "Which digit is it meant to be?" not in told[1]
    work = Homework(tmp_path / "hw").work
    assert [work.name, *((digit.meant, digit.guess) for _, digit in work.numbered)] == ["Ada", ("4", "7"), ("4", "9")]
    hand_in = ["homework", "hand-in", str(tmp_path / "hw"), "-o", str(tmp_path / "ada.inkwork"), "--no-open"]
    assert "Nothing was written" in CliRunner().invoke(inklens_command, hand_in, input="n\n").output
    assert not (tmp_path / "ada.inkwork").exists()
    CliRunner().invoke(inklens_command, hand_in, input="y\n")
    assert (tmp_path / "ada.inkwork").exists()


@pytest.mark.slow
def test_scripts_give_both_photos_at_once_and_hand_in_what_there_is(tmp_path, pictures):
    one, two = pictures
    begun = run("homework", "new", "hw", "--name", "Ada", "--photo", one, "--photo", two, "--json", cwd=tmp_path)
    assert begun.returncode == 0, begun.stderr
    assert [digit["label"] for digit in json.loads(begun.stdout)["digits"]] == ["4", "7"]
    handed = run("homework", "hand-in", "hw", "-o", "ada.inkwork", "--json", cwd=tmp_path)
    document = json.loads(handed.stdout)
    assert (handed.returncode, document["complete"]) == (0, False)
    assert document["bytes"] == (tmp_path / "ada.inkwork").stat().st_size
    same = run("homework", "new", one, two, "-o", "other", "--name", "Ada", cwd=tmp_path)
    assert same.returncode == 0, same.stderr
    assert (tmp_path / "other/work.json").read_bytes() == (tmp_path / "hw/work.json").read_bytes()


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("new", "nothing.jpg"), 1, "no file 'nothing.jpg'"),
        (("new", "hw", "--photo", "a", "--photo", "b", "--photo", "c"), 2, "two digits, got 3"),
        (("new", "hw", "--meant", "4"), 2, "once for each new digit"),
        (("new", "hw", "--digit", "2"), 2, "--digit 2 goes with one picture"),
        (("check", "hw"), 1, "there is no homework in 'hw'"),
        (("hand-in", "hw"), 1, "there is no homework in 'hw'"),
        (("hand-in", "hw", "-o", "nowhere/ada.inkwork"), 2, "nowhere"),
    ],
)
def test_wrong_use_is_one_clear_line_and_leaves_nothing(tmp_path, args, code, words):
    found = run("homework", *args, cwd=tmp_path)
    assert (found.returncode, found.stdout) == (code, "")
    assert words in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
