"""The pad and what stands round it, by pointer, touch and keyboard, in a real browser."""

import numpy as np
import pytest
from chromium import NEEDS_BROWSER
from face import DIGITS, browsing, reader_of, web_bytes

from inklens.photos.drawing import normalise_drawing

pytestmark = NEEDS_BROWSER
ANSWER = "app.model.value.classes[app.answer.value.best]"
SIDE = 28


@pytest.fixture(scope="module")
def face():
    with browsing(web_bytes(), has_touch=True) as face:
        yield face


@pytest.fixture
def held(face):
    """A drawn four, held: strokes change what the model sees."""
    face.draw(DIGITS["4"])
    face.page.get_by_role("button", name="Hold the picture").click()
    face.settle()
    return face


def tool(face, name):
    return face.page.get_by_role("button", name=name, exact=True)


def frame_of(face):
    return np.array(face.value("app.frame.value")).reshape(SIDE, SIDE)


def cover(points, width):
    """Cover of the frame's pixels by one straight stroke: clip(width / 2 + 1/2 - distance, 0, 1)."""
    start, end = (np.array(point) * SIDE - 0.5 for point in (points[0], points[-1]))  # across, down
    down, across = np.indices((SIDE, SIDE))
    offset = np.stack([across, down], axis=-1) - start
    along = np.clip(offset @ (end - start) / max(float((end - start) @ (end - start)), 1e-300), 0.0, 1.0)
    distance = np.linalg.norm(offset - along[..., None] * (end - start), axis=-1)
    return np.clip(width * SIDE / 2 + 0.5 - distance, 0.0, 1.0)


@pytest.mark.parametrize("digit", DIGITS)
def test_ten_digits_drawn_by_pointer_are_read_right_and_as_python_reads_them(face, digit):
    face.draw(DIGITS[digit])
    assert face.value(ANSWER) == digit
    ink = np.array(face.value("app.pad.ink")).reshape(face.value("[app.pad.rows, app.pad.cols]"))
    reader = reader_of(web_bytes())
    frame = normalise_drawing(ink).frame
    assert np.allclose(frame_of(face), frame, atol=1e-6)
    z = reader.raw_prediction(frame[None])[0]
    assert np.allclose(face.value("app.answer.value.z"), z, atol=1e-5)


@pytest.mark.slow
def test_ink_does_not_depend_on_how_quickly_the_pen_moved(face):
    """All places of a stroke at once, as a quick hand's come, or each in a frame of the screen."""
    inks = []
    for each in (True, False):
        face.draw(DIGITS["4"], each=each)
        inks.append(np.array(face.value("app.pad.ink")))
    assert inks[0].sum() > 100
    assert np.allclose(*inks, atol=0.02)  # to a hundredth of a pixel of the screen


@pytest.mark.slow
def test_a_digit_drawn_by_keyboard_is_read_right(face):
    """A seven: Space puts the pen down, arrows lead it along the top and down the stem, Space lifts it."""
    face.clear()
    focus_by_keyboard(face)
    top = [*["ArrowUp"] * 7, *["ArrowLeft"] * 6, "Space", *["ArrowRight"] * 11]
    stem = [*["ArrowDown", "ArrowDown", "ArrowLeft"] * 4, *["ArrowDown"] * 6, "Space"]
    for key in top + stem:
        face.page.keyboard.press(key)
    face.settle()
    assert face.value("app.pad.marks.length") == 1
    assert face.value(ANSWER) == "7"


def focus_by_keyboard(face):
    """Focus the pad from the element before it."""
    face.value("document.activeElement.blur()")
    for _ in range(30):
        face.page.keyboard.press("Tab")
        if face.value("document.activeElement.id") == "pad":
            return
    raise AssertionError("the pad is not reached by Tab")


def test_undo_and_redo_go_back_and_forth_exactly(face):
    face.draw(DIGITS["4"])
    states = [np.array(state) for state in face.value("app.pad.history().map((ink) => [...ink])")]
    assert len(states) == 1 + len(DIGITS["4"])
    tool(face, "Undo").click()
    assert np.array_equal(face.value("app.pad.ink"), states[1])
    face.page.locator("#pad").focus()
    face.page.keyboard.press("Control+z")
    assert not np.any(face.value("app.pad.ink"))
    tool(face, "Redo").click()
    face.page.locator("#pad").focus()
    face.page.keyboard.press("Control+Shift+z")
    assert np.array_equal(face.value("app.pad.ink"), states[2])
    face.settle()
    assert tool(face, "Redo").is_disabled()


def test_the_eraser_takes_away_what_the_pen_gave(face):
    face.draw(DIGITS["1"])
    tool(face, "Eraser").click()
    face.value("(app.pad.width = 0.16)")
    face.draw(DIGITS["1"], clear=False)
    assert face.value("app.isBlank.value")
    assert "Nothing is drawn yet" in face.page.locator(".says").inner_text()
    face.value("(app.pad.width = 0.08)")
    tool(face, "Pen").click()


def test_strokes_on_a_held_frame_change_what_the_model_sees(held):
    """Pen: max(x, cover); eraser: min(x, 1 - cover); nothing is centred anew, and the answer follows."""
    reader = reader_of(web_bytes())
    before = frame_of(held)
    line = [(0.3, 0.3), (0.7, 0.35)]
    held.draw([line], clear=False)
    points = held.value("app.pad.marks.at(-1).points")
    ends = [points[:2], points[-2:]]
    covered = cover(ends, held.value("app.pad.width"))
    drawn = frame_of(held)
    assert np.allclose(
        drawn, np.maximum(before, covered), atol=0.05
    )  # a hand's line is straight to a pixel of the screen
    assert np.allclose(held.value("app.answer.value.z"), reader.raw_prediction(drawn[None])[0], atol=1e-5)
    tool(held, "Eraser").click()
    held.draw([line], clear=False)
    tool(held, "Pen").click()
    erased = frame_of(held)
    assert np.allclose(erased, np.minimum(drawn, 1.0 - covered), atol=0.05)
    assert np.allclose(held.value("app.answer.value.z"), reader.raw_prediction(erased[None])[0], atol=1e-5)


@pytest.mark.slow
def test_pixels_are_edited_by_keyboard(held):
    page = held.page
    focus_by_keyboard(held)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    at = (13, 13)
    before = frame_of(held)
    for key, expected in (("Enter", 1.0), ("-", 0.75), ("-", 0.5), ("+", 0.75), ("Delete", 0.0)):
        page.keyboard.press(key)
        held.settle()
        after = frame_of(held)
        assert after[at] == expected
        others = np.ones_like(after, bool)
        others[at] = False
        assert np.array_equal(after[others], before[others])
    assert f"Row {at[0]}, column {at[1]}" in page.locator(".spoken").inner_text()
    for _ in range(5):
        page.keyboard.press("Control+z")
    held.settle()
    assert np.array_equal(frame_of(held), before)


@pytest.mark.slow
def test_a_finger_draws_and_the_page_stays_where_it_is(face):
    """Touch on the pad makes strokes; the same movement beside it scrolls."""
    face.clear()
    face.resize(360, 740)
    session = face.page.context.new_cdp_session(face.page)

    def swipe(x, y, dy):
        for kind, at in (("touchStart", y), *(("touchMove", y + dy * i / 8) for i in range(1, 9)), ("touchEnd", None)):
            points = [] if at is None else [{"x": x, "y": at}]
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    try:
        face.value("scrollTo(0, 0)")
        box = face.page.locator("#pad").bounding_box()
        swipe(box["x"] + box["width"] / 2, box["y"] + 0.85 * box["height"], -0.7 * box["height"])
        face.settle()
        assert face.value("scrollY") == 0
        assert face.value("app.pad.marks.length") == 1
        assert face.value("app.pad.marks[0].points.length") > 4
        swipe(box["x"] + 20, box["y"] + box["height"] + 150, -250)
        face.wait("scrollY > 0")  # the test can tell scrolling from none
    finally:
        face.value("scrollTo(0, 0)")
        face.resize(1280, 900)


def test_clearing_starts_a_free_drawing(held):
    tool(held, "Clear").click()
    held.settle()
    assert held.value("app.mode.value") == "drawing"
    assert held.value("app.isBlank.value")
    assert held.value("app.pad.rows") > SIDE


def test_a_covered_answer_shows_nothing(face):
    face.draw(DIGITS["3"])
    face.value("(app.covered.value = true)")
    assert "Covered" in face.page.locator(".says").inner_text()
    assert face.page.locator(".answer .bars").is_hidden()
    face.value("(app.covered.value = false)")
    assert face.page.locator(".answer .bars").is_visible()
    assert face.page.locator(".says .digit").inner_text() == "3"


def test_an_empty_pad_shows_no_bar(face):
    """What intercepts alone would say is no answer."""
    shown = "[...document.querySelectorAll('.bars i')].filter((bar) => getComputedStyle(bar).visibility === 'visible')"
    face.draw(DIGITS["4"])
    assert face.value(f"{shown}.length") == 10
    face.clear()
    assert face.value(f"{shown}.length") == 0
