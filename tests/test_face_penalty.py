"""C in a real browser: the slider's weights, zeros and answers are those of the path that Python followed."""

import base64
import functools
import re

import numpy as np
import pytest
from chromium import NEEDS_BROWSER
from face import DIGITS, WIDE, browsing

from inklens.datasets import load_dataset
from inklens.tasks.models import fit
from inklens.tasks.paths import follow
from inklens.tasks.stops import early_stops
from inklens.web.payload import web_model

pytestmark = NEEDS_BROWSER

ROWS = {"train": 400, "test": 200, "seed": 9}
WEIGHTS = ".points .maps-all .tile figure:nth-of-type(1) canvas"
COLOURS = """(maps) => maps.map((map) => {
  const copy = new OffscreenCanvas(map.width, map.height).getContext('2d', { willReadFrequently: true });
  copy.drawImage(map, 0, 0);
  const { data } = copy.getImageData(0, 0, map.width, map.height);
  return Array.from({ length: data.length / 4 }, (_, i) => data[4 * i] + data[4 * i + 1] + data[4 * i + 2]);
})"""
HALF = 0.5  # the second path's share of L1


@functools.cache
def made():
    """Return a reader, two paths and early stops on the same rows."""
    reader = fit("embedded", C=0.1, tol=1e-3, **ROWS).reader
    runs = [follow("embedded", C=1.0, points=n, l1_ratio=share, **ROWS) for n, share in ((10, 1.0), (6, HALF))]
    return reader, runs, early_stops(load_dataset("embedded").split(**ROWS), C=1.0, tols=(0.1,))


@pytest.fixture(scope="module")
def face():
    reader, runs, stops = made()
    with browsing(web_model(reader, path=runs, tolerance=stops, gate=False), view="penalty") as face:
        face.draw(DIGITS["4"])
        yield face


@pytest.fixture
def path():
    return made()[1][0].path


@pytest.fixture
def stops():
    return made()[2]


@pytest.fixture(autouse=True)
def start(face):
    """Each test begins at the model itself, over C, in English."""
    face.value("(app.language.value = 'en', app.path.value = null, app.point.value = null, 0)")
    if face.value("app.isBlank.value"):
        face.draw(DIGITS["4"])
    face.settle()


def slide(face, point):
    """Move the slider as a hand does, and wait until what is off the screen has followed."""
    face.page.locator("#dial").evaluate(
        "(slider, value) => { slider.value = value; slider.dispatchEvent(new Event('input', { bubbles: true })); }",
        str(point),
    )
    face.settle()


def softmax(z):
    e = np.exp(z - z.max())
    return e / e.sum()


def bars(face):
    """Return the probabilities that the bars show, in shares."""
    shown = face.page.locator(".bars td.probability").all_text_contents()
    return np.array([float(re.sub(r"[<>%\s]", "", text)) / 100 for text in shown])


def fact(face, name):
    return face.page.locator(f".facts [data-explain='penalty.fact.{name}'] strong").text_content()


def number(text):
    return float(re.sub(r"[^\d.]", "", text))


def black(face, selector):
    """Return which pixels of each map are black, (n_maps, n_pixels)."""
    return grey(face, selector) == 0


def grey(face, selector):
    """Return the sum of the colours of each map's pixels, (n_maps, n_pixels)."""
    return np.array(face.page.locator(selector).evaluate_all(COLOURS))


def frame_of(face):
    return np.array(face.value("app.frame.value"))


@pytest.mark.parametrize("point", [0, 4, 7, 9])
def test_a_point_answers_as_python_and_its_zeros_are_black(face, path, point):
    run = made()[1][0]
    slide(face, point)
    coef, intercept = path.coefs[point], path.intercepts[point]
    np.testing.assert_allclose(bars(face), softmax(coef @ frame_of(face) + intercept), atol=1.5e-3)
    np.testing.assert_array_equal(black(face, WEIGHTS), coef == 0)
    assert number(fact(face, "pixels")) == path.n_features_used[point]
    assert number(fact(face, "zeros")) == pytest.approx(100 * np.mean(coef == 0), abs=0.051)
    assert number(fact(face, "test")) == pytest.approx(100 * run.test_accuracy[point], abs=0.051)
    assert number(fact(face, "train")) == pytest.approx(100 * run.train_accuracy[point], abs=0.051)
    assert number(fact(face, "gap")) == pytest.approx(max(100 * path.gaps[point], 1e-4), rel=0.06)


def test_the_slider_goes_by_keyboard_and_says_where_it_is(face, path):
    slide(face, 7)
    dial = face.page.locator("#dial")
    dial.focus()
    face.page.keyboard.press("ArrowLeft")
    assert face.value("app.point.value") == 6
    assert f"{path.n_features_used[6]} pixels in use" in dial.get_attribute("aria-valuetext")
    assert face.page.locator(".dial-value").text_content().startswith("C\u00a0=\u00a0")


def test_the_model_itself_comes_back(face):
    before = face.value("app.answer.value.z")
    assert face.page.locator(".whose").text_content().strip() == ""
    slide(face, 3)
    assert face.value("app.answer.value.z") != before
    face.page.locator(".whose button").click()
    assert face.value("app.answer.value.z") == before


@pytest.mark.parametrize("most", [0, 7, 60, 784])
def test_at_most_so_many_pixels_finds_the_largest_c(face, path, most):
    form = face.page.locator(".at-most")
    form.locator("input").fill(str(most))
    form.locator("button").click()
    assert face.value("app.point.value") == path.point_within(most)


def test_another_share_of_l1_keeps_c(face, path):
    half = made()[1][1].path
    slide(face, 7)
    face.page.locator("[data-explain='penalty.l1_ratio'] input").press("ArrowLeft")
    point = int(np.abs(np.log(half.Cs / path.Cs[7])).argmin())
    assert face.value("app.path.value.l1_ratio") == HALF
    assert face.value("app.point.value") == point
    np.testing.assert_allclose(
        bars(face), softmax(half.coefs[point] @ frame_of(face) + half.intercepts[point]), atol=1.5e-3
    )
    face.settle()
    sums = face.page.locator(".objective > p").last.text_content()
    assert f"{np.abs(half.coefs[point]).sum():,.1f}" in sums
    assert f"{(half.coefs[point] ** 2).sum():,.1f}" in sums


WHICH = (
    "app.path.value === null ? 0 : app.path.value === app.model.value.tolerance ? 2 "
    ": app.model.value.paths.indexOf(app.path.value)"
)


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [({"point": "4"}, [0, 4]), ({"point": "2", "path": "1"}, [1, 2]), ({"point": "1", "path": "stops"}, [2, 1])],
)
def test_the_state_is_in_the_address(face, asked, wanted):
    face.open("penalty", **asked)
    assert face.value(f"[{WHICH}, app.point.value]") == wanted
    face.value("(history.replaceState(null, '', '#'), app.point.value += 1, 0)")
    parts = [f"{name}={int(value) + 1 if name == 'point' else value}" for name, value in asked.items()]
    face.page.wait_for_function("(parts) => parts.every((part) => location.hash.includes(part))", arg=parts)


def test_the_map_of_entries_has_their_order(face, path):
    order = path.entry_order
    shades = grey(face, ".entering canvas")[0]
    assert (np.diff(shades[order]) <= 0).all()
    assert shades[order[0]] > shades[order[-1]] > 0
    assert (np.delete(shades, order) == 0).all()


def test_the_walk_takes_pixels_away_and_leads_to_where_they_enter(face, path):
    slider = face.page.locator(".walk-slider input")
    slider.focus()
    slider.press("Home")
    assert black(face, ".entering canvas").all()
    for _ in range(5):
        slider.press("ArrowRight")
    np.testing.assert_array_equal(
        np.sort(np.flatnonzero(~black(face, ".entering canvas")[0])), np.sort(path.entry_order[:5])
    )
    row, col = divmod(int(path.entry_order[4]), 28)
    assert f"Number 5: row {row}, column {col}" in face.page.locator(".walked").text_content()
    face.page.locator("[data-explain='penalty.entering.show']").click()
    point = face.value("app.point.value")
    used = (path.coefs[:, :, path.entry_order[4]] != 0).any(axis=1)
    assert point == np.flatnonzero(used)[0]
    face.page.locator(".walk button").nth(2).click()


def test_the_map_of_entries_is_read_by_keyboard(face, path):
    rank = {int(pixel): i + 1 for i, pixel in enumerate(path.entry_order)}
    canvas = face.page.locator(".entering canvas")
    canvas.focus()
    canvas.press("ArrowUp")
    at = 13 * 28 + 14
    said = face.page.locator(".entering .told-pixel").text_content()
    assert "Row 13, column 14" in said
    assert f"number {rank[at]}," in said if at in rank else "never" in said


def test_early_stops_answer_as_saga_and_count_the_zeros_that_they_hide(face, stops):
    face.page.locator("[data-explain='penalty.over.time']").click()
    point = stops.tols.index(0.1)
    assert face.value("app.point.value") == point
    face.settle()
    coef, intercept = stops.coefs[point], stops.intercepts[point]
    np.testing.assert_allclose(bars(face), softmax(coef @ frame_of(face) + intercept), atol=5e-3)
    np.testing.assert_array_equal(black(face, WEIGHTS), coef == 0)
    optimum = stops.coefs[-1] == 0
    hidden = int((optimum & (coef != 0)).sum())
    proven = face.page.locator(".proven").text_content()
    assert f"{hidden:,} of the {optimum.sum():,} zeros" in proven
    assert number(fact(face, "gap")) == pytest.approx(100 * stops.gaps[point], rel=0.06)
    assert face.page.locator(".course .now").get_attribute("visibility") == "visible"
    face.page.locator("[data-explain='penalty.tol']").last.click()
    assert face.value("app.point.value") == len(stops.epochs) - 1
    assert "Proven" in face.page.locator(".proven").text_content()
    face.page.locator("[data-explain='penalty.over.C']").click()
    assert face.value("[app.point.value, app.path.value]") == [None, None]


def test_the_chart_has_every_point_and_moves_the_slider(face, path):
    chart = face.page.locator(".course .chart")
    assert chart.locator("tbody tr").count() == len(path)
    slide(face, 4)
    marked = chart.locator(".now").evaluate("(line) => line.getBoundingClientRect().x")
    slide(face, 8)
    later = chart.locator(".now").evaluate("(line) => line.getBoundingClientRect().x")
    assert later > marked
    svg = chart.locator("svg")
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    at = chart.locator(".now").evaluate("(line) => line.getBoundingClientRect().x")
    face.page.mouse.click(at - (later - marked) + 1, box["y"] + 80)
    assert face.value("app.point.value") == 4


@pytest.mark.slow
def test_questions_come_before_their_answers_and_the_path_answers(face, path):
    face.open("penalty")
    face.draw(DIGITS["4"])
    box = face.page.locator(".asks")
    right = made()[1][0].test_accuracy
    best, last = int(right.argmax()), len(path) - 1
    middle = best if 0 < best < last else last // 2
    zeros = [100 * np.mean(coefs == 0) for coefs in (made()[0].coef, path.coefs[middle], path.coefs[last])]
    largest = [np.abs(path.coefs[point]).max() for point in (middle, last)]
    expected = [
        ("more", [f"{zeros[0]:.1f}%", f"{zeros[1]:.1f}%"]),
        ("fewer zeros", [f"{zeros[1]:.1f}%", f"{zeros[2]:.1f}%"]),
        ("it grows", [f"{largest[0]:.2f}", f"{largest[1]:.2f}"]),
        ("no, there is a best C" if right[best] > right[last] else "yes, to the end", [f"{100 * right[best]:.1f}%"]),
    ]
    for i, (answer, numbers) in enumerate(expected):
        assert not box.locator(".truth").count()
        assert not any(text in box.text_content() for text in numbers)
        box.get_by_role("button", name=answer, exact=True).click()
        assert box.locator(".truth.right").count() == 1
        assert all(text in box.text_content() for text in numbers)
        if i < len(expected) - 1:
            box.get_by_role("button", name="Next question").click()
    assert f"{len(expected)} of {len(expected)} right" in box.text_content()
    box.get_by_role("button", name="Once more").click()
    box.get_by_role("button", name="fewer", exact=True).click()
    assert box.locator(".truth.wrong").count() == 1
    box.get_by_role("button", name="Show it").click()
    assert face.value("app.point.value") == middle


def test_every_text_is_there_in_german(face):
    face.value("app.language.value = 'de'")
    for over in ("C", "time"):
        face.page.locator(f"[data-explain='penalty.over.{over}']").click()
        text = face.page.locator(".panel-penalty").inner_text()
        assert "penalty." not in text
        assert not re.search(r"\{\w+\}", text)


def test_every_control_explains_itself(face):
    for over in ("C", "time"):
        face.page.locator(f"[data-explain='penalty.over.{over}']").click()
        keys = face.page.locator(".panel-penalty [data-explain]").evaluate_all(
            "(all) => all.map((one) => one.dataset.explain)"
        )
        assert len(keys) > 10
        told = {key: face.value("app.t(`explain.${given}`)", key) for key in keys}
        assert [key for key, text in told.items() if text == f"explain.{key}"] == []


STUDIO = """async ([bare, full]) => {
  const [{ mount }, { PAGE_VIEWS }] = await Promise.all([import('/app.js'), import('/views/all.js')]);
  const bytes = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0)).buffer;
  const asked = [];
  const api = {
    startJob: async (job) => { asked.push(job); return { id: 'j1' }; },
    jobEvents: (id, { progress, end }) => {
      progress({ done: 30, total: 60 });
      setTimeout(() => end({ state: window.fate }), 50);
    },
  };
  const use = async (app) => { if (!library.decoded.has('m1')) app.load(bytes(full)); };
  const library = { current: { value: 'm1' }, decoded: new Map([['m1', 0]]), use };
  const root = document.createElement('div');
  document.body.replaceChildren(root);
  window.app = mount(root, { bytes: bytes(bare), host: { kind: 'studio', api, library }, views: PAGE_VIEWS });
  window.app.go('penalty');
  window.asked = asked;
}"""


@pytest.mark.slow
def test_without_a_path_the_studio_follows_one_and_the_page_says_how(face):
    reader, runs, _ = made()
    bare, full = (base64.b64encode(web_model(reader, path=run, gate=False)).decode() for run in (None, runs[0]))
    face.page.evaluate(STUDIO, [bare, full])
    begin = face.page.locator("[data-explain='penalty.job.path']")
    face.page.evaluate("window.fate = 'died'")
    begin.click()
    face.page.locator(".job .state.error").wait_for()
    assert "try again" in face.page.locator(".job .state").text_content()
    face.page.evaluate("window.fate = 'done'")
    begin.click()
    face.page.locator("#dial").wait_for()
    assert face.value("asked") == [{"kind": "path", "model": "m1"}] * 2
    assert face.page.locator("[data-explain='penalty.job.tolerance']").count() == 1
    face.page.evaluate("app.host.api = undefined")
    face.page.evaluate("(text) => app.load(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)).buffer)", bare)
    assert "inklens export model.inklens --path -o page.html" in face.page.locator(".command").text_content()
    face.open("penalty")


@pytest.mark.slow
@pytest.mark.parametrize(("width", "language"), [(360, "de"), (768, "en")])
def test_nothing_jumps_while_the_slider_moves(face, width, language):
    face.page.set_viewport_size({"width": width, "height": 800})
    face.open("penalty", lang=language)
    face.page.locator("#dial").scroll_into_view_if_needed()
    for over in ("C", "time"):
        face.page.locator(f"[data-explain='penalty.over.{over}']").click()
        face.page.wait_for_timeout(600)  # what follows a click may move; what follows the slider may not
        for point in range(int(face.page.locator("#dial").get_attribute("max")) + 1):
            slide(face, point)
    assert face.value("document.documentElement.scrollWidth <= innerWidth")
    face.check()
    face.page.set_viewport_size(WIDE)
    face.open("penalty")
