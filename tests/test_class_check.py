"""The teacher's half: every number of a hand-in computed again, pictures and words compared, points kept."""

import csv
import io
import json
import os
import re
import time
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from command import run
from handed_in import as_handed_in, essay, jpeg, packed, taken_again, wobbly
from handwriting import encoded
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from inklens import DigitReader, load_dataset
from inklens.classroom import boxed, checking
from inklens.classroom.answers import deliver, handed_model, png, to_frame
from inklens.classroom.checking import check_class, hand_ins_in
from inklens.classroom.copies import TrainingImages, copied_words, look_at, same_picture, shared_pictures
from inklens.classroom.grades import Form, Grade, grades_table, quoted, write_grades
from inklens.classroom.recheck import recheck, same_note
from inklens.classroom.work import sha256
from inklens.errors import DataError
from inklens.photos import Normaliser, decode
from inklens.tasks.models import fit

LABELS = "0123456789"


@pytest.fixture(scope="module")
def reader():
    """The class's model, as it travels."""
    return DigitReader.from_bytes(handed_model(fit("embedded", C=0.1, tol=1e-2).reader))


def student(i, reader, **more):
    rng = np.random.default_rng(1000 + i)
    meant, other = LABELS[i % 10], LABELS[(i + 3) % 10]
    photos = [jpeg(wobbly(label, rng)) for label in (meant, other)]
    given_ = {"name": f"Student {i}", "meant": meant, "guesses": (meant, other), "texts": (essay(rng), essay(rng))}
    return as_handed_in(reader, more.pop("photos", photos), **given_ | more)


@pytest.fixture(scope="module")
def four(reader):
    """One honest hand-in: its work and members."""
    return student(4, reader)


def forged(members, change):
    """Return the members with `work.json` changed by a function of its document."""
    work = json.loads(members["work.json"])
    change(work)
    return {**members, "work.json": json.dumps(work).encode()}


def differs(members, reader):
    return recheck(packed(members), reader).differs


# ------------------------------------------------------------------------------------------------- one hand-in


@pytest.mark.parametrize("recipe", ["faithful", "otsu", "tutorial"])
def test_an_honest_hand_in_is_found_again_in_every_number(recipe, reader):
    _, members = student(3, reader, recipe=recipe)
    found = recheck(packed(members), reader)
    assert found.differs == ()
    assert not found.foreign


def test_drawings_and_the_reader_that_ships_are_found_again_too():
    shipped = DigitReader.from_bytes(handed_model(DigitReader.shipped()))
    rng = np.random.default_rng(0)
    drawings = [encoded(np.where(wobbly(c, rng) < 128, 0, 255).astype(np.uint8), "PNG") for c in "49"]
    _, members = as_handed_in(shipped, drawings, recipe="drawing")
    assert differs(members, shipped) == ()


def shifted(value, by):
    return value + by if value + by <= 255 else value - by


# deliverable -> how to change it in one digit's document
FORGERIES = {
    "photo: checksum": lambda d, rng: d.update(sha256=sha256(bytes(rng.integers(0, 256, 8, np.uint8)))),
    "steps: name": lambda d, rng: d["steps"][rng.integers(len(d["steps"]))].update(name="magic"),
    "steps: note": lambda d, rng: d["steps"][rng.integers(len(d["steps"]))].update(note="nothing was done"),
    "frame": lambda d, rng: set_at(d["frame"], rng.integers(784), lambda v: shifted(v, int(rng.integers(2, 120)))),
    "scores: ink": lambda d, rng: add_to(d["ink"], rng),
    "scores: intercepts": lambda d, rng: add_to(d["intercepts"], rng),
    "scores: z": lambda d, rng: add_to(d["z"], rng),
    "probabilities": lambda d, rng: add_to(d["probabilities"], rng),
    "label": lambda d, rng: d.update(label=LABELS[(LABELS.index(d["label"]) + int(rng.integers(1, 10))) % 10]),
    "against": lambda d, rng: d.update(against=LABELS[(LABELS.index(d["against"]) + int(rng.integers(1, 10))) % 10]),
    "evidence": lambda d, rng: set_at(
        d["contributions"][str(rng.integers(10))], rng.integers(784), lambda v: v + 10.0 ** rng.uniform(-5, 1)
    ),
    "claim": lambda d, rng: d.update(claim=None),
    "recipe": lambda d, rng: d.update(recipe="tutorial"),
    "settings": lambda d, rng: d.update(settings={"pen": 0.3}),
}


def set_at(values, i, change):
    values[int(i)] = change(values[int(i)])


def add_to(by_class, rng):
    by_class[str(rng.integers(10))] += float(rng.choice([-1, 1])) * 10.0 ** rng.uniform(-5, 1)


TOLD_AS = {"label": "probabilities", "against": "evidence", "recipe": "", "settings": ""}


@pytest.mark.parametrize("what", FORGERIES)
@settings(max_examples=2)
@given(seed=st.integers(0, 10**6))
def test_whatever_is_forged_is_found(what, seed, reader, four):
    part = what.partition(":")[0]

    def in_both(work):
        for number in (0, 1):
            FORGERIES[what](work["digits"][number], np.random.default_rng([seed, number]))

    found = differs(forged(four[1], in_both), reader)
    for number in (1, 2):
        assert any(line.startswith(f"digit {number}, {TOLD_AS.get(part, part)}") for line in found), found


@pytest.mark.parametrize(
    "name", ["photo-1.jpg", "photo-2.jpg", "frames/1.png", "frames/2.png", "steps/1-1.png", "steps/2-3.png"]
)
def test_a_swapped_picture_is_found(name, reader, four):
    other = student(5, reader)[1]
    found = differs({**four[1], name: other[name]}, reader)
    part = {"p": "photo", "f": "frame", "s": "steps"}[name[0]]
    assert any(line.startswith(f"digit {re.search('[12]', name)[0]}, {part}: ") for line in found)


@pytest.mark.parametrize("number", [1, 2])
def test_a_photo_swapped_with_its_checksum_is_found_by_its_frame(number, reader, four):
    file = f"photo-{number}.jpg"
    photo = student(5, reader)[1][file]
    members = forged(four[1], lambda work: work["digits"][number - 1].update(sha256=sha256(photo)))
    found = differs({**members, file: photo}, reader)
    assert any(line.startswith(f"digit {number}, frame: ") for line in found)
    assert not any("checksum" in line for line in found)


def test_a_photo_of_another_kind_than_its_name_says_is_found(reader, four):
    data = encoded(wobbly("4", np.random.default_rng(0)), "PNG")
    assert any("holds a PNG" in line for line in differs({**four[1], "photo-1.jpg": data}, reader))


def test_another_machines_last_digits_are_no_difference(reader, four):
    def nudge(work):
        for digit in work["digits"]:
            digit["z"] = {name: z + 1e-8 for name, z in digit["z"].items()}

    assert differs(forged(four[1], nudge), reader) == ()


def test_a_frame_that_was_rounded_the_other_way_is_no_difference(reader, four):
    """All numbers are computed from the frame that was handed in, so that one grey level moves none of them."""
    work, members = four
    framed = to_frame(members["photo-1.jpg"], recipe="faithful", settings={})
    levels = framed.frame.copy()
    levels[14, 14] = shifted(int(levels[14, 14]), 1)
    digit = deliver(work.digits[0], reader, replace(framed, frame=levels))
    again = work.with_digit(1, replace(digit, claim=work.digits[0].claim))
    assert differs({**members, "work.json": again.to_bytes(), "frames/1.png": png(levels)}, reader) == ()


def test_a_measured_number_in_a_note_may_differ_a_little_and_nothing_else():
    assert same_note("turned by 12.0 degrees", "turned by 12.1 degrees")
    assert not same_note("turned by 12.0 degrees", "turned by 13.0 degrees")
    assert not same_note("turned", "not turned")


def test_a_foreign_model_is_named_and_its_numbers_computed_by_itself(reader, four):
    other = replace(reader, coef=reader.coef * 1.5)
    found = recheck(packed(student(4, other)[1]), reader)
    assert found.foreign
    assert found.differs == ()


def test_a_model_swapped_for_another_is_found(reader, four):
    other = handed_model(replace(reader, coef=reader.coef * 1.5))
    found = recheck(packed({**four[1], "model.inklens": other}), reader)
    assert found.foreign
    assert any(line.startswith("model: its checksum") for line in found.differs)
    assert any(", scores: " in line for line in found.differs)


def test_the_same_digit_twice_is_missing_the_change_and_accused_of_nothing(reader, four):
    photo = four[1]["photo-1.jpg"]
    found = recheck(packed(student(4, reader, photos=[photo, photo])[1]), reader)
    assert found.differs == ()
    assert any("same picture as digit 1" in line for line in found.missing)
    assert not any("take a new one" in line for line in found.missing)  # a remedy is the student's


def test_a_digit_that_does_not_do_what_was_asked_is_missing_that(reader, four):
    rng = np.random.default_rng(7)
    photos = [jpeg(wobbly("0", rng)) for _ in range(2)]
    found = recheck(packed(student(0, reader, photos=photos)[1]), reader)
    assert found.differs == ()
    assert any("misread" in line for line in found.missing)


# ------------------------------------------------------------------------------------------------- likeness


def seen(data):
    picture = decode(data)
    found = Normaliser().normalise(picture)
    left, top, right, bottom = (edge / picture.scale for edge in found.box)
    return look_at(picture.gray, (left, top, right, bottom), sha256=sha256(data), frame=found.frame)


@pytest.mark.parametrize("label", ["1", "4", "8"])
def test_a_photo_that_was_stored_again_resized_and_cropped_is_the_same_picture(label):
    photo = jpeg(wobbly(label, np.random.default_rng(3), size=(600, 520), pen=24))
    for how in ({"crop": 0, "scale": 1}, {"crop": 0, "scale": 0.6}, {"crop": 0.04, "quality": 80}):
        if label != "1" or not how["crop"]:
            assert same_picture(seen(photo), seen(taken_again(photo, **how))), how


@pytest.mark.slow
def test_honest_ones_are_different_pictures_though_their_frames_are_alike():
    looks = [(i, seen(jpeg(wobbly("1", np.random.default_rng(i))))) for i in range(30)]
    assert shared_pictures(looks) == []


def test_two_straight_strokes_of_a_ruler_are_not_one_picture():
    def ruled(x, y, length, pen):
        canvas = Image.new("L", (260, 300), 240)
        ImageDraw.Draw(canvas).line([(x, y), (x, y + length)], fill=30, width=pen)
        return encoded(canvas, "PNG")

    one, other = seen(ruled(120, 60, 180, 12)), seen(ruled(135, 70, 150, 10))
    assert not same_picture(one, other)
    assert same_picture(one, seen(ruled(120, 60, 180, 12)))


def test_the_same_picture_is_not_held_against_its_own_owner():
    look = seen(jpeg(wobbly("4", np.random.default_rng(3))))
    assert shared_pictures([(0, look), (0, look)]) == []
    assert shared_pictures([(0, look), (1, look)]) == [(0, 1)]


@pytest.fixture(scope="module")
def training():
    return training_images()


@pytest.mark.parametrize("row", [4, 700, 1500, 4321])
def test_a_training_image_made_into_a_photo_is_recognised(row, training):
    image = Image.fromarray(255 - training.images[row])
    assert training.find(seen(encoded(image.resize((280, 280), Image.Resampling.BICUBIC), "PNG"))) == row
    assert training.find(seen(encoded(image.resize((420, 420), Image.Resampling.NEAREST), "JPEG"))) == row


@pytest.mark.slow
def test_digits_of_ones_own_are_no_training_images(training):
    for i in range(20):
        assert training.find(seen(jpeg(wobbly(LABELS[i % 10], np.random.default_rng(i))))) is None


def test_words_are_copied_whatever_their_capitals_and_signs_and_short_answers_are_not():
    rng = np.random.default_rng(0)
    mine, yours = essay(rng), essay(rng)
    short = "It is a four because the bar crosses the stem below the middle."
    texts = {0: mine, 1: yours, 2: f"Well, {mine.upper().replace(' ', ', ')}!", 3: short, 4: short}
    assert [pair[:2] for pair in copied_words(texts)] == [(0, 2)]


# ------------------------------------------------------------------------------------------------- a class


GUILTY = FORGED, SWAPPED, LENDER, BORROWER, COPYIST, FOREIGNER, TRAINED, BROKEN = 3, 7, 11, 25, 18, 30, 33, 36
STUDENTS = (*range(13), *(i for i in GUILTY if i > 12))


def hand_in(i, reader):
    """What a student hands in: eight did what they should not, or had bad luck; the others are honest."""
    more = {}
    if i == BORROWER:
        lent = student(LENDER, reader)[1]["photo-2.jpg"]
        more["photos"] = [jpeg(wobbly(LABELS[i % 10], np.random.default_rng(99))), taken_again(lent)]
    if i == COPYIST:
        rng = np.random.default_rng(1000 + LENDER)
        [wobbly(label, rng) for label in (LABELS[LENDER % 10], LABELS[(LENDER + 3) % 10])]
        more["texts"] = (f"I think: {essay(rng)}", essay(rng).upper())
    if i == TRAINED:
        digit = Image.fromarray(255 - load_dataset("embedded").images(1600)).resize((300, 300))
        more["photos"] = [encoded(digit, "PNG"), jpeg(wobbly("6", np.random.default_rng(98)))]
    members = student(i, replace(reader, coef=reader.coef * 1.1) if i == FOREIGNER else reader, **more)[1]
    if i == FORGED:
        members = forged(members, lambda work: work["digits"][1]["probabilities"].update({"3": 0.123}))
    if i == SWAPPED:
        members = {**members, "photo-1.jpg": jpeg(wobbly("7", np.random.default_rng(97)))}
    return packed(members)[:5000] if i == BROKEN else packed(members)


def handed_in_at(place, students, reader):
    """A folder with what these students hand in, and a file that is none of it."""
    for i in students:
        (place / f"s{i:02d}.inkwork").write_bytes(hand_in(i, reader))
    (place / "notes.txt").write_text("for myself")
    return place


def in_this_process(data, model, *, confined=True):
    return recheck(data, DigitReader.from_bytes(model))


@cache
def training_images():
    return TrainingImages(load_dataset("embedded").images())


def checked_here(folder, reader):
    """The class, computed again here: what the box adds has tests of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boxed, "recheck_boxed", in_this_process)
        patch.setattr(checking, "TrainingImages", lambda _: training_images())  # made once for all
        patch.setattr(boxed, "prepare", lambda: None)  # starts a server, of which nothing is asked here
        return check_class(folder, model=reader)


@pytest.fixture(scope="module")
def checked(tmp_path_factory, reader):
    return checked_here(handed_in_at(tmp_path_factory.mktemp("class"), STUDENTS, reader), reader)


@pytest.mark.slow
def test_in_a_class_the_guilty_are_found_and_nobody_else_is_accused(checked):
    rows = {int(row.file[1:3]): row for row in checked.rows}
    assert len(rows) == len(STUDENTS)
    accused = {i for i, row in rows.items() if not row.is_ok}
    assert accused == set(GUILTY)
    assert "digit 2, probabilities: the probability of 3 is given as 0.123" in rows[FORGED].differs[0]
    assert rows[FORGED].flags == ()
    assert any("another picture than the one that was put in" in line for line in rows[SWAPPED].differs)
    assert rows[BORROWER].flags == (
        f"digit 2, photo: it shows the same picture as digit 2 of Student {LENDER} (s{LENDER}.inkwork)",
    )
    assert rows[BORROWER].differs == rows[LENDER].differs == ()
    assert [line.split(":")[0] for line in rows[LENDER].flags] == ["digit 2, photo", "explanation"]
    assert [line.split(":")[0] for line in rows[COPYIST].flags] == ["explanation"]
    assert rows[FOREIGNER].flags[0].startswith("another model than the class's")
    assert "it shows a training image" in rows[TRAINED].flags[0]
    assert "cut off" in rows[BROKEN].reason


@pytest.mark.slow
def test_what_is_no_hand_in_is_named_and_not_looked_at(checked):
    assert checked.others == ("notes.txt",)


@pytest.mark.slow
def test_the_document_has_what_scripts_rely_on(checked):
    document = json.loads(json.dumps(checked.to_json()))
    assert document["schema_version"] == 1
    assert {"file", "name", "ok", "differs", "flags"} <= document["hand_ins"][0].keys()


def test_a_class_that_another_model_answered_is_told_so(tmp_path, reader):
    handed_in_at(tmp_path, (0, 1), reader)
    found = checked_here(tmp_path, replace(reader, coef=reader.coef * 2))
    assert "--model" in found.notes[0]


def test_a_hand_in_of_another_version_is_told_so(reader, tmp_path):
    (tmp_path / "old.inkwork").write_bytes(packed(student(4, reader, version="0.0.9")[1]))
    found = checked_here(tmp_path, reader)
    assert "0.0.9" in found.notes[0]
    assert "old.inkwork" in found.notes[0]


def test_folders_of_a_learning_platform_are_looked_into_and_links_are_not_followed(tmp_path):
    (tmp_path / "Ada_12_assignsubmission_file").mkdir()
    (tmp_path / "Ada_12_assignsubmission_file" / "a.inkwork").write_bytes(b"x")
    (tmp_path / "b.inkwork").write_bytes(b"x")
    (tmp_path / "elsewhere").symlink_to("/etc")
    paths, others = hand_ins_in(tmp_path)
    assert [path.name for path in paths] == ["a.inkwork", "b.inkwork"]
    assert others == ("elsewhere",)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: path.touch()])
def test_a_folder_without_hand_ins_is_one_clear_error(make, tmp_path):
    make(tmp_path / "x")
    with pytest.raises(DataError):
        check_class(tmp_path / "x")


# ------------------------------------------------------------------------------------------------- the box


def dying(connection, box):
    os._exit(3)


def idle(connection, box):
    time.sleep(60)


def curious(connection, box):
    """Try what a child that was taken over would: open a file, and a connection."""
    import socket

    from inklens.studio.box import enclose
    from inklens.studio.messages import Message, receive, send

    receive(connection)
    enclose(box)
    done = []
    for attempt in (lambda: open("/etc/hostname"), socket.socket, os.pipe):  # noqa: SIM115, PTH123
        try:
            attempt()
        except OSError as error:
            done.append(error.errno)
    send(connection, Message({"error": {"status": 422, "code": "refused", "detail": repr(done)}}))


def lying(connection, box):
    """Answer something else than what was asked for."""
    from inklens.studio.messages import Message, receive, send

    receive(connection)
    send(connection, Message({"work": {"schema": "inklens-work/1"}, "digits": [[]]}, (b"x",)))


@pytest.mark.parametrize(
    ("child", "words"),
    [(dying, "broke down"), (idle, "takes more than"), (curious, r"\[24, 24, 24\]"), (lying, "broke down")],
)
def test_a_child_that_dies_hangs_lies_or_looks_around_gives_a_reason(child, words, monkeypatch, reader, four):
    monkeypatch.setattr(boxed, "SECONDS", 2.0 if child is idle else 30.0)
    monkeypatch.setattr(boxed, "answer_in_a_box", child)
    with pytest.raises(DataError, match=words):
        boxed.recheck_boxed(packed(four[1]), handed_model(reader))


def test_what_comes_out_of_the_box_is_what_went_in(reader, four):
    one, other = boxed.recheck_boxed(packed(four[1]), handed_model(reader)), recheck(packed(four[1]), reader)
    assert (one.differs, one.missing, one.foreign) == (other.differs, other.missing, other.foreign)
    for a, b in zip(one.digits, other.digits, strict=True):
        assert replace(a.said, contributions={}) == replace(b.said, contributions={})
        assert np.array_equal(a.preview, b.preview)
        assert np.array_equal(a.evidence, b.evidence)
        assert np.array_equal(a.look.patch, b.look.patch)


# ------------------------------------------------------------------------------------------------- pages and tables


def tables(folder):
    return {
        path.name: list(csv.reader(io.StringIO(path.read_text("utf-8-sig"), newline=""), delimiter=separator(path)))
        for path in folder.glob("*.csv")
    }


def separator(path):
    return max(",;", key=path.read_text("utf-8-sig").partition("\n")[0].count)


@pytest.fixture(scope="module")
def some(tmp_path_factory, reader):
    """A few rows of a class, one of whom lent a picture to a student who is not among them."""
    shown = (0, FORGED, LENDER, BROKEN)
    found = checked_here(handed_in_at(tmp_path_factory.mktemp("some"), (*shown, BORROWER), reader), reader)
    return replace(found, rows=tuple(row for row in found.rows if int(row.file[1:3]) in shown))


def test_points_and_comments_are_kept_summed_and_shown(some, tmp_path):
    write_grades(some, tmp_path)
    rows = tables(tmp_path)["grades.csv"]
    rows[1][2:10] = ["2", "1,5", "2", "2", "0", "", "1", "Well read; \u201cnice\u201d = good."]
    (tmp_path / "grades.csv").write_text(
        "\ufeff" + "\n".join(";".join(map(cell, row)) for row in rows), encoding="utf-8"
    )
    grades = write_grades(some, tmp_path)
    assert grades["s00.inkwork"] == Grade(
        {"photo": 2, "steps": 1.5, "frame": 2, "scores": 2, "probabilities": 0, "explanation": 1},
        "Well read; \u201cnice\u201d = good.",
    )
    found = tables(tmp_path)
    assert found["canvas.csv"][2][-1] == found["moodle.csv"][1][2] == "8.5"
    assert (found["grades.csv"][1][-2], found["grades.csv"][1][3]) == ("8,5", "1,5")  # as in the table that came
    for page in ("students/s00.html", "feedback/s00.html"):
        text = (tmp_path / page).read_text(encoding="utf-8")
        assert "8.5 of 14" in text
        assert "Well read" in text
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    write_grades(some, tmp_path)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def cell(text):
    return '"' + text.replace('"', '""') + '"' if re.search('[;"\n]', text) else text


@pytest.mark.parametrize(("comma", "cells"), [(True, "s00.inkwork;{};;1,5;"), (False, "s00.inkwork,{},,1.5,")])
def test_the_table_of_points_is_for_one_kind_of_program_and_stays_so(comma, cells, some, tmp_path):
    graded = {"s00.inkwork": Grade({"steps": 1.5})}
    write_grades(some, tmp_path, decimal_comma=comma)
    (tmp_path / "grades.csv").write_text(grades_table(some, graded, Form(";" if comma else ",")), encoding="utf-8")
    assert write_grades(some, tmp_path)["s00.inkwork"] == graded["s00.inkwork"]
    text = (tmp_path / "grades.csv").read_bytes().decode()
    assert text.startswith("\ufefffile")  # what spreadsheets know UTF-8 by
    assert text.splitlines()[1].startswith(cells.format(some.rows[0].name))
    assert all(separator(tmp_path / name) == "," for name in ("canvas.csv", "moodle.csv"))


def test_a_table_that_cannot_be_read_ends_a_check_before_it_computes(tmp_path, monkeypatch):
    from click.testing import CliRunner

    from inklens.classroom import checking
    from inklens.cli.main import inklens

    def computed(*_args, **_options):
        raise AssertionError("a class was computed in vain")

    monkeypatch.setattr(checking, "check_class", computed)
    (tmp_path / "grades.csv").write_bytes("name;Bén".encode("cp1252"))
    said = CliRunner().invoke(inklens, ["class", "check", str(tmp_path), "-o", str(tmp_path)])
    assert isinstance(said.exception, DataError)
    assert "UTF-8" in str(said.exception)


def test_a_teacher_goes_through_the_class_in_the_order_of_the_overview(some, tmp_path):
    write_grades(some, tmp_path)
    overview = (tmp_path / "index.html").read_text("utf-8")
    listed = re.findall(r'href="students/([^"]+)"', overview)
    at, seen = listed[0], []
    while at:
        seen.append(at)
        page = (tmp_path / "students" / at).read_text("utf-8")
        before, after = (re.search(rf'{what}: <a href="([^"]+)"', page) for what in ("Before", "Next"))
        assert (before and before[1]) == (seen[-2] if len(seen) > 1 else None)
        at = after and after[1]
        assert "Next:" not in (tmp_path / "feedback" / seen[-1]).read_text("utf-8")
    assert seen == listed


def test_points_of_a_file_that_is_gone_are_kept(some):
    table = grades_table(some, {"gone.inkwork": Grade({"photo": 1.0})})
    assert table.splitlines()[-1].startswith("gone.inkwork,,1,")


def test_pages_of_a_file_that_is_gone_go_and_those_of_others_stay(some, tmp_path):
    write_grades(some, tmp_path)
    (tmp_path / "students" / "mine.html").write_text("<p>my own notes</p>")
    write_grades(replace(some, rows=some.rows[1:]), tmp_path)
    assert not (tmp_path / "students" / "s00.html").exists()
    assert not (tmp_path / "feedback" / "s00.html").exists()
    assert (tmp_path / "students" / "mine.html").exists()


HEAD = "file,photo,steps,frame,scores,probabilities,evidence,explanation,comment"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("file,name\nx,y\n", "no column 'photo'"),
        (HEAD.replace(",", ";") + "\nx;3\n", "0 to 2 points"),
        (HEAD + "\nx,much,,,,,,,\n", "row 2, photo"),
        (b"\xff\xfe\x00", "UTF-8"),
    ],
)
def test_a_table_that_cannot_be_read_is_an_error_and_nothing_is_written(text, words, some, tmp_path):
    data = text if isinstance(text, bytes) else text.encode()
    (tmp_path / "grades.csv").write_bytes(data)
    with pytest.raises(DataError, match=words):
        write_grades(some, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["grades.csv"]
    assert (tmp_path / "grades.csv").read_bytes() == data


def test_no_cell_is_a_formula_and_no_word_is_markup(reader, tmp_path):
    name, text = '=HYPERLINK("evil")', "<script>alert(1)</script> " * 8
    (tmp_path / "a.inkwork").write_bytes(packed(student(1, reader, name=name, texts=(text, text))[1]))
    (tmp_path / "b.inkwork").write_bytes(b"no")
    write_grades(checked_here(tmp_path, reader), tmp_path / "out")
    for rows in tables(tmp_path / "out").values():
        assert not any(entry.startswith(("=", "+", "-", "@")) for row in rows for entry in row)
    for page in (tmp_path / "out").rglob("*.html"):
        assert "<script" not in page.read_text(encoding="utf-8")


@given(st.text(max_size=20))
def test_a_comment_comes_back_as_it_was_typed(text):
    from inklens.classroom.grades import unquoted

    assert unquoted(quoted(text)) == text


def test_feedback_says_nothing_about_others(some, tmp_path):
    write_grades(some, tmp_path)
    teachers, own = ((tmp_path / where / "s11.html").read_text(encoding="utf-8") for where in ("students", "feedback"))
    assert "Student 25" in teachers
    assert "Student 25" not in own
    assert "Student 18" not in own


def test_platforms_get_the_numbers_that_they_gave(some):
    from inklens.classroom.grades import canvas_table, moodle_table

    names = ("lovelaceada_LATE_1234_5678_a.inkwork", "Ada Lovelace_91_assignsubmission_file/a.inkwork")
    two = replace(some, rows=tuple(replace(some.rows[0], file=name) for name in names))
    assert ",1234," in canvas_table(two, {}).splitlines()[2]
    assert moodle_table(two, {}).splitlines()[2].startswith("Participant 91,Ada Lovelace,")


@pytest.mark.slow
def test_the_command_writes_the_folder_and_its_json(reader, tmp_path):
    few = tmp_path / "few"
    few.mkdir()
    handed_in_at(few, (0, FORGED), reader)
    reader.save(tmp_path / "class.inklens")
    done = run("class", "check", few, "-o", tmp_path / "out", "--model", tmp_path / "class.inklens", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert [entry["ok"] for entry in document["hand_ins"]] == [True, False]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "canvas.csv", "feedback", "grades.csv", "index.html", "moodle.csv", "students"
    ]  # fmt: skip
    assert "What this does not prove" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("args", "code"), [(["nowhere", "-o", "out"], 1), (["."], 2), ([".", "-o", "out", "--model", "x"], 1)]
)
def test_wrong_usage_is_one_clear_line(args, code, tmp_path):
    done = run("class", "check", *args, cwd=tmp_path)
    assert done.returncode == code
    assert done.stderr.startswith("inklens: ")
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
