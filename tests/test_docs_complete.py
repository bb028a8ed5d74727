"""The documentation names every public name, command and display, and its pages hold together."""

import re
import subprocess
import sys
import threading
from contextlib import contextmanager
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from chromium import chromium_runs, needs_browser
from filelock import FileLock

import inklens
import inklens.displays
from inklens.cli.main import COMMANDS
from inklens.pages.glossary import to_rst

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SOURCES = [path for path in DOCS.rglob("*.rst") if "_build" not in path.parts]
PAGES = "\n".join(path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *SOURCES])

# What is looked for, and pages of which one has to be among the first three that are found.
QUERIES = {
    "regularization": {"glossary", "tutorial", "howto/from-others"},
    "regularisation": {"glossary", "tutorial", "howto/from-others"},
    "penalty": {"glossary", "tutorial", "howto/from-others"},
    "homework": {"homework", "howto/ninety-minutes"},
    "confusion": {"glossary", "tutorial", "gallery"},
    "screenshot": {"photos"},
    "offline": {"page", "data", "howto/ninety-minutes"},
    "install": {"start"},
    "cite": {"about"},
    "lambda": {"howto/from-others"},
    "counterfactual": {"flips"},
    "large data": {"howto/scale"},
    "CSV": {"howto/own-data", "data"},
    "pickle": {"files", "howto/own-data"},
    "screen reader": {"accessibility"},
}


def test_every_public_name_is_documented():
    missing = [name for name in inklens.__all__ if not name.startswith("_") and not re.search(rf"\b{name}\b", PAGES)]
    assert missing == []


def test_every_command_is_shown_in_use():
    missing = [name for name in COMMANDS if f"inklens {name}" not in PAGES]
    assert missing == []


def test_every_display_is_in_the_gallery_once():
    shown = re.findall(r"^\.\. drawn:: (\w+)$", (DOCS / "gallery.rst").read_text(encoding="utf-8"), re.MULTILINE)
    public = {name for name in inklens.displays.__all__ if name.endswith("Display")} - {"Display"}
    assert sorted(shown) == sorted(public)


def test_every_page_has_its_place():
    """Either named in a tree of pages, or fitting a pattern there."""
    placed = set()
    for source in SOURCES:
        for tree in re.findall(r"\.\. toctree::\n((?:   .*\n|\n)+)", source.read_text(encoding="utf-8")):
            for entry in re.findall(r"^   ([\w/*-]+)$", tree, re.MULTILINE):
                base = DOCS if entry.startswith("/") else source.parent
                placed |= set(base.glob(f"{entry.lstrip('/')}.rst"))
    assert set(SOURCES) - placed == {DOCS / "index.rst"}


def test_the_glossary_is_that_of_the_report():
    assert (DOCS / "glossary.rst").read_text(encoding="utf-8") == to_rst()


def test_the_lesson_takes_ninety_minutes():
    minutes = re.findall(r"^minutes = (\d+)$", (DOCS / "howto/lesson.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sum(map(int, minutes)) == 90


def test_the_citation_is_that_of_the_file():
    file = ROOT / "CITATION.cff"
    if not file.is_file():
        pytest.skip("there is no CITATION.cff")
    title = re.search(r'^title: "?(.*?)"?$', file.read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert title in (DOCS / "about.rst").read_text(encoding="utf-8")


def test_nothing_speaks_of_one_machine():
    patterns = re.compile(r"(^|[^\w./-])/(work|root|tmp)/\w")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    for name in tracked:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".rst", ".toml", ".c", ".h", ".html", ".txt", ""} and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            assert not patterns.search(text), f"{name} names a path of one machine"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The documentation as HTML, built once for all processes of a run."""
    run = tmp_path_factory.getbasetemp()
    shared = (run.parent if run.name.startswith("popen-") else run) / "docs"
    said = Path(f"{shared}.txt")
    with FileLock(f"{shared}.lock"):
        if not said.exists():
            command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(DOCS), str(shared)]
            done = subprocess.run(command, capture_output=True, text=True)
            said.write_text("" if done.returncode == 0 else done.stderr, encoding="utf-8")
    assert said.read_text(encoding="utf-8") == ""
    return shared


class Page(HTMLParser):
    """What a page names, shows and leads to."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loaded, self.pictures = set(), [], [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids |= {attrs[key] for key in ("id", "name") if attrs.get(key)}
        self.links += [attrs["href"]] if tag == "a" and attrs.get("href") else []
        sources = [attrs[key] for key in ("src", "srcset", "href") if tag != "a" and attrs.get(key)]
        self.loaded += sources
        self.pictures += [(attrs.get("src"), attrs.get("alt"))] if tag == "img" else []


@pytest.mark.slow
def test_pages_hold_together(built):
    """No link leads nowhere, nothing is loaded from elsewhere, every picture has words."""
    pages = {path: Page(path) for path in built.rglob("*.html") if "_static" not in path.parts}
    assert len(pages) > len(SOURCES)
    dead, silent, foreign = [], [], []
    for path, page in pages.items():
        for link in page.links + page.loaded:
            target, anchor = urldefrag(link)
            if urlsplit(link).scheme or link.startswith("//"):
                continue
            file = (path.parent / unquote(target.partition("?")[0])).resolve() if target else path
            is_there = file.is_file() and (not anchor or file not in pages or anchor in pages[file].ids)
            dead += [] if is_there or link == "#" else [f"{path.name}: {link}"]
        foreign += [f"{path.name}: {place}" for place in page.loaded if re.match(r"(https?:)?//", place)]
        silent += [f"{path.name}: {place}" for place, words in page.pictures if not words]
    assert (dead, silent, foreign) == ([], [], [])


@pytest.fixture(scope="module")
def chromium():
    """A browser for all tests of this file."""
    pytest.importorskip("playwright.sync_api")
    with chromium_runs() as browser:
        yield browser


@contextmanager
def opened(browser, folder, **options):
    """Serve a folder, and give a page of a browser and the server's address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_args):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    server.handle_error = lambda *_: None  # a browser that leaves a page lets its connections go
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with browser.new_context(**options) as context:
            yield context.new_page(), f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.slow
def test_signatures_call_arrays_by_their_name(built):
    pages = {path.name: path.read_text(encoding="utf-8") for path in (built / "api").glob("*.html")}
    assert "ArrayLike" in pages["models.html"]
    assert [name for name, text in pages.items() if "_NestedSequence" in text] == []


# What the page does with the words of its address, without reading each page that is found for a summary.
ASK_AGAIN = """(words) => {
    document.querySelector('#search-results').replaceChildren();
    DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;
    Search.performSearch(words);
}"""


@pytest.mark.slow
@needs_browser
def test_search_leads_where_one_wants(built, chromium):
    with opened(chromium, built) as (page, address):
        found = {}
        for query in QUERIES:
            if found:
                page.evaluate(ASK_AGAIN, query)
            else:
                page.goto(f"{address}search.html?q={query}")
            page.wait_for_function("/found|did not/.test(document.querySelector('#search-results')?.innerText)")
            links = page.eval_on_selector_all(
                "#search-results ul.search li > a", "(all) => all.map((a) => a.getAttribute('href'))"
            )
            found[query] = [urldefrag(link)[0].removesuffix(".html") for link in links]
    lost = {query: first[:5] for query, first in found.items() if not QUERIES[query] & set(first[:3])}
    assert lost == {}


@pytest.mark.slow
@needs_browser
def test_every_page_fits_a_phone(built, chromium):
    with opened(chromium, built, viewport={"width": 360, "height": 800}, java_script_enabled=False) as (page, address):
        wide = {}
        for path in sorted(path for path in built.rglob("*.html") if "_static" not in path.parts):
            name = path.relative_to(built).as_posix()
            page.goto(address + name, wait_until="load")
            wide[name] = page.eval_on_selector_all(
                "html, .bd-article-container", "(all) => Math.max(...all.map((e) => e.scrollWidth - e.clientWidth))"
            )
    assert {name: beyond for name, beyond in wide.items() if beyond > 0} == {}


@pytest.mark.slow
@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_are_accessible(built, chromium, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with opened(chromium, built, viewport={"width": 360, "height": 800}, color_scheme=scheme) as (page, address):
        for name in ("index.html", "howto/slides.html"):
            page.goto(address + name)
            found = axe.run(page, options={"iframes": False}).response["violations"]
            assert [(violation["id"], violation["nodes"][0]["target"]) for violation in found] == [], name


@pytest.mark.slow
@needs_browser
def test_the_page_in_the_frame_reads(built, chromium):
    with opened(chromium, built) as (page, address):
        page.goto(f"{address}index.html")
        frame = page.frame_locator(".live iframe")
        frame.locator("#pad").wait_for()
        answer = "window.inklens.ready.then(() => window.inklens.read(new Float32Array(784)))"
        assert len(page.frames[1].evaluate(answer)["probabilities"]) == 10
