"""The pad and what stands round it, by pointer, touch and keyboard, in a real browser."""

import pytest
from face import DIGITS, NEEDS_BROWSER, browsing, web_bytes

pytestmark = NEEDS_BROWSER
ANSWER = "app.model.value.classes[app.answer.value.best]"


@pytest.fixture(scope="module")
def face():
    with browsing(web_bytes()) as face:
        yield face


@pytest.mark.parametrize("digit", DIGITS)
def test_ten_digits_drawn_by_pointer_are_read_right(face, digit):
    face.draw(DIGITS[digit])
    assert face.value(ANSWER) == digit
