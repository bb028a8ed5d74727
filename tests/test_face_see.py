"""See and Draw: what is on the screen is what Python computes for the same frame."""

import numpy as np
import pytest
from chromium import NEEDS_BROWSER
from face import DIGITS, browsing, web_bytes

from inklens.photos.drawing import normalise_drawing

pytestmark = NEEDS_BROWSER


@pytest.fixture(scope="module")
def face():
    with browsing(web_bytes(), view="see") as face:
        face.draw(DIGITS["4"])
        yield face


def numbers(text):
    return [float(word.replace("−", "-").replace(",", "")) for word in text if word]


def test_the_sum_is_shown_with_this_digits_numbers(face):
    z = np.array(face.value("Array.from(app.answer.value.z)"))
    rows = face.value(
        "[...document.querySelectorAll('.sums tbody tr')]"
        ".map(row => [...row.cells].slice(1, 5).map(cell => cell.textContent))"
    )
    shown = np.array([numbers(row) for row in rows])
    np.testing.assert_allclose(shown[:, :3].sum(axis=1), z, atol=0.016)
    np.testing.assert_allclose(shown[:, 3], z, atol=0.0051)


def test_strokes_add_up_to_the_scores(face):
    face.wait(f"document.querySelectorAll('.strokes-table tbody tr').length == {len(DIGITS['4'])}")
    rows = face.value(
        "[...document.querySelectorAll('.strokes-table tbody tr, .strokes-table tfoot tr')]"
        ".map(row => [...row.cells].slice(1).map(cell => cell.textContent))"
    )
    parts = np.array([numbers(row) for row in rows])
    assert len(parts) == len(DIGITS["4"]) + 1
    np.testing.assert_allclose(parts[:-1].sum(axis=0), parts[-1], atol=0.051 * len(parts))


def test_the_pair_can_be_chosen_and_follows_again(face):
    first = face.page.locator(".choose select").nth(0)
    first.select_option("7")
    assert face.value("app.pair.value[0]") == 7
    face.page.get_by_role("button", name="follow the answer").click()
    assert face.value("app.pair.value[0]") == face.value("app.answer.value.best")


@pytest.mark.slow
def test_the_box_can_be_resized_as_in_python(face):
    face.open("draw")
    face.draw(DIGITS["4"])
    for fill, centre in ((20, True), (26, True), (14, False)):
        face.value("(app.recipe.value = given, null)", {"fill": fill, "centre": centre})
        ink = np.array(face.value("Array.from(app.pad.ink)"), np.float32).reshape(140, 140)
        wanted = normalise_drawing(ink, fill=fill, centre=centre).frame
        np.testing.assert_allclose(face.value("Array.from(app.frame.value)"), wanted.ravel(), atol=1e-6)
