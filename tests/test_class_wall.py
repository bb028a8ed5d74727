"""The class's wall from files: what is read from them, what is counted, what is fitted, and who stays unknown."""

import base64
import io
import json
import re
import tracemalloc
import zipfile

import numpy as np
import pytest

from inklens import DigitReader
from inklens.classroom import drawn
from inklens.classroom import wall as walls
from inklens.classroom.drawn import ClassDigits, Drawn, arrays, document, read_class, read_file, read_json, read_npz
from inklens.classroom.wall_page import wall_page
from inklens.cli.main import _run
from inklens.datasets import load_dataset
from inklens.errors import DataError

STUDENTS = {"Ada Example": 0, "Bo Example": 1, "Cem Example": 2, "Dana Example": 3}
PER_STUDENT = 10


@pytest.fixture(scope="module")
def digits():
    """Four students' digits, the test rows of the package with some labels that are not what is there."""
    embedded = load_dataset("embedded")
    rng = np.random.default_rng(3)
    found = []
    for name, number in STUDENTS.items():
        for row in range(PER_STUDENT * number, PER_STUDENT * (number + 1)):
            true = str(embedded.y[row])
            label = str((int(true) + 1) % 10) if row % 7 == 0 else true
            guess = None if number == 3 else str(rng.integers(10)) if row % 3 == 0 else label
            found.append(Drawn(label, embedded.X[row].tobytes(), f"key-{number}", guess, name))
    return tuple(found)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, digits):
    """A file a student, named after them."""
    place = tmp_path_factory.mktemp("class")
    for name, number in STUDENTS.items():
        own = digits[PER_STUDENT * number : PER_STUDENT * (number + 1)]
        (place / f"{name}.json").write_text(document(own), encoding="utf-8")
    return place


@pytest.fixture(scope="module")
def reader():
    return DigitReader.shipped()


@pytest.fixture(scope="module")
def wall(folder, reader):
    return walls.make_wall(read_class(folder), reader, refit=False)


# ------------------------------------------------------------------------------------------------- files


def test_digits_are_read_as_they_were_written(digits):
    assert tuple(read_json(document(digits).encode())) == digits
    nameless = tuple(Drawn(d.label, d.pixels, d.student, d.guess) for d in digits)
    assert tuple(read_npz(arrays(digits))) == nameless


def test_what_the_studio_lists_is_read(digits):
    listed = [
        {"id": "0" * 16, "created": "2026-01-01", "label": d.label, "pixels": d.to_json()["pixels"], "read_as": "1"}
        for d in digits[:2]
    ]
    assert [d.pixels for d in read_json(json.dumps({"digits": listed}).encode())] == [d.pixels for d in digits[:2]]


def text_of(**changes):
    """A file of one digit, with some fields changed."""
    good = Drawn("4", bytes(784)).to_json()
    return json.dumps({"schema": "inklens-digits/1", "digits": [{**good, **changes}]}).encode()


def npz_of(**made):
    file = io.BytesIO()
    np.savez(file, **made)
    return file.getvalue()


class Opened:
    """What makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_nothing_in_a_file_is_run(tmp_path):
    sign, path = tmp_path / "run", tmp_path / "x.npz"
    path.write_bytes(npz_of(images=np.zeros((1, 28, 28), np.uint8), labels=np.array([Opened(str(sign))])))
    with pytest.raises(DataError):
        read_file(path)
    assert not sign.exists()


HOSTILE = {
    "short.json": text_of(pixels=base64.b64encode(bytes(783)).decode()),
    "no-base64.json": text_of(pixels="%%%"),
    "no-label.json": text_of(label=""),
    "long-label.json": text_of(label="4" * 9),
    "control.json": text_of(label="\x1b[2J"),
    "name.json": text_of(name="x" * 41),
    "number.json": text_of(label=4),
    "list.json": b"[1, 2]",
    "other-schema.json": b'{"schema": "inklens-digits/9", "digits": []}',
    "twice.json": b'{"digits": [], "digits": []}',
    "deep.json": b"[" * 100 + b"]" * 100,
    "nan.json": b'{"digits": [NaN]}',
    "pickle.npz": npz_of(images=np.array([object()]), labels=np.array(["4"])),
    "floats.npz": npz_of(images=np.zeros((1, 28, 28)), labels=np.array(["4"])),
    "shape.npz": npz_of(images=np.zeros((1, 27, 28), np.uint8), labels=np.array(["4"])),
    "labels.npz": npz_of(images=np.zeros((2, 28, 28), np.uint8), labels=np.array(["4"])),
    "beyond.npz": npz_of(images=np.zeros((1, 28, 28), np.uint8), labels=np.array([0x110000], np.uint32).view("U1")),
    "scalar.npz": npz_of(images=np.uint8(3), labels=np.array(["4"])),
    "columns.npz": npz_of(images=np.zeros((2, 28, 28), np.uint8), labels=np.array([["4"], ["5"]])),
    "nameless.npz": npz_of(
        images=np.zeros((1, 28, 28), np.uint8), labels=np.array("4"), guesses=np.array("4"), students=np.array("a")
    ),
    "many.json": b'{"digits": [' + b"{}," * 300_001 + b"{}]}",
    "text.npz": b"no zip",
    "zip.inkwork": b"PK\x05\x06" + bytes(18),
    "text.inkwork": b"%PDF-1.7",
}


REASONS = {
    "short": "expected 784 pixels",
    "no-base64": "base64",
    "no-label": "1 to 8 characters",
    "long-label": "1 to 8 characters",
    "control": "1 to 8 characters",
    "name": "40 characters",
    "number": "have to be text",
    "list": "a list of digits",
    "other-schema": "expected the schema",
    "twice": "comes twice",
    "deep": "nested",
    "nan": "NaN",
    "pickle": "arrays images",
    "floats": "28 x 28 bytes",
    "shape": "28 x 28 bytes",
    "labels": "28 x 28 bytes",
    "beyond": "28 x 28 bytes",
    "scalar": "28 x 28 bytes",
    "columns": "28 x 28 bytes",
    "nameless": "28 x 28 bytes",
    "many": "more than the 300,000 values",
    "text": "arrays images|no ZIP",
    "zip": "hand in the file",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_no_digits_is_refused_with_a_reason(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(HOSTILE[name])
    with pytest.raises(DataError, match=REASONS[path.stem]):
        read_file(path)


def test_arrays_that_burst_are_refused_before_they_are_unpacked():
    """50 kB of zeros: 47 MB of images, which as digits would be three times that."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed, packed.open("images.npy", "w") as images:
        np.lib.format.write_array_header_1_0(
            images, {"descr": "|u1", "fortran_order": False, "shape": (60_000, 28, 28)}
        )
        for _ in range(60):
            images.write(bytes(784_000))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="too large"):
            read_npz(file.getvalue())
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_no_file_is_read_any_more_once_there_are_too_many_digits(tmp_path, digits, monkeypatch):
    for name in "abcd":
        (tmp_path / f"{name}.json").write_text(document(digits[:3]))
    read = []
    monkeypatch.setattr(drawn, "MAX_DIGITS", 4)
    monkeypatch.setattr(drawn, "read_file", lambda path: read.append(path.name) or read_file(path))
    with pytest.raises(DataError, match="at most 4 digits"):
        read_class(tmp_path)
    assert read == ["a.json", "b.json"]


def test_a_refused_file_is_named_and_the_rest_is_read(tmp_path, digits):
    (tmp_path / "good.json").write_text(document(digits[:3]))
    (tmp_path / "bad.npz").write_bytes(HOSTILE["pickle.npz"])
    (tmp_path / "link.json").symlink_to(tmp_path / "good.json")
    (tmp_path / "notes.txt").write_text("not looked at")
    found = read_class(tmp_path)
    assert len(found.digits) == 3
    assert [note.partition(":")[0] for note in found.notes] == ["bad.npz", "link.json"]


def test_the_class_s_own_file_and_its_arrays_are_the_same_digits(tmp_path, digits):
    (tmp_path / "class.json").write_text(document(digits))
    (tmp_path / "class.npz").write_bytes(arrays(digits))
    found = read_class(tmp_path)
    assert set(found.digits) == set(digits)
    assert len(found.digits) == len(digits)


def test_two_files_are_of_two_students_though_both_call_themselves_one(tmp_path, digits):
    for n in (0, 1):
        (tmp_path / f"{n}.json").write_text(document([Drawn("4", digits[n].pixels, "me")]))
    assert len(read_class(tmp_path).students) == 2


def test_an_empty_folder_says_what_to_put_there(tmp_path):
    with pytest.raises(DataError, match=r"\.inkwork"):
        read_class(tmp_path)


# ------------------------------------------------------------------------------------------------- numbers


def test_answers_are_the_models_own(wall, reader, digits):
    frames = np.stack([np.frombuffer(d.pixels, np.uint8).reshape(28, 28) for d in wall.drawn.digits]) / np.float32(255)
    np.testing.assert_array_equal(wall.answers, reader.predict(frames))
    assert sorted(d.pixels for d in wall.drawn.digits) == sorted(d.pixels for d in digits)


def test_every_digit_is_counted_once(wall):
    assert wall.confusion.sum() == len(wall.labels)
    assert np.trace(wall.confusion) == round(wall.right.value * len(wall.labels)) == np.sum(wall.labels == wall.answers)
    mistakes = [i for kind in wall.confused() for i in kind.which]
    assert len(mistakes) == len(set(mistakes)) == wall.confusion.sum() - np.trace(wall.confusion) > 0
    for kind in wall.confused():
        assert {(wall.labels[i], wall.answers[i]) for i in kind.which} == {(kind.meant, kind.read)}


def test_the_hardest_are_those_whose_meaning_is_least_probable(wall):
    hardest = wall.hardest()
    rest = np.delete(wall.probability, hardest)
    assert wall.probability[hardest].max() <= rest.min()
    shares = [share.value for _, share in wall.recall()]
    assert shares == sorted(shares)


def test_a_student_counts_once_in_the_histogram_of_guesses(wall):
    guessed = [d for d in wall.drawn.digits if d.guess is not None]
    assert wall.guesses.n == len(guessed)
    assert sum(wall.guesses.by_student) == len({d.student for d in guessed}) == 3
    right = sum(d.guess == a for d, a in zip(wall.drawn.digits, wall.answers, strict=True) if d.guess is not None)
    assert wall.guesses.right == right


class Memory:
    """A model that knows what it has seen and nothing else."""

    seen = ()

    def __init__(self, **_):
        pass

    def fit(self, rows, labels):
        self.known = {row.tobytes(): label for row, label in zip(rows, labels, strict=True)}
        return self

    def predict(self, rows):
        return np.array([self.known.get(row.tobytes(), "unseen") for row in rows])


def strangers(n_students, n_digits=4):
    """Digits that are nobody else's."""
    rng = np.random.default_rng(5)
    return tuple(
        Drawn(str(k % 10), rng.integers(0, 256, 784, np.uint8).tobytes(), f"s{student}")
        for student in range(n_students)
        for k in range(n_digits)
    )


@pytest.mark.parametrize("n_students", [3, 5, 7])
def test_no_student_is_judged_by_a_model_that_saw_their_digits(monkeypatch, reader, n_students):
    monkeypatch.setattr("inklens.linear.SoftmaxRegression", Memory)
    found = walls.make_wall(ClassDigits(strangers(n_students)), reader).refitted
    assert found.n_folds == min(n_students, walls.MAX_FOLDS)
    assert found.before.value == found.after.value == 0.0
    assert found.fixed == found.broken == 0


@pytest.mark.slow
def test_a_fit_with_the_class_learns_what_others_of_the_class_do(reader):
    """All draw a 7 as the package's 1s: alone, MNIST reads 1; with the others' it is a 7."""
    embedded = load_dataset("embedded")
    ones = embedded.X[embedded.y == "1"][:120]
    rng = np.random.default_rng(0)
    drawn = []
    for number, row in enumerate(ones):
        marked = row.reshape(28, 28).copy()
        marked[0:3, 0:8] = rng.integers(200, 256, (3, 8))  # a sign of this class, which MNIST does not have
        drawn.append(Drawn("7", marked.tobytes(), f"s{number % 6}"))
    found = walls.make_wall(ClassDigits(tuple(drawn)), reader).refitted
    assert found.before.value < 0.1 < 0.9 < found.after.value
    assert found.fixed > 100
    assert found.chance < 1e-6


def test_too_few_students_are_told_why_nothing_is_fitted(reader):
    found = walls.make_wall(ClassDigits(strangers(2)), reader)
    assert found.refitted is None
    assert any("3 students" in note for note in found.notes)


def test_classes_that_the_model_does_not_know_are_said_to_be_left_out(reader):
    drawn = (*strangers(3), Drawn("A", bytes(784), "s0"))
    found = walls.make_wall(ClassDigits(drawn), reader, refit=False)
    assert len(found.labels) == len(drawn) - 1
    assert any("left out" in note for note in found.notes)
    with pytest.raises(DataError, match="nobody drew"):
        walls.make_wall(ClassDigits(drawn[-1:]), reader)


# ------------------------------------------------------------------------------------------------- the page


def test_the_page_tells_no_name_unless_it_is_asked_to(wall):
    plain, named = wall_page(wall), wall_page(wall, names=True)
    for name in STUDENTS:
        assert name not in plain
        assert name in named
    assert "key-" not in plain
    assert "student 4" in plain


def test_numbers_do_not_follow_the_order_of_files(tmp_path, folder, wall):
    for path in folder.iterdir():
        (tmp_path / f"{path.stem[::-1]}.json").write_bytes(path.read_bytes())
    again = read_class(tmp_path)
    numbers = [{d.pixels: given.shown(names=False)[d.student] for d in given.digits} for given in (wall.drawn, again)]
    assert numbers[0] == numbers[1]


def test_the_page_shows_every_digit_and_asks_nobody(wall):
    page = wall_page(wall)
    everyone = page[page.index('id="everyone"') : page.index('id="confusion"')]
    assert everyone.count("<img") == len(wall.labels)
    assert not re.search(r"https?://|<script|@import", page)


def test_a_name_cannot_write_into_the_page(reader):
    drawn = tuple(Drawn(d.label, d.pixels, d.student, None, "<img src=x>") for d in strangers(3))
    assert "<img src=x" not in wall_page(walls.make_wall(ClassDigits(drawn), reader, refit=False), names=True)


def test_the_command_writes_the_page_and_says_what_is_on_it(folder, tmp_path, capsys):
    out = tmp_path / "wall.html"
    assert _run(["class", "wall", str(folder), "-o", str(out), "--no-refit", "--json", "--no-open"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["digits"] == len(STUDENTS) * PER_STUDENT == np.sum(told["confusion"])
    assert told["students"] == len(STUDENTS)
    assert "everyone" in out.read_text()


def test_nothing_is_written_about_a_folder_without_digits(tmp_path, capsys):
    out = tmp_path / "wall.html"
    assert _run(["class", "wall", str(tmp_path), "-o", str(out), "--no-open"]) == 1
    assert "no digits" in capsys.readouterr().err
    assert not out.exists()
