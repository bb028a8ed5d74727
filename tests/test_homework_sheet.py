"""The sheet that a student draws a digit of the homework on, and the page of what was drawn."""

import re
import urllib.error
import urllib.request
from contextlib import contextmanager
from queue import Queue
from threading import Thread

import numpy as np
import pytest
from chromium import chromium_runs, needs_browser
from drawn_digits import draw as hand
from handwriting import encoded, photo

from inklens.classroom import Homework
from inklens.classroom.drawing import draw


@contextmanager
def sheet():
    """The address of a sheet, and a list that its drawing comes into."""
    addresses, drawn = Queue(), []
    drawing = Thread(target=lambda: drawn.append(draw(1, tell=addresses.put, open_page=False)), daemon=True)
    drawing.start()
    yield addresses.get(timeout=30), drawn
    drawing.join(timeout=30)
    assert len(drawn) == 1


def send(address, body=None, **headers):
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body, headers), timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_the_sheet_takes_one_drawing_and_answers_nobody_else():
    ink = np.where(photo("4") < 128, 0, 255).astype(np.uint8)
    with sheet() as (address, drawn):
        assert b"Draw digit 1" in send(address)[1]
        assert send(address[:-4])[0] == 404
        assert send(address, Host="example.org")[0] == 404
        assert send(address, encoded(ink, "PNG"), Origin="http://example.org")[0] == 404
        assert send(address, b"no picture")[0] == 422
        assert send(address, encoded(np.full((9, 9), 255, np.uint8), "PNG"))[0] == 422
        assert send(address, b"", **{"Content-Length": "1000001"})[0] == 413
        assert drawn == []
        assert send(address, encoded(ink, "PNG"))[0] == 200
    np.testing.assert_allclose(drawn[0], 1 - ink / 255, atol=1e-6)


@pytest.mark.slow
@needs_browser
def test_a_hand_draws_on_the_sheet_and_the_page_is_read_on_every_screen(tmp_path):
    faults, work = [], Homework(tmp_path / "drawn", name="Ada")
    with chromium_runs() as chromium:
        page = chromium.new_page(viewport={"width": 360, "height": 800})
        page.on("console", lambda message: faults.append(message.text))
        page.on("pageerror", lambda error: faults.append(str(error)))
        with sheet() as (address, drawn):
            page.goto(address)
            assert page.locator("#keep").is_disabled()
            hand(page, "7", pad="#sheet")
            page.click("#undo")
            assert page.locator("#keep").is_disabled()
            hand(page, "4", pad="#sheet")
            page.click("#keep")
            page.get_by_text("Kept.").wait_for()
        assert work.put(1, drawing=drawn[0], meant="4", guess="4").label == "4"
        work.put(2, encoded(photo("7"), "PNG"), meant="4", guess="9")
        (tmp_path / "page.html").write_text(work.page(), encoding="utf-8")
        page.goto((tmp_path / "page.html").as_uri())
        for width in (360, 768, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth") == width
        broken = "[...document.images].filter(i => !i.complete || !i.naturalWidth || !i.alt).length"
        assert page.evaluate(broken) == 0
        assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True))) in (3, 4, 5)
    assert faults == []
    assert Homework(tmp_path / "drawn", name="Ada").put(1, drawing=drawn[0]).label == "4"
