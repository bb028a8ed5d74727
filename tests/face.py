"""The face in a real browser: its files served, a page that is watched, a hand that draws.

    from chromium import NEEDS_BROWSER
    from face import DIGITS, browsing, web_bytes

    pytestmark = NEEDS_BROWSER

    @pytest.fixture(scope="module")
    def face():
        with browsing(web_bytes(features="pixels"), view="see") as face:
            yield face

    def test_x(face):
        face.draw(DIGITS["4"])
        assert face.value("app.model.value.classes[app.answer.value.best]") == "4"

When `browsing` ends, it fails on a console message, a request to another host, or a layout that jumped.
"""

import base64
import functools
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import numpy as np
import pytest
from chromium import chromium_runs
from drawn_digits import DIGITS, write

import inklens.web
from inklens import DigitReader
from inklens.datasets import load_dataset
from inklens.explanations import usual_ink
from inklens.tasks.models import fit
from inklens.tasks.paths import PathRun, follow
from inklens.tasks.session import Session
from inklens.tasks.stops import StopRun, early_stops
from inklens.web.payload import parse, samples, web_model

__all__ = ["DIGITS", "Face", "Strokes", "browsing", "reader_of", "served", "violations", "web_bytes"]

STATIC = Path(inklens.web.__file__).parent / "static"
PATIENCE = 120.0  # seconds for what comes at once on a quiet machine; a busy one is no failure
MOST_SHIFT = 0.02  # cumulative layout shift; 0.1 counts as good on the web
WIDE = {"width": 1280, "height": 900}

DOCUMENT = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>face</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'self'; img-src 'self' data: blob:; object-src 'none'">
<link rel="stylesheet" href="/style.css"><link rel="icon" href="data:,"></head>
<body><div id="face" class="face"></div><script type="module" src="/start.js"></script></body></html>"""
START = """import { mount } from './app.js';
import { PAGE_VIEWS } from './views/all.js';
import * as core from './core.js';
const bytes = await (await fetch('/model.bin')).arrayBuffer();
window.core = core;
window.app = mount(document.getElementById('face'), { bytes, host: { kind: 'page' }, views: PAGE_VIEWS });
"""
WATCH = """
window.shift = 0;
window.watching = new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
});
watching.observe({ type: 'layout-shift', buffered: true });
"""

OF_COLOURS = ("color-contrast", "link-in-text-block")
"""Rules of axe that another scheme of colours may break."""

KINDS = {"Float32Array": "<f4", "Float64Array": "<f8", "Int32Array": "<i4", "Uint8Array": "u1"}
PACK = """
if (!ArrayBuffer.isView(v)) return v;
let text = '';
for (const byte of new Uint8Array(v.buffer, v.byteOffset, v.byteLength)) text += String.fromCharCode(byte);
return { packed: btoa(text), kind: v.constructor.name };
"""
"""Returns a typed array as text: Playwright takes seconds for ten thousands of numbers one by one."""

Point = tuple[float, float]  # across and down, in shares of the pad's side
Strokes = Sequence[Sequence[Point]]


@functools.cache
def web_bytes(*, features: str = "pixels", train: int = 2000, C: float = 0.1, with_rows: bool = False) -> bytes:
    """Return a model of the embedded digits as bytes for a browser, fitted once.

    With rows, sample digits and the usual ink of each class travel along.
    """
    reader = fit("embedded", train=train, test=500, C=C, features=features).reader
    if not with_rows:
        return web_model(reader, gate=False)
    session = Session.of(reader, data="embedded")
    X, y, _ = session.half("train")
    return web_model(reader, samples=samples(reader, session), usual=usual_ink(X.reshape(-1, 28, 28), y))


ROWS = {"train": 400, "test": 200, "seed": 9}  # few, so that all fits below take seconds


@functools.cache
def full_parts() -> tuple[DigitReader, Session, PathRun, StopRun]:
    """Return a small model, its rows, a path and the early stops of a solver."""
    reader = fit("embedded", C=0.1, tol=1e-3, **ROWS).reader
    stops = early_stops(load_dataset("embedded").split(**ROWS), C=1.0, tols=(0.1,))
    return reader, Session.of(reader, data="embedded"), follow("embedded", C=100.0, points=20, **ROWS), stops


@functools.cache
def full_bytes() -> bytes:
    """Return a small model with all that a page can bring: digits, usual ink, path, early stops and the check."""
    reader, session, path, stops = full_parts()
    X, y, _ = session.half("train")
    usual = usual_ink(X.reshape(-1, 28, 28), y)
    return web_model(reader, path=path, tolerance=stops, samples=samples(reader, session), usual=usual)


def reader_of(data: bytes) -> DigitReader:
    """Return the model on pixels that a browser reads from these bytes: single precision, computed with in double."""
    header, tensors = parse(data)
    coef, intercept = (tensors[name].astype(float) for name in ("coef", "intercept"))
    return DigitReader(coef, intercept, tuple(header["classes"]), tuple(header["image_shape"]))


@contextmanager
def served(model: bytes) -> Iterator[str]:
    """Serve the browser's files, a page and a model; give the page's address."""
    made = {"/": DOCUMENT, "/start.js": START, "/model.bin": model}

    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *args) -> None:
            super().__init__(*args, directory=str(STATIC))

        def do_GET(self) -> None:
            content = made.get(urlsplit(self.path).path)
            if content is None:
                super().do_GET()
                return
            body = content if isinstance(content, bytes) else content.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/javascript" if self.path.endswith(".js") else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Face:
    """One page with the face, and what went wrong in it."""

    page: object  # of playwright
    url: str
    faults: list[str] = field(default_factory=list)
    app: str = "app"  # what the page calls it
    is_strict: bool = False  # whether each page that is left is checked, not only the last

    def open(self, view: str = "draw", **state: str) -> None:
        """Load the page with a view and a state of its address; if strict, the one left must be without fault."""
        if self.is_strict and self.page.url.startswith(self.url):
            self.check()
        self.page.goto("about:blank")
        self.page.goto(f"{self.url}#{urlencode({'view': view, **state})}")
        self.page.locator("#pad").wait_for()
        self.page.evaluate(
            "new Promise((done) => { const look = () => (window.app ? done() : setTimeout(look, 5)); look(); })"
        )
        self.settle()

    def value(self, expression: str, argument: object = None):
        """Return the value of an expression in the page, such as ``app.answer.value.best``; `given` is the argument."""
        found = self.page.evaluate(f"(given) => {{ const v = {expression}; {PACK} }}", argument)
        match found:
            case {"packed": str(packed), "kind": str(kind)}:
                return np.frombuffer(base64.b64decode(packed), KINDS[kind]).tolist()
        return found

    def wait(self, condition: str, *, seconds: float = PATIENCE) -> None:
        """Wait until an expression in the page is true; asked from outside, as the page's policy forbids eval in it."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(f"() => Boolean({condition})"):
            if time.monotonic() > end:
                raise AssertionError(f"after {seconds:g} s still not: {condition}")
            self.page.wait_for_timeout(20)

    def settle(self) -> None:
        """Wait until the pad rests and the screen shows it; two frames pass before its timer surely runs."""
        self.page.evaluate(
            "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => {"
            f" const look = () => ({self.app}.resting === null"
            "   ? requestAnimationFrame(() => setTimeout(done, 0)) : setTimeout(look, 10)); look(); })))"
        )

    def clear(self) -> None:
        """Start a free drawing on an empty pad, by the button: what moves at a click is no fault."""
        button = self.page.locator('[data-explain="tool.clear"]')
        if button.is_enabled():
            button.click()
            self.settle()

    def draw(self, strokes: Strokes, *, each: bool = False, clear: bool = True, settle: bool = True) -> None:
        """Draw strokes with the mouse; each point a movement of its own costs much, and is for tests of the pen."""
        if clear:
            self.clear()
        self.page.locator("#pad").scroll_into_view_if_needed()
        write(self.page, strokes, each=each)
        if settle:
            self.settle()

    def resize(self, width: int, height: int) -> None:
        """Make the window another size; what moves by that is no fault."""
        self.check()
        self.page.set_viewport_size({"width": width, "height": height})
        self.forgive()

    def forgive(self) -> None:
        """Take what has moved till now, once it is on the screen, for what was asked for."""
        self.settle()
        self.page.evaluate("window.watching.takeRecords(), window.shift = 0")

    def beside(self, model: bytes, **options: object) -> AbstractContextManager["Face"]:
        """Open another page in the same browser, with the options of `browsing`."""
        return opened(self.page.context.browser, model, **options)

    def check(self) -> None:
        """Fail on what nobody should see in a page."""
        shift = self.page.evaluate("window.shift ?? 0")
        assert not self.faults, self.faults
        assert shift <= MOST_SHIFT, f"the layout jumped: {shift:.3f}"


@contextmanager
def browsing(
    model: bytes, *, view: str = "draw", size: Mapping[str, int] = WIDE, dark: bool = False, **options: object
) -> Iterator[Face]:
    """Open the face in Chromium; at the end, fail on console messages, foreign requests and layout jumps.

    One at a time: a second page beside one that is open is ``face.beside(model)``.
    """
    with (
        chromium_runs() as browser,
        opened(browser, model, view=view, size=size, dark=dark, **options) as face,
    ):
        yield face


@contextmanager
def opened(
    browser, model: bytes, *, view: str = "draw", size: Mapping[str, int] = WIDE, dark: bool = False, **options: object
) -> Iterator[Face]:
    """Open the face in a browser that runs."""
    with served(model) as url:
        context = browser.new_context(viewport=size, color_scheme="dark" if dark else "light", **options)
        page = context.new_page()
        face = Face(page, url)
        page.set_default_timeout(1000 * PATIENCE)
        page.add_init_script(WATCH)
        page.on("console", lambda message: face.faults.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: face.faults.append(f"error: {error}"))
        page.on("request", lambda request: watch(request.url, url, face.faults))
        face.open(view)
        yield face
        face.check()
        context.close()


def violations(page, *rules: str) -> list[tuple[str, list[str]]]:
    """Return what axe finds in a page, by all rules or some: a rule, and elements that break it.

    Only that comes over: Playwright takes seconds for all that axe has to tell.
    """
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="uv pip install axe-playwright-python")
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe.Axe().axe_script)
    return page.evaluate(
        """(options) => axe.run(options).then(({ violations }) => violations.map(
          ({ id, nodes }) => [id, nodes.slice(0, 5).map(({ html }) => html.slice(0, 160))]))""",
        {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {}),
    )


def watch(asked: str, home: str, faults: list[str]) -> None:
    """Note a request that leaves the page's own host."""
    if urlsplit(asked).scheme in ("http", "https", "ws", "wss") and urlsplit(asked).netloc != urlsplit(home).netloc:
        faults.append(f"request: {asked}")
