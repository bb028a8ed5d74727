"""The exported page: opened from a file, without a network, in two browsers, in a frame, without a script, on paper."""

import json
import re
from html.parser import HTMLParser

import firefox
import numpy as np
import pytest
from chromium import IS_REQUIRED, NEEDS_BROWSER, chromium_runs
from drawn_digits import DIGITS, draw, strokes_on
from face import OF_COLOURS, violations

from inklens import DigitReader, load_dataset
from inklens.errors import ParameterError
from inklens.tasks.models import fit
from inklens.web.bundle import read_static
from inklens.web.page import exported, shown, unpacked

needs_firefox = pytest.mark.skipif(firefox.FIREFOX is None and not IS_REQUIRED, reason="no Firefox here")

LIMIT, GATE = 200_000, 75_000  # bytes of a page without a path; of what it knows of digits, to refuse what is none
NAMES = (
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(2)</script>",
    "a'\"b",
    "c\\u0000d",
    "{{ 7 * 7 }}",
    "&amp;",
)
# Layout that moved without anybody's doing, before and after the start (web.dev/cls: at most 0.1; here 0.02).
SHIFTS = """() => new Promise((done) => {
  let sum = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((e) => { if (!e.hadRecentInput) sum += e.value; }))
    .observe({ type: 'layout-shift', buffered: true });
  setTimeout(() => done(sum), 300);
})"""


@pytest.fixture(scope="module")
def sparse():
    """A small certified model on pixels."""
    return fit(C=0.5, l1_ratio=1.0, tol=1e-2).reader


@pytest.fixture(scope="module")
def hostile():
    rng = np.random.default_rng(0)
    return DigitReader(rng.normal(size=(len(NAMES), 16)), np.zeros(len(NAMES)), NAMES, (4, 4))


@pytest.fixture(scope="module")
def pages(sparse, hostile, tmp_path_factory):
    """The pages as files; their addresses by name."""
    folder = tmp_path_factory.mktemp("pages")
    shipped = DigitReader.shipped()
    texts = {
        "shipped": exported(shipped),
        "sparse": exported(sparse, title="Sparse <digits> & more"),
        "german": exported(sparse, language="de"),
        "hostile": exported(hostile, title=NAMES[1]),
        "frame": f"<!doctype html><title>x</title>{shipped.live()._repr_html_()}",
    }
    texts["broken"] = re.sub(r'(id="code">.{400}).', r"\1-", texts["sparse"])
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in texts}


# ------------------------------------------------------------------------------------------------- as text


class Elements(HTMLParser):
    """Names and attributes of all elements, in order."""

    def __init__(self, text):
        super().__init__()
        self.found, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)


def part(page, name):
    """Code, look or model of a page."""
    return unpacked(re.search(rf'id="{name}">([^<]*)<', page)[1])


@pytest.mark.parametrize("make", [DigitReader.shipped, None], ids=["shipped", "sparse"])
def test_a_page_is_small_whole_and_always_the_same(make, sparse):
    reader = make() if make else sparse
    page = exported(reader)
    assert len(page.encode()) <= LIMIT + GATE
    assert len(exported(reader, gate=False).encode()) <= LIMIT
    assert exported(reader) == page
    assert part(page, "model")[4:].startswith(b'{"format":"inklens-web"')
    without_names = re.sub(r"http://www\.w3\.org/[\w/]+", "", page + part(page, "code").decode())
    assert not re.search("https?:", without_names.replace(read_static("vendor/LICENSES.txt"), ""))
    assert not re.search(r"\b(src|href|url)\b\s*[=(]\s*[\"']?(?!data:|#)[\w/]", without_names.split("<script")[0])


def test_a_page_says_what_the_model_is(sparse):
    words = " ".join(" ".join(Elements(exported(sparse)).words).split())
    certificate = sparse.fit_record.certificate
    assert f"{certificate.objective:.6g}, proven to be at least {certificate.lower_bound:.6g}" in words
    assert f"certified: relative gap {certificate.relative_gap:.1e}" in words
    assert f"{sparse.provenance['accuracy']['test']:.2%} of test rows" in words
    assert "C = 0.5, l1_ratio = 1" in words
    pictures = [attrs for tag, attrs in Elements(exported(sparse)).found if tag == "img"]
    assert [attrs["alt"].split(":")[0] for attrs in pictures] == [f"coefficients of class {k}" for k in range(10)]


def test_both_languages_say_the_same_things():
    texts = json.loads(read_static("texts/page.json"))
    assert texts["en"].keys() == texts["de"].keys()
    for name, text in texts["en"].items():
        assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", texts["de"][name])), name


def test_names_from_outside_are_text(hostile):
    page = exported(hostile, title=NAMES[1] + "\u202e\x00")
    elements = Elements(page)
    ids = [attrs.get("id") for tag, attrs in elements.found if tag == "script"]
    assert ids == [None, "model", "look", "code", None]
    assert not [attrs for _, attrs in elements.found if any(name.startswith("on") for name in attrs)]
    assert [attrs["src"][:15] for tag, attrs in elements.found if tag == "img"] == ["data:image/png;"] * len(NAMES)
    assert not {"\u202e", "\x00"} & set(page)
    assert shown(NAMES[0]) in elements.words
    assert "49" not in {word.strip() for word in elements.words}
    assert json.loads(
        part(page, "model")[4:].partition(b'],"image_shape"')[0].partition(b":[")[2].join([b"[", b"]"])
    ) == list(NAMES)


def test_another_language_is_refused(sparse):
    with pytest.raises(ParameterError, match="expected one of the languages en, de, got 'fr'"):
        exported(sparse, language="fr")


# ------------------------------------------------------------------------------------------------- Chromium


@pytest.fixture(scope="module")
def chromium():
    with chromium_runs() as browser:
        yield browser


def opened(browser, url, **options):
    """A page without a network that remembers what its console said and what it asked for."""
    context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}, "offline": True} | options))
    page = context.new_page()
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(url)
    return page


def ready(page):
    page.evaluate("async () => { await inklens.ready; }")
    return page


def clear(page):
    page.evaluate("inklens.app.startDrawing()")


def read(page):
    """What the page answers for its pad, once the pad rests: while the pen moves, the check keeps a slower pace."""
    return page.evaluate("""() => new Promise((done) => {
        const { model, answer, verdict, settled } = inklens.app;
        const [was, end] = [settled.value, performance.now() + 500];
        const look = () => {
            if (settled.value === was && performance.now() < end) return requestAnimationFrame(look);
            const { accepted, reasons } = verdict.value;
            done(accepted ? model.value.classes[answer.value.best] : JSON.stringify(reasons));
        };
        requestAnimationFrame(look);
    })""")


@pytest.fixture(scope="module", params=[pytest.param("shipped", marks=pytest.mark.slow), "sparse"])
def page(request, chromium, pages):
    page = ready(opened(chromium, pages[request.param]))
    page.reader_is = request.param
    yield page
    page.context.close()


class TestInChromium:
    pytestmark = NEEDS_BROWSER

    @pytest.mark.slow
    def test_ten_digits_are_read_as_drawn(self, page):
        answers = {}
        for digit in DIGITS:
            clear(page)
            draw(page, digit)
            answers[digit] = read(page)
        assert answers == {digit: digit for digit in DIGITS}
        assert page.locator(".says").inner_text().startswith("9")

    def test_a_digit_is_drawn_by_keyboard(self, page):
        clear(page)
        page.locator("#pad").focus()
        slant = ["ArrowDown"] * 6 + ["ArrowLeft"]
        for key in ["Shift+ArrowUp", "Shift+ArrowUp", "ArrowRight", "Space", *slant * 2, *["ArrowDown"] * 5, "Space"]:
            page.keyboard.press(key)
        assert read(page) == "1"

    def test_every_view_opens(self, page):
        clear(page)
        draw(page, "4")
        keys = page.evaluate("inklens.app.views.map(({ key }) => key)")
        assert set(keys) >= {"draw", "see", "fool"}
        assert "train" not in keys  # which needs a server
        for key in keys:
            page.locator(f"#tab-{key}").click()
            assert page.locator(f".panel-{key}").inner_text().strip()
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.locator("#tab-draw").click()
        assert read(page) == "4"

    def test_the_door_answers_as_python_does(self, page, sparse):
        reader = sparse if page.reader_is == "sparse" else DigitReader.shipped()
        frames = load_dataset("embedded").X[[5, 700, 2500, 4990]] / 255.0
        for frame, p in zip(frames, reader.predict_proba(frames.reshape(-1, 28, 28)), strict=True):
            found = page.evaluate("(frame) => inklens.read(Float32Array.from(frame))", frame.tolist())
            assert found["label"] == reader.classes[int(p.argmax())]
            assert [found["probabilities"][name] for name in reader.classes] == pytest.approx(p.tolist(), abs=1e-5)
        assert page.evaluate("inklens.model.title")
        for wrong in ([0.5] * 783, [2.0] * 784):
            error = page.evaluate("(f) => { try { inklens.read(f); } catch (e) { return String(e); } }", wrong)
            assert "expected 784 numbers from 0 (paper) to 1 (ink)" in error

    def test_the_door_flips_as_python_does(self, page, sparse):
        if page.reader_is != "sparse":
            pytest.skip("proven flips are of models on pixels")
        frame = load_dataset("embedded").X[700] / 255.0
        target = next(name for name in sparse.classes if name != sparse.predict(frame.reshape(1, 28, 28))[0])
        found = page.evaluate("([f, to]) => inklens.flip(Float32Array.from(f), to)", [frame.tolist(), target])
        flip = sparse.flip(frame.reshape(28, 28), target)
        assert found["cost"] == pytest.approx(flip.ink_changed, abs=1e-4)
        assert found["lowerBound"] <= found["cost"]

    def test_nothing_is_fetched_said_or_moved(self, page):
        """After all of the above."""
        assert page.said == []
        assert [url for url in page.asked if not url.startswith(("data:", "blob:"))] == [page.url.partition("#")[0]]
        assert page.evaluate(SHIFTS) < 0.02

    def test_no_other_script_runs(self, page):
        refused = page.evaluate("""() => new Promise((done) => {
            const seen = [];
            addEventListener('securitypolicyviolation', (event) => seen.push(event.effectiveDirective));
            const script = document.createElement('script');
            script.textContent = 'window.intruder = 1';
            document.body.append(script);
            const image = new Image();
            image.src = 'http://example.org/x.png';
            const style = document.createElement('style');
            style.textContent = 'body { display: none }';
            document.body.append(style);
            fetch('data:,x').catch(() => {});
            setTimeout(() => { script.remove(); style.remove(); done([window.intruder ?? null, seen.sort()]); }, 100);
        })""")
        assert refused == [None, ["connect-src", "img-src", "script-src-elem", "style-src-elem"]]

    def test_it_is_whole_before_the_window_has_been_painted_twice(self, chromium, pages):
        page = opened(chromium, pages["shipped"])
        hidden = page.evaluate("getComputedStyle(document.querySelector('.still-only')).display")
        assert hidden == "none"
        assert page.evaluate(SHIFTS) < 0.02
        page.context.close()

    @pytest.mark.slow
    def test_a_frame_in_a_notebook_reads(self, chromium, pages):
        page = opened(chromium, pages["frame"])
        frame = page.frames[1]
        frame.evaluate("async () => { await inklens.ready; }")
        for digit in "27":
            clear(frame)
            draw(frame, digit)
            assert read(frame) == digit
        assert frame.evaluate("origin") == "null"
        assert page.said == []
        assert len(page.asked) <= 2  # the page, and about:srcdoc
        page.context.close()

    def test_it_starts_in_german(self, chromium, pages):
        page = ready(opened(chromium, pages["german"]))
        assert page.evaluate("document.documentElement.lang") == "de"
        assert page.locator("#tab-draw").inner_text() == "Zeichnen"
        assert page.locator(".still-facts").inner_text().startswith("Klassen")
        page.context.close()

    def test_names_from_outside_do_nothing(self, chromium, pages):
        page = opened(chromium, pages["hostile"])
        asked = []
        page.on("dialog", lambda dialog: asked.append(dialog.message))
        ready(page)
        for key in page.evaluate("inklens.app.views.map(({ key }) => key)"):
            page.evaluate("(key) => inklens.app.go(key)", key)
            page.wait_for_timeout(30)
        assert page.evaluate("document.querySelectorAll('img[src=\"x\"], .face script').length") == 0
        assert NAMES[0] in page.locator("#face").inner_text()
        assert (asked, page.said) == ([], [])
        page.context.close()

    def test_it_reads_without_a_script(self, chromium, pages):
        page = opened(chromium, pages["sparse"], java_script_enabled=False, viewport={"width": 360, "height": 800})
        words = page.locator("body").inner_text()
        for line in ("Sparse <digits> & more", "need JavaScript", "proven to be at least", "What it learned"):
            assert line in words
        assert page.locator(".still-maps img").count() == 10
        assert all(page.locator(".still-maps img").nth(k).is_visible() for k in range(10))
        for width in (360, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.locator("body").bounding_box()["width"] <= width
        page.context.close()

    @pytest.mark.slow
    def test_nothing_lies_over_the_tabs(self, chromium, pages):
        page = ready(opened(chromium, pages["sparse"]))
        for width in (360, 768, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            tabs, button = (page.locator(name).bounding_box() for name in (".tabs", ".pick"))
            beside = button["x"] >= tabs["x"] + tabs["width"] or button["x"] + button["width"] <= tabs["x"]
            assert beside or button["y"] + button["height"] <= tabs["y"], width
        page.context.close()

    @pytest.mark.slow
    def test_it_prints(self, chromium, pages):
        page = ready(opened(chromium, pages["sparse"]))
        assert not page.locator(".still-maps").is_visible()
        page.emulate_media(media="print")
        assert page.locator(".still-maps").is_visible()
        assert page.locator(".still-facts").is_visible()
        assert len(page.pdf()) > 10_000
        page.context.close()

    def test_a_damaged_page_says_so_and_still_reads(self, chromium, pages):
        page = opened(chromium, pages["broken"])
        page.locator("#trouble").wait_for()
        assert "could not start here" in page.locator("#trouble").inner_text()
        assert page.locator(".still-maps").is_visible()
        page.context.close()

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["sparse", "hostile"])
    def test_axe_finds_nothing(self, chromium, pages, name):
        page = ready(opened(chromium, pages[name]))
        page.evaluate("document.documentElement.classList.remove('live')")  # what reads without a script, too
        assert violations(page) == []
        page.emulate_media(color_scheme="dark")
        assert violations(page, *OF_COLOURS) == []
        page.context.close()


# ------------------------------------------------------------------------------------------------- Firefox


@pytest.mark.slow
@pytest.mark.browser
@needs_firefox
def test_firefox_reads_digits_from_a_file(pages, tmp_path):
    with firefox.firefox(tmp_path / "profile") as window:
        window.resize(1280, 900)
        window.open(pages["shipped"])
        assert window.evaluate("inklens.ready.then(() => true)")
        box = window.evaluate("document.getElementById('pad').getBoundingClientRect()")
        answers = {}
        for digit in ("2", "4", "7"):
            window.evaluate("inklens.app.startDrawing()")
            window.draw(strokes_on(digit, box))
            answers[digit] = window.evaluate("""new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(
                () => done(inklens.app.model.value.classes[inklens.app.answer.value.best]))))""")
        assert answers == {digit: digit for digit in ("2", "4", "7")}
        for key in window.evaluate("inklens.app.views.map(({ key }) => key)"):
            window.evaluate(f"inklens.app.go({json.dumps(key)})")
        assert window.said == []
        assert [
            url for url in window.asked if not url.startswith(("file:", "data:", "blob:", "about:", "chrome:"))
        ] == []
