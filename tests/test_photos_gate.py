"""One gate before every answer about a picture: reason and remedy first, a label only where it was asked for."""

import csv
import json
import os
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from handwriting import photo
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from inklens import DigitReader, load_dataset
from inklens.cli.main import inklens
from inklens.errors import InklensError, ParameterError, PhotoError
from inklens.photos import checks, locate, normalise
from inklens.tasks.reading import choose_digit

ROWS = ("372", "413")  # of the page


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    Image.fromarray(np.full((200, 200), 230, np.uint8)).save(folder / "blank.png")
    Image.fromarray(np.vstack([np.hstack([photo(c) for c in row]) for row in ROWS])).save(folder / "page.png")
    return folder


@pytest.fixture(scope="module")
def reader():
    return DigitReader.shipped()


def run(*args, stdin=None):
    """Return the exit code, standard output, and what a person reads on standard error."""
    done = CliRunner().invoke(inklens, [str(arg) for arg in args], input=stdin)
    if isinstance(done.exception, InklensError):  # which `main` turns into a line and a code
        return (2 if isinstance(done.exception, ParameterError) else 1), done.stdout, str(done.exception)
    return done.exit_code, done.stdout, done.stderr


DOORS = {
    "read": (["read"], 0),
    "explain": (["explain"], 1),
    "flip": (["flip"], 1),
    "votes": (["votes"], 1),
    "quiz": (["quiz", "--rounds", "1", "--photo"], 1),
    "collect": (["collect", "--label", "3"], 1),
    "demo": (["demo", "--photo"], 1),
}


@pytest.mark.parametrize("door", DOORS)
def test_a_blank_gets_reason_and_remedy_at_every_door_and_no_answer(door, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command, code = DOORS[door]
    exit_code, out, error = run(*command, folder / "blank.png")
    said = out + error
    assert exit_code == code
    assert said.count("\n") <= 1
    for words in ("blank: no ink was found", checks.REMEDIES["blank"], "--anyway"):
        assert words in said
    assert "%" not in said
    assert not list(tmp_path.iterdir())  # nothing was written


def test_a_refused_picture_is_answered_anyway(folder, tmp_path):
    blank = folder / "blank.png"
    code, out, _ = run("read", "--anyway", blank)
    assert code == 0
    assert out.index("blank: no ink") < out.index("%")
    code, out, error = run("explain", "--anyway", "--json", blank)
    assert code == 0
    assert "blank: no ink" in error
    assert json.loads(out)["label"] in "0123456789"
    code, out, _ = run("collect", "--anyway", "--label", "0", "--to", tmp_path, blank)
    assert code == 0
    assert Path(out.strip()).exists()


def test_json_keeps_its_fields_whatever_is_refused(folder):
    code, out, _ = run("read", "--json", folder / "blank.png")
    (entry,) = json.loads(out)["images"]
    (digit,) = entry["digits"]
    assert code == 0
    assert entry["text"] == digit["label"]
    assert digit["probability"] == max(digit["probabilities"].values())
    assert (digit["accepted"], digit["reasons"]) == (False, ["blank: no ink was found"])
    assert digit["remedies"] == [checks.REMEDIES["blank"]]


@pytest.mark.slow
def test_the_digits_of_a_page_are_counted_in_reading_order(folder, reader):
    page = str(folder / "page.png")
    for number, label in enumerate("".join(ROWS), 1):
        chosen = choose_digit(page, reader=reader, number=number)
        assert (chosen.reading.label, chosen.notes) == (label, [])
    code, out, error = run("explain", page)
    assert code == 0
    assert out.splitlines()[0].endswith(f" is read as {ROWS[0][0]}")
    assert "6 digits found, number 1" in error
    assert "--digit N" in error
    assert run("explain", page, "--digit", "5")[1].splitlines()[0].endswith(f" is read as {ROWS[1][1]}")
    with pytest.raises(ParameterError, match="from 1 to 6, got 7"):
        choose_digit(page, reader=reader, number=7)


@pytest.mark.parametrize("command", [["explain", "--sample", "3"], ["quiz"]])
def test_which_digit_is_asked_of_pictures_only(command):
    code, _, error = run(*command, "--digit", "1")
    assert code == 2
    assert "--digit" in error


def test_the_first_digit_that_can_be_read_is_taken(folder, tmp_path, reader):
    page = np.asarray(Image.open(folder / "page.png")).copy()
    page[:300, :240] = 225  # where the 3 was
    y, x = np.mgrid[:300, :240]
    page[:300, :240][(np.hypot(y - 150, x - 120) < 60)] = 40  # a blot
    Image.fromarray(page).save(tmp_path / "blot.png")
    chosen = choose_digit(str(tmp_path / "blot.png"), reader=reader)
    assert (chosen.number, chosen.reading.label) == (2, ROWS[0][1])
    with pytest.raises(PhotoError, match="no answer: "):
        choose_digit(str(tmp_path / "blot.png"), reader=reader, number=1)
    _, out, _ = run("read", tmp_path / "blot.png")
    assert out.splitlines()[0].endswith(": ?72")  # and the page is still read


# ---- what is no page of handwriting ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def frames():
    return load_dataset("embedded").images()[:300].reshape(-1, 28, 28) / 255


@pytest.mark.parametrize("n_signs", [1, 4, 12, 60, 300])
def test_handwriting_is_a_page_however_long(frames, n_signs):
    assert checks.judge_page(frames[:n_signs], np.ones(n_signs, bool)) is None


def test_copies_of_signs_are_print_and_few_signs_are_not_judged_by_them(frames):
    everything = np.ones(12, bool)
    assert "copy, as in print" in checks.judge_page(np.tile(frames[:4], (3, 1, 1)), everything)
    assert checks.judge_page(np.tile(frames[:4], (2, 1, 1)), everything[:8]) is None


def test_where_hardly_a_sign_is_like_a_digit_there_is_no_page(frames):
    accepted = np.arange(20) < 20 * checks.MIN_ACCEPTED_SHARE
    assert checks.judge_page(frames[:20], accepted) is None
    accepted[0] = False
    assert "5 of its 20 signs look like a digit" in checks.judge_page(frames[:20], accepted)
    assert checks.judge_page(frames[:3], np.zeros(3, bool)) is None  # too few to tell


def lines_of_text(size, lines, *, paper=255, ink=0):
    """Return lines of print, such as a scan or a screenshot holds."""
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)
    canvas = Image.new("L", (700, int(1.5 * size * lines) + 20), paper)
    for row in range(lines):
        text = "no hand has written these 24 lines of 1280 signs in 2025"
        ImageDraw.Draw(canvas).text((10, 10 + int(1.5 * size * row)), text, font=font, fill=ink)
    return np.asarray(canvas)


@pytest.mark.parametrize(
    ("picture", "words"),
    [(lines_of_text(20, 3), "as in print"), (lines_of_text(14, 30, paper=20, ink=230), "too many signs")],
    ids=["print", "screen"],
)
def test_print_gets_one_answer_and_no_digits(picture, words, tmp_path):
    signs = [sign for line in locate(picture, many=True) for sign in line]
    assert not any(sign.accepted for sign in signs)
    assert all(words in sign.reasons[0] for sign in signs)
    Image.fromarray(picture).save(tmp_path / "print.png")
    code, out, error = run("read", "--many", tmp_path / "print.png")
    assert (code, error) == (0, "")
    assert out.count("\n") == 1
    assert words in out
    assert "--many" not in out


def test_every_reason_has_a_remedy():
    extremes = {"contrast": 0.01, "noise": 0.1, "edges": 0.0, "border": 1.0, "pen": 1.0, "holes": 9.0}
    for rest in ({"rivals": 2.0}, {"left_over": 1.0}):
        reasons = checks.judge(np.eye(28), {**extremes, **rest}).reasons
        assert len(reasons) == 6
        assert len(checks.remedies(reasons)) == len({reason.partition(":")[0] for reason in reasons}) >= 5
    page = [checks.crowded(900), checks.judge(np.zeros((28, 28)), {}).reasons[0]]
    assert checks.remedies(page) == (checks.REMEDIES["too many signs"], checks.REMEDIES["blank"])


def test_what_the_tutorials_recipe_lost_is_no_fault_of_the_writer(tmp_path):
    Image.fromarray(photo("4", size=(400, 700), box=60, at=(20, 30))).save(tmp_path / "corner.png")
    _, out, _ = run("read", "--recipe", "tutorial", tmp_path / "corner.png")
    assert "let --recipe faithful find the digit" in out
    assert run("read", tmp_path / "corner.png")[1].split(": ")[1].startswith("4")


def test_letters_need_not_look_like_digits(reader):
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 150)
    canvas = Image.new("L", (240, 240), 235)
    ImageDraw.Draw(canvas).text((120, 120), "K", font=font, fill=20, anchor="mm")
    letters = DigitReader(np.zeros((2, 784)), np.array([0.0, 1.0]), ("A", "K"), (28, 28))
    assert letters.read(canvas)[0].accepted
    assert not reader.read(canvas)[0].accepted


# ---- real pictures --------------------------------------------------------------------------------------------------

with_photos = pytest.mark.skipif("INKLENS_PHOTOS" not in os.environ, reason="set INKLENS_PHOTOS to labelled pictures")


def rows_of(*kinds):
    place = Path(os.environ["INKLENS_PHOTOS"])
    with (place / "manifest.csv").open(newline="") as file:
        return [{**row, "file": place / row["local_file"]} for row in csv.DictReader(file) if row["kind"] in kinds]


@pytest.mark.slow
@with_photos
def test_real_pages_are_pages_and_signs_of_other_scripts_get_no_answer():
    for row in rows_of("multi"):
        signs = [sign for line in locate(row["file"], many=True) for sign in line]
        assert np.mean([sign.accepted for sign in signs]) >= 0.9
    for row in rows_of("reject"):
        _, out, _ = run("read", row["file"])
        assert ": no answer: not like a digit" in out
        assert "%" not in out


@pytest.mark.slow
@with_photos
def test_probabilities_of_real_pictures_may_be_believed(reader):
    readings, right = [], []
    for row in rows_of("photo", "scan", "drawing"):
        (reading,) = reader.read(row["file"])
        readings.append(reading.probability if reading.accepted else np.nan)
        right.append(reading.label == row["label"])
    stated, right = np.array(readings), np.array(right)
    for low, high in ((0.9, 0.99), (0.99, 1.01)):
        inside = (stated >= low) & (stated < high)
        assert inside.sum() > 20
        assert abs(stated[inside].mean() - right[inside].mean()) < 0.03


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("pen", [6, 12])
def test_a_bar_across_the_whole_picture_is_no_digit_but_the_same_bar_with_paper_round_it_is_read(turned, pen):
    picture = np.full((200, 200), 230, np.uint8)
    picture[:, 100 - pen // 2 : 100 + pen // 2] = 40
    across = normalise(picture.T if turned else picture)
    assert not across.accepted
    assert any("opposite" in reason for reason in across.reasons)
    picture[:30] = picture[-30:] = 230
    assert normalise(picture).accepted
