"""The student's half of the homework: a folder that grows, deliverables that are the model's own numbers, one file."""

import base64
import io
import json
import os
import re
import shutil
import zipfile
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hand_ins import TEXTS, begun, class_model, completed, members, two_photos
from handwriting import encoded, photo
from PIL import Image

from inklens import DigitReader, explain, load_dataset
from inklens.classroom import Homework, homework
from inklens.classroom.answers import answer, frame_of, handed_model, ink_changed, step_levels, to_frame
from inklens.classroom.bundle import pack
from inklens.classroom.pictures import keep
from inklens.classroom.work import DELIVERABLES, MAX_BYTES, MAX_PHOTO_BYTES, DigitWork, Work, sha256
from inklens.errors import DataError, InklensError, ModelFileError, OutputError, ParameterError, PhotoError
from inklens.linear.softmax import softmax
from inklens.photos import normalise


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return class_model(tmp_path_factory.mktemp("class"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return two_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="module")
def on_pixels(tmp_path_factory, model, pictures):
    return completed(tmp_path_factory.mktemp("work") / "mine", model, pictures)


@pytest.fixture(scope="module")
def on_strokes(tmp_path_factory, pictures):
    return completed(tmp_path_factory.mktemp("work") / "mine", None, pictures)


@pytest.fixture(scope="module", params=["on_pixels", "on_strokes"])
def done(request):
    """A complete homework, by a model on pixels and by the reader that ships."""
    return request.getfixturevalue(request.param)


# ------------------------------------------------------------------------------------------- deliverables


def test_a_complete_homework_lacks_nothing(done):
    found = done.check()
    assert found.complete
    assert all(found.done[number] == dict.fromkeys(DELIVERABLES, True) for number in (1, 2))
    assert [digit.outcome for _, digit in done.work.numbered] == ["read right", "misread"]
    assert [digit.claim for _, digit in done.work.numbered] == ["read right", "misread"]
    assert tuple(digit.text for _, digit in done.work.numbered) == TEXTS


def test_every_deliverable_is_what_the_model_itself_says(done, pictures):
    """Each computed again through the public interface, from the photo that was given."""
    reader = done.reader
    for (_, digit), path in zip(done.work.numbered, pictures, strict=True):
        seen = normalise(path, recipe=reader.recipe)
        assert digit.sha256 == sha256(path.read_bytes())
        assert [step.name for step in digit.steps] == [step.name for step in seen.steps]
        frame = np.array(digit.frame).reshape(28, 28) / 255
        assert np.abs(frame - seen.frame).max() <= 0.5 / 255 + 1e-12
        z, proba, why = reader.raw_prediction(frame)[0], reader.predict_proba(frame)[0], explain(reader, frame)
        assert list(digit.z.values()) == pytest.approx(z, rel=1e-12)
        assert list(digit.probabilities.values()) == pytest.approx(proba, rel=1e-12)
        assert digit.label == reader.predict(frame)[0] == why.label
        assert digit.against == why.rival
        assert list(digit.intercepts.values()) == list(reader.intercept)
        maps = np.array(list(digit.contributions.values())).reshape(why.contributions.shape)
        np.testing.assert_allclose(maps, why.contributions, atol=1e-9)


def test_evidence_and_intercept_sum_to_the_score_and_scores_give_the_probabilities(done):
    for _, digit in done.work.numbered:
        for name, row in digit.contributions.items():
            assert sum(row) == pytest.approx(digit.ink[name], abs=1e-6)
            assert digit.ink[name] + digit.intercepts[name] == pytest.approx(digit.z[name], abs=1e-12)
        z = np.array([list(digit.z.values())])
        assert list(digit.probabilities.values()) == pytest.approx(softmax(z)[0], rel=1e-9)


def test_frames_and_steps_lie_in_the_folder_as_the_numbers_say(done):
    for number, digit in done.work.numbered:
        with Image.open(done.folder / f"frames/{number}.png") as image:
            assert np.array_equal(np.asarray(image), frame_of(digit.frame))
        framed = to_frame(done.folder / digit.file, recipe=digit.recipe, settings=digit.settings)
        for i, step in enumerate(framed.steps, 1):
            with Image.open(done.folder / f"steps/{number}-{i}.png") as image:
                assert np.array_equal(np.asarray(image), step_levels(step))
        assert not (done.folder / f"steps/{number}-{len(framed.steps) + 1}.png").exists()


def test_the_page_holds_all_seven_of_both_digits_and_needs_nothing_else(done):
    page = done.page()
    for number in range(1, 8):
        assert page.count(f"<h3>{number}. ") == 2
    assert all(text in page for text in (*TEXTS, "Ada Lovelace", done.work.model.title))
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in page
    assert ' style="' not in page
    for _, digit in done.work.numbered:
        assert f"{digit.z[digit.label]:.3f}" in page


def test_bare_paper_is_white_in_the_evidence_and_the_strongest_ink_is_not(on_pixels):
    address = re.search(r'src="data:image/png;base64,([^"]+)" alt="evidence for class 4', on_pixels.page())[1]
    with Image.open(io.BytesIO(base64.b64decode(address))) as image:
        colours = np.asarray(image.convert("RGB"))
    assert (colours[0, 0] == 255).all()
    strongest = np.abs(on_pixels.work.digits[0].contributions["4"]).argmax()
    assert colours.reshape(-1, 3)[strongest].min() < 130


def test_words_of_a_student_are_only_words(tmp_path, model, pictures):
    work = begun(tmp_path / "mine", model, pictures)
    work.sign("<img src=x>")
    work.explain(1, "<script>alert(1)</script> {{ 7 * 7 }} & so on and so forth")
    page = work.page()
    assert "<script>alert" not in page
    assert "<img src=x>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7 * 7 }} &amp; so on" in page


# ------------------------------------------------------------------------------------------- the file


def test_what_is_handed_in_comes_back_the_same(done, tmp_path):
    done.hand_in(tmp_path / "ada.inkwork")
    data = (tmp_path / "ada.inkwork").read_bytes()
    held = members(data)
    assert list(held) == done.work.members
    assert len(data) <= MAX_BYTES
    assert Work.from_bytes(held["work.json"]) == done.work
    assert sha256(held["model.inklens"]) == done.work.model.sha256
    again = DigitReader.from_bytes(held["model.inklens"])
    for number, digit in done.work.numbered:
        assert sha256(held[digit.file]) == digit.sha256
        framed = to_frame(held[digit.file], recipe=digit.recipe, settings=digit.settings)
        assert tuple(framed.frame.ravel().tolist()) == digit.frame
        assert dict(answer(again, framed.frame).z) == dict(digit.z)
        assert held[f"frames/{number}.png"] == (done.folder / f"frames/{number}.png").read_bytes()
    assert held["page.html"].decode() == done.page()


@pytest.mark.slow
def test_the_same_homework_gives_the_same_bytes(tmp_path, model, pictures):
    one, other = (begun(tmp_path / name, model, pictures) for name in ("one", "other"))
    assert one.to_bytes() == other.to_bytes()
    assert Homework(tmp_path / "one").to_bytes() == other.to_bytes()
    other.explain(1, "Other words, and so another file it is.")
    assert one.to_bytes() != other.to_bytes()


def test_members_are_plain_files_of_a_fixed_date():
    with zipfile.ZipFile(io.BytesIO(pack({"work.json": b"{}", "photo-1.png": b"png"}))) as archive:
        for entry in archive.infolist():
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
            assert entry.external_attr >> 16 == 0o100644


def test_a_hand_in_that_would_be_too_large_is_refused():
    noise = np.random.default_rng(0).bytes(MAX_BYTES)
    with pytest.raises(DataError, match="more than the 2,000,000"):
        pack({"photo-1.png": noise})


def test_the_model_travels_without_its_proof_and_keeps_its_answers(model):
    reader = DigitReader.load(model)
    assert reader.dual is not None
    handed = handed_model(reader)
    again = DigitReader.from_bytes(handed)
    assert again.dual is None
    assert np.array_equal(again.coef, reader.coef)
    assert handed_model(again) == handed
    assert len(handed) < model.stat().st_size / 2


# ------------------------------------------------------------------------------------------- work.json


@pytest.fixture(scope="module")
def document(on_pixels):
    return json.loads(on_pixels.work.to_bytes())


def test_a_document_that_lacks_any_field_or_has_one_too_many_is_refused(document):
    def without(tree, *path):
        copy = json.loads(json.dumps(tree))
        at = copy
        for key in path[:-1]:
            at = at[key]
        del at[path[-1]]
        return copy

    places = [(key,) for key in document]
    places += [("model", key) for key in document["model"]]
    places += [("digits", i, key) for i in (0, 1) for key in document["digits"][i]]
    assert len(places) == 6 + 4 + 2 * len(fields(DigitWork))
    for place in places:
        with pytest.raises(DataError, match=r"work\.json"):
            Work.from_json(without(document, *place))
    with pytest.raises(DataError, match="'grade' is not known"):
        Work.from_json({**document, "grade": 1})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("source", "scan"),
        ("file", "../photo-1.jpg"),
        ("file", "photo-2.jpg"),
        ("sha256", "ABC"),
        ("recipe", "drawing"),
        ("settings", {"pen": [1]}),
        ("settings", {"__class__": "x"}),
        ("meant", 4),
        ("claim", "right"),
        ("steps", []),
        ("steps", [{"name": "x", "note": ""}] * 10),
        ("frame", [0] * 783),
        ("frame", [0] * 783 + [256]),
        ("frame", [0] * 783 + [True]),
        ("frame", [0] * 783 + [0.5]),
        ("label", "x"),
        ("z", {"0": 1.0}),
        ("z", dict.fromkeys("0123456789", float("nan"))),
        ("z", dict.fromkeys("0123456789", 10**400)),
        ("z", dict.fromkeys("9876543210", 0.0)),
        ("contributions", dict.fromkeys("0123456789", [0.0] * 783)),
        ("text", "x" * 8001),
        ("text", "\ud800"),
        ("text", None),
    ],
)
def test_a_field_of_the_wrong_kind_is_refused(document, field, value):
    digit = {**document["digits"][0], field: value}
    with pytest.raises(DataError, match=r"work\.json, digit 1"):
        Work.from_json({**document, "digits": [digit, document["digits"][1]]})


def put_in(tree, value, *path):
    """A copy of a document with another value somewhere."""
    copy = json.loads(json.dumps(tree))
    at = copy
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return copy


@pytest.mark.parametrize("words", ["\x1b[2J", "Ada\nBob  every number was found again", "a\u202eb", "\x9b", "a\rb"])
def test_whatever_is_shown_of_a_work_is_one_line_that_no_terminal_obeys(document, words):
    shown = [("name",), ("assignment",), ("inklens",), ("model", "title"), ("model", "classes", 0)]
    shown += [("digits", 0, "steps", 0, "name"), ("digits", 0, "steps", 0, "note"), ("digits", 1, "given_name")]
    for place in shown:
        with pytest.raises(DataError, match=r"control characters|names of 2 to"):
            Work.from_json(put_in(document, words, *place))
    assert Work.from_json(put_in(document, "Two\nlines.", "digits", 0, "text")).digits[0].text == "Two\nlines."


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"schema": NaN}', b"\xff", b"[" * 100_000, b'{"a": 1, "a": 1}', b"3", b"x" * 1_000_001]
)
def test_bytes_that_are_no_work_are_refused(data):
    with pytest.raises(DataError, match=r"work\.json"):
        Work.from_bytes(data)


def test_a_newer_schema_is_named(document):
    with pytest.raises(DataError, match=r"inklens-work/2.*update inklens"):
        Work.from_json({**document, "schema": "inklens-work/2"})


# ------------------------------------------------------------------------------------------- what is missing


def missing(work):
    return {(gap.digit, gap.part) for gap in work.check().missing}


def test_every_missing_piece_is_named(tmp_path, model, pictures):
    work = Homework(tmp_path / "mine", model=model)
    assert not work.folder.exists()
    assert missing(work) == {(None, "name"), (1, "photo"), (2, "photo")}
    work.put(1, pictures[0])
    assert missing(work) == {
        (None, "name"), (1, "meant"), (1, "guess"), (1, "explanation"), (2, "photo"),
    }  # fmt: skip
    work.sign("Ada")
    work.put(1, pictures[0], meant="4", guess="7")
    work.put(2, pictures[1], meant="4", guess="4")
    assert missing(work) == {(1, "explanation"), (2, "explanation")}
    work.explain(1, TEXTS[0])
    work.explain(2, "Too short.")
    assert missing(work) == {(2, "explanation")}
    assert "fewer than 5 words" in work.check().missing[0].words


@pytest.mark.slow
def test_digit_2_has_to_be_another_picture_of_the_same_digit_that_does_the_opposite(tmp_path, model, pictures):
    work = begun(tmp_path / "mine", model, pictures)
    work.put(2, pictures[0], meant="4", guess="4")
    assert (2, "change") in missing(work)
    work.put(2, encoded(photo("4"), "JPEG", quality=90), meant="4", guess="9")  # the same, stored otherwise
    first, second = (digit for _, digit in work.work.numbered)
    assert ink_changed(first.frame, second.frame) < 1
    assert (2, "change") in missing(work)
    work.put(2, photo_file("4", pen=16), meant="4", guess="9")
    assert (2, "claim") in missing(work)
    assert "still reads it as 4" in work.check().missing[-1].words
    work.put(2, pictures[1], meant="7", guess="7")
    assert (2, "meant") in missing(work)
    work.put(1, pictures[0], meant="9", guess="9")  # misread, so that digit 2 is to be read right
    work.put(2, pictures[1], meant="9", guess="9")
    assert [digit.claim for _, digit in work.work.numbered] == ["misread", "read right"]
    assert (2, "claim") in missing(work)


def photo_file(label, **how):
    return encoded(photo(label, **how), "PNG")


def test_the_same_picture_keeps_what_was_said_and_another_one_does_not(tmp_path, model, pictures):
    work = begun(tmp_path / "mine", model, pictures)
    again = Homework(tmp_path / "mine")
    assert again.work == work.work
    assert again.put(2, pictures[1]).guess == "9"
    other = again.put(2, photo_file("7", pen=9))
    assert (other.meant, other.guess) == (None, None)
    assert not (tmp_path / "mine" / "photo-2.jpg").exists()  # the picture that it replaces
    assert (tmp_path / "mine" / "photo-2.png").exists()


def test_words_written_in_any_editor_are_found(tmp_path, model, pictures):
    work = begun(tmp_path / "mine", model, pictures)
    path = work.folder / "answers.md"
    text = path.read_text(encoding="utf-8")
    assert text.count("## Digit") == 2
    path.write_bytes(text.replace("## Digit 2", "So it is.\n\n# digit 2:").replace("\n", "\r\n").encode("utf-8-sig"))
    work.refresh()
    assert work.work.digits[0].text == "So it is."
    path.write_bytes(b"## Digit 1\n\xff")
    with pytest.raises(DataError, match="UTF-8"):
        work.check()
    path.write_text("## Digit 1\n" + "word " * 3000, encoding="utf-8")
    with pytest.raises(DataError, match="8,000 is the most"):
        work.check()


def test_numbers_that_somebody_edits_are_computed_anew(tmp_path, model, pictures):
    work = begun(tmp_path / "mine", model, pictures)
    path = work.folder / "work.json"
    forged = json.loads(path.read_bytes())
    forged["digits"][0]["label"] = "9"
    path.write_text(json.dumps(forged), encoding="utf-8")
    assert Homework(work.folder).work == work.work


# ------------------------------------------------------------------------------------------- pictures


def test_small_pictures_are_kept_and_others_are_stored_again_and_that_is_said():
    plain = photo_file("3")
    assert keep(plain).data == plain
    assert keep(plain).notes == ()
    shades = np.random.default_rng(0).integers(0, 60, (1500, 2000), dtype=np.uint8)
    digit = np.kron(photo("3", size=(150, 200), box=60, pen=6), np.ones((10, 10), np.uint8))
    large = encoded(Image.fromarray(np.maximum(digit, 60) - shades).convert("RGB"), "PNG", compress_level=1)
    assert len(large) > MAX_PHOTO_BYTES
    kept = keep(large)
    assert len(kept.data) <= MAX_PHOTO_BYTES
    assert kept.suffix == "jpg"
    assert "stored again as a JPEG of" in kept.notes[0]
    assert "0.7 MB is the most" in kept.notes[0]
    with Image.open(io.BytesIO(kept.data)) as image:
        assert (max(image.size), image.mode) == (1600, "RGB")
    bitmap = keep(encoded(photo("3"), "BMP"))
    assert (bitmap.suffix, "not every browser shows BMP" in bitmap.notes[0]) == ("jpg", True)


def test_where_a_photo_was_taken_is_left_out():
    tags = Image.Exif()
    tags[0x8825] = {1: "N", 2: (52.0, 31.0, 0.0)}
    tags[0x0112] = 6  # turned
    buffer = io.BytesIO()
    Image.fromarray(photo("4", size=(240, 300))).save(buffer, "JPEG", exif=tags)
    kept = keep(buffer.getvalue())
    assert "where it was taken" in kept.notes[0]
    with Image.open(io.BytesIO(kept.data)) as image:
        assert not image.getexif()
        assert image.size == (240, 300)  # rows and columns as seen


def test_a_drawing_goes_in_as_a_png_and_needs_no_recipe(tmp_path, model):
    ink = 1.0 - photo("4") / 255.0
    work = Homework(tmp_path / "mine", name="Ada", model=model)
    digit = work.put(1, drawing=np.where(ink > 0.5, 1.0, 0.0), meant="4", guess="4")
    assert (digit.label, digit.source, digit.recipe, digit.file) == ("4", "drawing", "drawing", "photo-1.png")
    assert Homework(work.folder).work == work.work
    for wrong in (np.zeros((28, 28, 3)), np.full((5, 5), 2.0), np.full((5, 5), np.nan), np.zeros((2000, 2))):
        with pytest.raises(DataError, match="drawing"):
            work.put(2, drawing=wrong)
    with pytest.raises(PhotoError, match="no ink"):
        work.put(2, drawing=np.zeros((50, 50)))
    with pytest.raises(ParameterError, match="needs no recipe"):
        work.put(2, drawing=ink, recipe="otsu")


def test_a_recipe_and_its_settings_are_kept(tmp_path, model, pictures):
    work = Homework(tmp_path / "mine", name="Ada", model=model)
    digit = work.put(1, pictures[0], recipe="tutorial", pixel_filter=35)
    assert (digit.recipe, dict(digit.settings)) == ("tutorial", {"pixel_filter": 35})
    seen = normalise(pictures[0], recipe="tutorial", pixel_filter=35)
    assert np.array_equal(frame_of(digit.frame), np.rint(255 * seen.frame))
    assert Homework(work.folder).work == work.work
    assert work.put(1, pictures[0], recipe="tutorial").settings == {}
    with pytest.raises(ParameterError, match="no setting 'orientation'"):
        work.put(1, pictures[0], orientation=3)
    with pytest.raises(ParameterError, match="pixel_filter takes"):
        work.put(1, pictures[0], pixel_filter="a")


# ------------------------------------------------------------------------------------------- bad input


def test_a_picture_that_cannot_be_removed_is_the_one_error_and_the_new_one_is_there(
    tmp_path, model, pictures, monkeypatch
):
    work = Homework(tmp_path / "mine", name="Ada Lovelace", model=model)
    work.put(1, pictures[0], meant="4", guess="4")

    def refused(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(OutputError, match=r"cannot remove .*remove it by hand"):
        work.put(1, pictures[1], meant="4", guess="9")
    assert Homework(tmp_path / "mine").work.digits[0].file.endswith(".jpg")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
@pytest.mark.parametrize("name", ["model.inklens", "page.html", "work.json", "frames/1.png"])
def test_no_pipe_in_a_homework_is_waited_for_or_written_to(name, on_pixels, model, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(on_pixels.folder, folder)
    (folder / name).unlink()
    os.mkfifo(folder / name)
    handle = os.open(folder / name, os.O_RDWR | os.O_NONBLOCK)
    with pytest.raises(InklensError, match=f"{name}|no file|FIFO"):
        Homework(folder, model=model).hand_in(tmp_path / "a.inkwork")
    with pytest.raises(BlockingIOError):
        os.read(handle, 9)
    os.close(handle)


def test_what_cannot_be_put_in_changes_nothing(tmp_path, model, pictures):
    work = begun(tmp_path / "mine", model, pictures)
    before = {path: path.read_bytes() for path in work.folder.rglob("*") if path.is_file()}
    with pytest.raises(PhotoError, match="PDF"):
        work.put(1, b"%PDF-1.7")
    with pytest.raises(PhotoError, match="no file"):
        work.put(1, tmp_path / "none.jpg")
    with pytest.raises(ParameterError, match="digits 1 and 2"):
        work.put(3, pictures[0])
    with pytest.raises(ParameterError, match="expected one of 0, 1"):
        work.put(1, photo_file("3"), meant="x")
    with pytest.raises(ParameterError, match="a photo or a drawing"):
        work.put(1)
    assert before == {path: path.read_bytes() for path in work.folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_beginning_that_was_cut_off_goes_on(tmp_path, model, pictures, monkeypatch):
    """On a full disk `work.json`, written last, is missing; the same call again, with room, is a whole homework."""
    for last in ("model.inklens", "answers.md", "page.html", "work.json"):
        folder, write = tmp_path / last, homework.write_bytes

        def full(path, data, write=write, last=last):
            if path.name == last:
                raise OutputError("no space")
            write(path, data)

        with monkeypatch.context() as patch:
            patch.setattr(homework, "write_bytes", full)
            patch.setattr(
                homework,
                "write_inside",
                lambda path, data, full=full: full(path, data.encode() if isinstance(data, str) else data),
            )
            with pytest.raises(OutputError):
                begun(folder, model, pictures)
        assert begun(folder, model, pictures).hand_in(tmp_path / "a.inkwork")
    (folder / "thesis.txt").write_text("mine")
    (folder / "work.json").unlink()
    with pytest.raises(DataError, match="holds other files"):
        Homework(folder)


def test_folders_and_models_that_do_not_fit_are_refused(tmp_path, model, pictures):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="holds other files"):
        Homework(tmp_path)
    with pytest.raises(ModelFileError):
        Homework(tmp_path / "new", model=tmp_path / "notes.txt")
    small = DigitReader(np.eye(2, 4), np.zeros(2), ("0", "1"), (2, 2))
    with pytest.raises(DataError, match="28 x 28"):
        Homework(tmp_path / "new", model=small)
    with pytest.raises(ParameterError, match="expected a name"):
        Homework(tmp_path / "new", name=" ")
    assert not (tmp_path / "new").exists()
    work = begun(tmp_path / "mine", model, pictures)
    (work.folder / "photo-1.png").write_bytes(photo_file("3"))
    with pytest.raises(DataError, match=r"photo-1\.png is not the picture that was put in"):
        Homework(work.folder)
    (work.folder / "photo-1.png").unlink()
    with pytest.raises(DataError, match=r"photo-1\.png.*put digit 1 in again"):
        Homework(work.folder)
    (work.folder / "work.json").write_text("{}")
    with pytest.raises(DataError, match=r"work\.json"):
        Homework(work.folder)


def as_folder(path):
    path.mkdir()


def as_gigabytes(path):
    with path.open("wb") as file:
        file.truncate(8 << 30)


def as_blanks(path):
    path.write_bytes(b"# Digit 1" + b" " * 190_000 + b"x")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
@pytest.mark.parametrize("name", ["work.json", "answers.md", "photo-1.png", "model.inklens"])
@pytest.mark.parametrize("make", [os.mkfifo, as_folder, as_gigabytes, as_blanks])
def test_what_lies_in_a_folder_is_neither_waited_for_nor_held(tmp_path, begun_once, name, make):
    """A pipe without a writer, gigabytes, and a line that a pattern could go on trying."""
    shutil.copytree(begun_once, tmp_path / "mine")
    (tmp_path / "mine" / name).unlink()
    make(tmp_path / "mine" / name)
    if (name, make) == ("answers.md", as_blanks):
        assert Homework(tmp_path / "mine").work.digits[0].text == ""
        return
    with pytest.raises((DataError, ModelFileError), match=name.replace(".", r"\.")):
        Homework(tmp_path / "mine")


@pytest.fixture(scope="module")
def begun_once(tmp_path_factory, model, pictures):
    return begun(tmp_path_factory.mktemp("begun") / "mine", model, pictures).folder


def test_a_hand_in_needs_both_digits(tmp_path, model, pictures):
    work = Homework(tmp_path / "mine", name="Ada", model=model)
    work.put(1, pictures[0], meant="4", guess="4")
    with pytest.raises(DataError, match="digit 2: no picture yet"):
        work.hand_in(tmp_path / "ada.inkwork")
    assert not (tmp_path / "ada.inkwork").exists()


def test_it_shows_itself(on_pixels):
    assert "complete" in repr(on_pixels)
    assert on_pixels._repr_html_().count("<img") == 2


# ------------------------------------------------------------------------------------------- rows of a data set


def test_a_training_image_makes_a_homework_as_a_photo_does(tmp_path):
    """Pixels of a data set are a drawing; what the notebook's pad holds goes in the same way."""
    digits = load_dataset("embedded")
    frame = digits.X[digits.y == "7"][3].reshape(28, 28) / 255
    work = Homework(tmp_path / "mine", name="Ada")
    assert work.put(1, drawing=frame, meant="7", guess="7").label == "7"
