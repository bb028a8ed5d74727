"""The page in a real browser: nothing overflows, nothing is fetched, everything can be read in both themes."""

import re
from pathlib import Path
from urllib.parse import parse_qs, urlparse
from urllib.request import url2pathname

import numpy as np
import pytest
from chromium import NEEDS_BROWSER, chromium_runs
from face import PATIENCE
from sklearn.datasets import load_digits

import inklens.tutorial.fits as fits_module
from inklens.datasets.dataset import Dataset
from inklens.pages.figures import ReportFigure
from inklens.tutorial.page import run_tutorial

pytestmark = [pytest.mark.slow, *NEEDS_BROWSER]

# Colours of all words against what lies under them (WCAG 2.2, 1.4.3); pictures are not words.
CONTRAST = """
() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const luminance = rgb => rgb.slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const under = element => {
    for (let e = element; e; e = e.parentElement) {
      const rgba = parse(getComputedStyle(e).backgroundColor);
      if (rgba.length === 3 || rgba[3] === 1) return rgba;
    }
    return [255, 255, 255];
  };
  const bad = [];
  for (const element of document.querySelectorAll("p, li, dt, dd, h1, h2, h3, a, td, th, caption, figcaption, code")) {
    const found = ratio(parse(getComputedStyle(element).color), under(element));
    if (found < 4.5) bad.push([element.tagName, element.textContent.slice(0, 40), found]);
  }
  for (const text of document.querySelectorAll("figure svg text")) {
    if (text.closest("#figure-confusion-counts, #figure-confusion-shares")) continue;
    const found = ratio(parse(getComputedStyle(text).fill), under(text));
    if (found < 4.5) bad.push(["text", text.textContent.slice(0, 40), found]);
  }
  return bad;
}
"""


@pytest.fixture(scope="module")
def page_url(tmp_path_factory):
    data = load_digits()
    names = np.array(["zero", "one", "two", "three", "four", "five", "six", "a rather long name", "eight", "nine"])
    dataset = Dataset(np.rint(data.data[:400] * 255 / 16).astype(np.uint8), names[data.target[:400]], (8, 8), "digits")
    out = tmp_path_factory.mktemp("browser") / "report"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fits_module, "STRENGTHS", (0.1, 1.0))
        patch.setattr(fits_module, "POINTS", 6)
        patch.setattr(fits_module, "TIGHT", 5e-2)
        patch.setattr(fits_module, "READABLE", 5e-2)
        patch.setattr(fits_module, "SECONDS_PER_FIT", 5.0)
        patch.setattr(ReportFigure, "save", lambda *_: None)  # beside the page: nobody looks at those files here
        run_tutorial(dataset, train=300, test=100, out=out)
    return (out / "index.html").as_uri()


@pytest.fixture(scope="module")
def browser():
    with chromium_runs() as chromium:
        yield chromium


LOOKS = [(360, "light"), (1280, "dark")]


def opened(browser, url, look):
    """Open the page with everything unfolded, and note what it says and asks for."""
    width, scheme = look
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(url)
    page.evaluate("document.querySelectorAll('details').forEach(closed => { closed.open = true; })")
    return page


@pytest.fixture(scope="module", params=LOOKS, ids=lambda look: f"{look[0]} {look[1]}")
def seen(request, browser, page_url):
    """A page that is looked at and left as it is."""
    page = opened(browser, page_url, request.param)
    yield page
    page.close()


@pytest.fixture(scope="module", params=LOOKS, ids=lambda look: f"{look[0]} {look[1]}")
def page(request, browser, page_url):
    """A page that tests use one after the other; each closes what it opened, and the first finds it as it begins."""
    page = opened(browser, page_url, request.param)
    yield page
    page.close()


@pytest.fixture(scope="module")
def desk(browser, page_url):
    """The page as it is met on a desk, nothing unfolded, for tests that fold again what they unfold."""
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(page_url)
    page.add_style_tag(content="html { scroll-behavior: auto !important; }")
    yield page
    page.close()


def test_nothing_overflows_is_fetched_or_complains(seen):
    assert seen.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert seen.said == []
    assert [url for url in seen.asked if not url.startswith(("file:", "data:"))] == []


def test_figures_fit_and_their_words_are_large_enough(seen):
    sizes = seen.evaluate("""() => [...document.querySelectorAll("figure svg")]
        .filter(svg => svg.getBoundingClientRect().width)
        .map(svg => [svg.getBoundingClientRect(), svg.viewBox.baseVal.width])
        .map(([box, points]) => [box.right, box.width / points])""")
    assert sizes
    for right, pixels_per_point in sizes:
        assert right <= seen.viewport_size["width"]
        assert 9.5 * pixels_per_point >= 12 - 0.2, "9 points are 12 CSS pixels"


def test_one_arrangement_of_each_figure_is_seen_and_named(seen):
    figures = seen.evaluate("""() => [...document.querySelectorAll("figure")].map(figure =>
        [...figure.querySelectorAll("svg")].filter(svg => svg.checkVisibility())
            .map(svg => svg.getAttribute("aria-label")))""")
    assert figures
    assert all(len(labels) == 1 and len(labels[0]) > 20 for labels in figures)


def test_no_line_ends_within_an_option(seen):
    lines = seen.evaluate("""() => [...document.querySelectorAll("main :not(pre) > code")].flatMap(code => {
      const walker = document.createTreeWalker(code, NodeFilter.SHOW_TEXT), found = [], range = document.createRange();
      while (walker.nextNode()) for (const option of walker.currentNode.data.matchAll(/--[a-zA-Z][\\w-]*/g)) {
        range.setStart(walker.currentNode, option.index);
        range.setEnd(walker.currentNode, option.index + option[0].length);
        found.push([option[0], new Set([...range.getClientRects()].map(box => Math.round(box.top))).size]);
      }
      return found;
    })""")
    assert len(lines) > 10
    assert [option for option, n_lines in lines if n_lines != 1] == []


def test_words_have_enough_contrast(seen):
    papers = set()
    for scheme in ("dark", "light"):
        seen.emulate_media(color_scheme=scheme)
        papers.add(seen.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert seen.evaluate(CONTRAST) == []
    assert len(papers) == 2


def test_the_keyboard_reaches_text_contents_and_wide_tables(page):
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    unreachable = page.evaluate("""() => [...document.querySelectorAll(".scroll, pre")]
        .filter(box => box.scrollWidth > box.clientWidth && box.tabIndex < 0).length""")
    assert unreachable == 0


def test_a_confusion_opens_by_keyboard(desk):
    closed = desk.locator("details:not([open])").first
    if closed.count():
        closed.locator("summary").focus()
        for is_open in (True, False):
            desk.keyboard.press("Enter")
            assert desk.evaluate("document.activeElement.parentElement.open") is is_open


def test_prints_on_paper(browser, page_url, tmp_path):
    page = browser.new_page(color_scheme="dark")
    page.goto(page_url)
    pdf = page.pdf(format="A4")
    page.emulate_media(media="print")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.close()
    assert pdf.startswith(b"%PDF")
    assert 5 < len(re.findall(rb"/Type\s*/Page\b", pdf)) < 24
    assert paper == "rgb(255, 255, 255)"


def told(page):
    shown = page.locator("#value")
    return shown.inner_text() if shown.is_visible() else None


def test_values_are_told_by_pointer_tap_and_keyboard(page):
    arrangement = "wide" if page.viewport_size["width"] > 900 else "narrow"
    page.add_style_tag(content="html { scroll-behavior: auto !important; }")
    figure = page.locator(f"#figure-maps .{arrangement} svg")
    image = figure.locator("image[data-what]").nth(1)
    image.scroll_into_view_if_needed()
    box = image.bounding_box()
    x, y = box["x"] + box["width"] * 3.5 / 8, box["y"] + box["height"] * 2.5 / 8
    (page.mouse.move if arrangement == "wide" else page.mouse.click)(x, y)
    pointed = told(page)
    assert pointed.startswith("row 2, column 3: coefficient for ")
    page.keyboard.press("Escape")
    assert told(page) is None
    figure.focus()
    for key in ("PageDown", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    assert told(page) == pointed
    assert page.locator("#value").get_attribute("role") == "status"
    page.keyboard.press("Escape")


def test_a_figure_tells_something_wherever_it_has_pictures_or_bars(seen):
    silent = seen.evaluate("""() => [...document.querySelectorAll("figure")].filter(figure => {
        const seen = [...figure.querySelectorAll("svg")].find(svg => svg.checkVisibility());
        return seen.querySelector("image") && !seen.querySelector("image[data-what], rect[data-said]");
    }).map(figure => figure.id)""")
    assert silent == []


def test_ink_is_read_off_the_picture(desk):
    image = desk.locator("#figure-first-images .wide image[data-what=ink]").first
    image.scroll_into_view_if_needed()
    box = image.bounding_box()
    wanted = np.rint(load_digits().data[0].reshape(8, 8) * 255 / 16) / 255
    for row, col in ((0, 0), (2, 3), (5, 4)):
        desk.mouse.move(box["x"] + box["width"] * (col + 0.5) / 8, box["y"] + box["height"] * (row + 0.5) / 8)
        start, _, value = told(desk).partition(": ink = ")
        assert start == f"row {row}, column {col}"
        assert float(value) == pytest.approx(wanted[row, col], abs=0.002)
    desk.keyboard.press("Escape")


def test_the_images_are_laid_over_the_maps_and_taken_off(desk):
    button = desk.get_by_role("button", name="Lay the images over the maps")
    if button.count():
        button.click()
        cards = desk.locator("#figure-mistakes .wide image[data-what=ink]").count()
        assert desk.locator("#figure-mistakes .wide image.over").count() == 2 * cards
        button.click()
        assert desk.locator("image.over").count() == 0


def test_without_script_the_page_reads_the_same(browser, page_url):
    texts = []
    for script in (True, False):
        context = browser.new_context(java_script_enabled=script, viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.goto(page_url)
        texts.append(page.locator("main p").all_inner_texts())
        assert page.locator("figure .wide svg").first.is_visible()
        context.close()
    assert texts[0] == texts[1]


def test_a_word_of_the_glossary_opens_where_it_stands(page):
    words = page.locator("main a.term")
    assert words.count() > 20
    missing = page.evaluate(
        "[...document.querySelectorAll('a.term')].filter(a => !document.querySelector(a.hash)).length"
    )
    assert missing == 0
    page.add_style_tag(content="html { scroll-behavior: auto !important; }")
    for k in (0, words.count() // 2):
        word = words.nth(k)
        word.focus()
        before = page.evaluate("scrollY")
        page.keyboard.press("Enter")
        meaning = page.locator("#meaning")
        assert meaning.is_visible()
        assert page.evaluate("scrollY") == before
        entry = page.locator(word.get_attribute("href"))
        assert entry.locator("dd").inner_text() in meaning.inner_text()
        box, below = word.bounding_box(), meaning.bounding_box()
        assert 0 <= below["y"] - box["y"] < 80
        assert 0 <= below["x"] <= below["x"] + below["width"] <= page.viewport_size["width"]
        page.keyboard.press("Escape")
        assert not meaning.is_visible()


def test_what_is_cut_shows_that_it_scrolls(seen):
    found = seen.evaluate("""() => [...document.querySelectorAll("main *")]
        .filter(box => !box.closest("svg") && box.scrollWidth > box.clientWidth + 1 && box.clientWidth)
        .filter(box => getComputedStyle(box).overflowX !== "visible")
        .map(box => [box.tagName + "." + box.className, getComputedStyle(box).overflowX,
                     getComputedStyle(box).backgroundAttachment])""")
    for name, overflow, attachment in found:
        if name.startswith("THEAD"):
            continue  # out of sight on a phone, where each cell carries its heading
        assert overflow == "auto", name
        assert attachment.split(", ")[:4] == ["local", "local", "scroll", "scroll"], name


def test_every_door_opens_to_a_live_face_that_answers_as_the_model(browser, page_url):
    from inklens.reader import DigitReader

    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(1000 * PATIENCE)  # seven faces begin at once
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_url)
    doors = page.locator("details.live")
    assert doors.count() >= 6
    page.evaluate("document.querySelectorAll('details.live').forEach(door => { door.open = true; })")
    reader = DigitReader.load(Path(url2pathname(urlparse(page_url).path)).with_name("model.inklens"))
    answered = 0
    for number in range(doors.count()):
        face = doors.nth(number).locator("iframe").content_frame
        face.locator("#pad").wait_for()
        frame, z = face.locator("body").evaluate(
            "() => [Array.from(inklens.app.answer.value.frame), Array.from(inklens.app.answer.value.z)]"
        )
        np.testing.assert_allclose(z, reader.raw_prediction(np.reshape(frame, (1, *reader.image_shape)))[0], atol=1e-5)
        answered += any(frame)
        opened = parse_qs(doors.nth(number).get_attribute("data-open"))["view"][0]
        assert face.locator(f"#tab-{opened}").get_attribute("aria-selected") == "true"
    assert answered >= 2, "the chapters on one picture bring it along"
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:", "about:"))] == []
    page.close()
