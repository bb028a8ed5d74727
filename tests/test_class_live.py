"""A class on the local network: who gets in, what a phone may do and what not, and what the wall is told."""

import base64
import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import httpx
import numpy as np
import pytest
from chromium import chromium_runs, needs_browser
from drawn_digits import DIGITS, write

from inklens import DigitReader
from inklens.classroom import live as lives
from inklens.classroom.drawn import read_class
from inklens.classroom.live import LiveClass, Rates
from inklens.classroom.live_server import ClassServer, Settings
from inklens.photos.drawing import normalise_drawing
from inklens.studio.folders import listen
from inklens.studio.problems import Problem

SECONDS = 60


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """A class in this process."""
    from importlib.resources import files

    listener = listen(0)
    settings = Settings(tmp_path_factory.mktemp("class"), "127.0.0.1", 0)
    server = ClassServer(settings, files("inklens") / "reader.inklens", listener.getsockname()[1])
    running = threading.Thread(target=server.run_on, args=(listener,))
    running.start()
    while not server.started and running.is_alive():
        time.sleep(0.01)
    yield server
    server.handle_exit(signal.SIGTERM, None)
    running.join(SECONDS)
    assert not running.is_alive()


def address(server):
    return server.opened.join.rpartition("/join/")[0]


@contextmanager
def phone(server):
    """A phone that has joined."""
    with httpx.Client(base_url=address(server), timeout=SECONDS) as client:
        assert client.get(server.opened.join).status_code == 200
        yield client


@contextmanager
def teacher(server):
    with httpx.Client(base_url=address(server), timeout=SECONDS) as client:
        assert client.get(server.opened.wall).status_code == 200
        yield client


def ink(width=14):
    """A 1."""
    pad = np.zeros((140, 140), np.uint8)
    pad[20:120, 63 : 63 + width] = 255
    return pad


def asked(label="1", pad=None, **more):
    return {"ink": base64.b64encode((ink() if pad is None else pad).tobytes()).decode(), "label": label, **more}


def on_the_wall(client):
    """Events so far, as pairs of a name and its data."""
    with client.stream("GET", "/api/class/events") as answer:
        assert answer.headers["content-type"] == "text/event-stream"
        parts = answer.iter_text()
        text = next(parts)
        while "event:" not in text:
            text += next(parts)
    events = [dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
              for block in text.split("\n\n") if "event:" in block]  # fmt: skip
    return [(event["event"], json.loads(event["data"])) for event in events]


# ------------------------------------------------------------------------------------------------- who gets in


def test_without_the_token_nobody_draws_and_nobody_watches(opened):
    with httpx.Client(base_url=address(opened), timeout=SECONDS) as client:
        for answer in (
            client.get("/join/abcdefgh"),
            client.get("/wall/abcdefgh"),
            client.get("/join/"),
            client.get(opened.opened.join.replace("/join/", "/wall/")),  # the class's token opens no wall
        ):
            assert answer.status_code == 404
            assert "set-cookie" not in answer.headers
        for answer in (
            client.get("/api/class"),
            client.get("/api/class/events"),
            client.post("/api/class/digits", json=asked()),
            client.post("/api/class/name", json={"name": "Ada"}),
            client.get("/join/class"),
            client.get("/wall/class"),
        ):
            assert answer.status_code == 401
    opened.live.wrong._left.clear()


def test_a_phone_may_not_look_at_the_wall_and_hides_nothing(opened):
    with phone(opened) as one, phone(opened) as other:
        number = one.post("/api/class/digits", json=asked()).json()["number"]
        assert one.get("/api/class/events").status_code == 401
        assert "join" not in one.get("/api/class").json()
        assert other.delete(f"/api/class/digits/{number}").status_code == 404
        assert one.delete(f"/api/class/digits/{number}").status_code == 204
        assert one.delete(f"/api/class/digits/{number}").status_code == 404


def test_the_key_is_a_cookie_that_no_script_and_no_other_site_gets(opened):
    with httpx.Client(base_url=address(opened), timeout=SECONDS) as client:
        joined = client.get(opened.opened.join)
        said = joined.headers["set-cookie"]
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(said.split("; "))
        assert opened.live.token not in said
        assert opened.live.token not in joined.text
        assert joined.headers["referrer-policy"] == "no-referrer"
        again = client.get(opened.opened.join).headers["set-cookie"]
        assert again == said  # who is in stays who it is
        assert client.get("/join/class").status_code == 200  # as the page's own address says, when it is loaded again


def test_after_some_wrong_tokens_even_the_right_one_is_not_told():
    async def play():
        now = [0.0]
        live = LiveClass(("0", "1"))
        live.wrong = Rates(per_second=lives.WRONG_PER_SECOND, at_once=lives.WRONG_AT_ONCE, now=lambda: now[0])
        for _ in range(lives.WRONG_AT_ONCE):
            with pytest.raises(Problem) as refused:
                live.join("wrong", "10.0.0.9", None)
            assert refused.value.status == 404
        with pytest.raises(Problem) as refused:
            live.join(live.token, "10.0.0.9", None)
        assert refused.value.status == 429
        assert live.join(live.token, "10.0.0.8", None)  # others are not held up
        now[0] += 1 / lives.WRONG_PER_SECOND
        assert live.join(live.token, "10.0.0.9", None)

    run(play())


def test_joining_is_limited_by_address_and_in_all(monkeypatch):
    monkeypatch.setattr(lives, "MAX_STUDENTS", 3)

    async def play():
        live = LiveClass(("0", "1"))
        live.joins = Rates(per_second=0.0, at_once=2)
        assert len({live.join(live.token, "a", None), live.join(live.token, "a", None)}) == 2
        assert status(lambda: live.join(live.token, "a", None)) == 429
        live.join(live.token, "b", None)
        assert status(lambda: live.join(live.token, "c", None)) == 503

    run(play())


def run(play):
    import asyncio

    asyncio.run(play)


def status(act):
    with pytest.raises(Problem) as refused:
        act()
    return refused.value.status


def test_tokens_differ_and_are_drawn_from_all_letters():
    tokens = {lives.new_token() for _ in range(400)}
    assert len(tokens) == 400
    assert set("".join(tokens)) == set(lives.ALPHABET)
    assert len(lives.ALPHABET) ** lives.TOKEN_LENGTH / 2 / (lives.MAX_CLIENTS * lives.WRONG_PER_SECOND) > 60 * 3.15e7


# ------------------------------------------------------------------------------------------------- what may be asked


def test_a_page_of_another_site_and_another_name_are_refused(opened):
    with phone(opened) as client:
        for headers, wanted in (
            ({"Origin": "http://evil.example"}, 403),
            ({"Sec-Fetch-Site": "cross-site"}, 403),
            ({"Host": "evil.example"}, 421),
            ({"Host": f"localhost:{address(opened).rpartition(':')[2]}"}, 421),
        ):
            assert client.post("/api/class/digits", json=asked(), headers=headers).status_code == wanted
        linked = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
        assert client.get(opened.opened.join, headers=linked).status_code == 200  # a link in a chat
        assert client.get("/api/class", headers=linked).status_code == 403


@pytest.mark.parametrize("path", ["/", "/api/models", "/api/jobs", "/api/about", "/api/digits", "/api/class/../x"])
def test_nothing_of_the_studio_is_there(opened, path):
    with phone(opened) as client:
        assert client.get(path).status_code == 404
        assert client.post(path, json={}).status_code in (404, 413)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (asked("11"), 422),
        (asked(None), 422),
        (asked("1", guess="x"), 422),
        (asked("1", np.zeros((140, 140), np.uint8)), 422),
        (asked("1", np.zeros((140, 139), np.uint8)), 422),
        ({"ink": "%", "label": "1"}, 422),
        ({"ink": 3, "label": "1"}, 422),
        ([], 422),
        (asked("1", np.full((300, 300), 9, np.uint8)), 413),
    ],
    ids=range(9),
)
def test_what_is_no_digit_is_refused(opened, body, wanted):
    before = len(opened.live.digits)
    with phone(opened) as client:
        answer = client.post("/api/class/digits", json=body)
    assert answer.status_code == wanted, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(opened.live.digits) == before


def test_a_phone_that_sends_too_quickly_waits_and_others_do_not(opened):
    with phone(opened) as quick, phone(opened) as other:
        answers = [quick.post("/api/class/digits", json=asked("11")).status_code for _ in range(20)]
        assert answers[: lives.DRAWINGS_AT_ONCE] == [422] * lives.DRAWINGS_AT_ONCE
        assert 429 in answers
        assert other.post("/api/class/digits", json=asked()).status_code == 201


# ------------------------------------------------------------------------------------------------- what is said


def test_a_drawing_is_read_as_python_reads_it_and_comes_to_the_wall(opened):
    pad = ink(17)
    seen = normalise_drawing(pad / np.float32(255))
    reader = DigitReader.shipped()
    with phone(opened) as client, teacher(opened) as watching:
        assert client.post("/api/class/name", json={"name": "  Ada   B. "}).json() == {"name": "Ada B."}
        told = client.post("/api/class/digits", json=asked("7", pad, guess="1")).json()
        proba = dict(zip(reader.classes, reader.predict_proba(seen.frame[None])[0], strict=True))
        assert told["probabilities"] == pytest.approx(proba)
        assert told["label"] == max(proba, key=proba.get)
        digit = next(
            data for name, data in on_the_wall(watching) if name == "digit" and data["number"] == told["number"]
        )
        assert (digit["label"], digit["guess"], digit["answer"]) == ("7", "1", told["label"])
        assert digit["name"] == ""  # names are shown where that was asked for
        assert digit["probability"] == pytest.approx(proba["7"], abs=1e-4)
        pixels = np.frombuffer(base64.b64decode(digit["pixels"]), np.uint8)
        np.testing.assert_allclose(pixels, np.rint(255 * seen.frame).ravel(), atol=1)
        assert watching.delete(f"/api/class/digits/{told['number']}").status_code == 204  # the teacher hides it
        assert ("removed", {"number": told["number"]}) in on_the_wall(watching)
    assert told["number"] not in opened.live.digits


def test_a_wall_that_was_away_goes_on_where_it_was(opened):
    with phone(opened) as client, teacher(opened) as watching:
        client.post("/api/class/digits", json=asked())
        n = opened.live.n_events
        client.post("/api/class/digits", json=asked("4"))
        watching.headers["Last-Event-ID"] = str(n)
        events = on_the_wall(watching)
    assert [data["label"] for name, data in events if name == "digit"] == ["4"]


def test_it_listens_on_the_address_that_it_was_given_only():
    with listen(0, "127.0.0.2") as listener:
        assert listener.getsockname()[0] == "127.0.0.2"
    with listen(0) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize("option", [["--address", "127.0.0.1"], ["--names"], ["-o", "x"]])
def test_without_class_its_options_are_refused(option, capsys):
    from inklens.cli.main import _run

    assert _run(["studio", *option, "--no-open"]) == 2
    assert "--class" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------- in a browser


@pytest.mark.slow
@needs_browser
def test_a_phone_draws_the_wall_shows_it_and_ctrl_c_writes_all_down(tmp_path):
    out = tmp_path / "ours"
    command = [
        sys.executable,
        "-m",
        "inklens",
        "studio",
        "--class",
        "--address",
        "127.0.0.1",
        "--port",
        "0",
        "--no-open",
    ]
    with (
        subprocess.Popen(
            [*command, "-o", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process,
        chromium_runs() as browser,
    ):
        try:
            wall_at, join_at = process.stdout.readline().strip(), process.stdout.readline().strip()
            said, asked_for = [], []
            pages = []
            for options in (
                {"viewport": {"width": 1280, "height": 800}},
                {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True, "locale": "de-DE"},
            ):
                page = browser.new_context(**options).new_page()
                page.set_default_timeout(1000 * SECONDS)
                page.on("console", lambda message: said.append(message.text))
                page.on("pageerror", lambda error: said.append(str(error)))
                page.on("request", lambda request: asked_for.append(request.url))
                pages.append(page)
            wall, phone_page = pages
            wall.goto(wall_at)
            phone_page.goto(join_at)
            assert join_at in wall.locator(".address").inner_text()
            phone_page.wait_for_selector(".board")
            write(phone_page, DIGITS["4"], pad=".board .marks")
            assert phone_page.evaluate("document.documentElement.scrollWidth") == 360
            for which in range(2):
                phone_page.locator("fieldset").nth(which).get_by_role("button", name="4", exact=True).click()
            phone_page.locator(".drawing > .primary").click()
            assert phone_page.locator(".says strong").inner_text() == "4"
            assert "erwartet" in phone_page.locator(".answered").inner_text().lower()
            assert wall.locator(".everyone .drawn").count() == 1 or wall.wait_for_selector(".everyone .drawn")
            assert wall.locator(".counts dd").all_inner_texts() == ["1", "1", "100 %", "100 %"]
            phone_page.reload()
            phone_page.wait_for_selector(".board")
            for page in pages:
                assert "/class" in page.url  # no token in what is projected or copied
            assert not said
            assert {url.split("/")[2] for url in asked_for} == {wall_at.split("/")[2]}
            browser.close()
        finally:
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=2 * SECONDS)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert sorted(path.name for path in out.iterdir()) == ["class.json", "class.npz", "wall.html"]
    found = read_class(out)
    assert [(digit.label, digit.guess) for digit in found.digits] == [("4", "4")]
