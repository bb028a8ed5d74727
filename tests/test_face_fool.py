"""Fool it in a real browser: what is on the screen equals what Python computes for the same frame."""

import json
import re

import numpy as np
import pytest
from chromium import NEEDS_BROWSER
from face import DIGITS, OF_COLOURS, browsing, reader_of, violations, web_bytes

from inklens import DigitReader
from inklens.explanations import flip, robustness, strokes
from inklens.web.payload import web_model

pytestmark = NEEDS_BROWSER


@pytest.fixture(scope="module")
def face():
    with browsing(web_bytes(with_rows=True), view="fool") as face:
        face.is_strict = True
        yield face


@pytest.fixture(scope="module")
def reader():
    """The model as the browser has it: coefficients in single precision."""
    return reader_of(web_bytes(with_rows=True))


@pytest.fixture
def four(face):
    """A four, freely drawn, of which nothing is asked yet; each test takes back what it set."""
    face.value("(app.target.value = null, 0)")
    face.draw(DIGITS["4"])
    yield face
    face.check()


def start_of(face):
    return np.array(face.value("app.frame.value")).reshape(28, 28)


def ask(face, label):
    face.page.locator(".change select.class-choice").select_option(label=label)
    face.settle()


def costs(face):
    """Return the table beside the bars: class, and its cells."""
    rows = face.page.locator(".costs tbody tr").evaluate_all(
        "(rows) => rows.map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    return {label: cells for label, *cells in rows}


def test_bars_show_the_proven_least_ink_of_every_class(four, reader):
    frame = start_of(four)
    answer = reader.classes[int(reader.raw_prediction(frame[None])[0].argmax())]
    shown = costs(four)
    assert set(shown) == set(reader.classes)
    for label, (cost, added, erased, gap) in shown.items():
        if label == answer:
            assert cost == "the answer now"
            continue
        expected = flip(reader, frame, label)
        assert float(cost) == pytest.approx(expected.cost, rel=1e-3)  # four digits are shown
        assert float(added) + float(erased) == pytest.approx(expected.cost, rel=2e-3)
        assert float(gap.replace("−", "-")) <= 1e-6


def test_radius_is_the_least_ink_to_any_other_answer(four, reader):
    frame = start_of(four)
    radius = float(robustness(reader, frame[None]).boxed["l1"][0])
    assert four.page.locator(".big-number strong").inner_text() == f"{radius:.2f}"
    nearest = flip(reader, frame)
    assert f"nearest class is {nearest.target}." in four.page.locator(".distance p.fool-words").inner_text()


def test_a_flip_is_shown_applied_and_undone(four, reader):
    label = "9"
    ask(four, label)
    frame = start_of(four)
    assert four.value("app.mode.value") == "frame"
    expected = flip(reader, frame, label)
    assert four.value("app.ghost.value.cost") == pytest.approx(expected.cost, rel=1e-9)
    assert "No smaller change exists" in four.page.locator(".proof").inner_text()
    four.page.locator(".change button.primary").click()
    four.settle()
    changed = start_of(four)
    assert np.abs(changed - frame).sum() == pytest.approx(expected.cost, rel=1e-9)
    assert reader.classes[int(reader.raw_prediction(changed[None])[0].argmax())] == label
    assert four.page.locator(".measure.is-reached").count() == 1
    assert not np.any(four.value("app.ghost.value.change"))  # nothing is left to change
    four.page.locator(".change button", has_text="Undo").click()
    four.settle()
    assert np.array_equal(start_of(four), frame)
    assert four.page.locator(".measure.is-reached").count() == 0


@pytest.mark.slow
def test_the_smallest_stroke_is_pythons(four, reader):
    ask(four, "9")
    frame = start_of(four)
    four.page.get_by_role("button", name="One stroke of a pen").click()
    four.settle()
    for width in (1, 2, 3):
        four.page.locator('[data-explain="fool.pen"] select').select_option(value=str(width))
        four.settle()
        found = strokes(reader, frame, "9", width=width)
        if not found:
            assert "No single straight stroke" in four.page.locator(".change p.fool-words").inner_text()
            continue
        assert four.value("app.ghost.value.cost") == pytest.approx(found[0].ink, rel=1e-9)
        flipped = np.array(four.value("app.ghost.value.flipped")).reshape(28, 28)
        assert np.allclose(flipped, found[0].flipped, atol=1e-12)
    assert found  # of a wide pen at least
    four.page.get_by_role("button", name="The least ink").click()


def test_what_is_drawn_by_hand_is_measured_against_the_least(four, reader):
    ask(four, "9")
    frame = start_of(four)
    least = flip(reader, frame, "9").cost
    four.draw([[(0.45, 0.25), (0.55, 0.22)]], clear=False)
    spent = np.abs(start_of(four) - frame).sum()
    assert spent > 0.0
    said = four.page.locator(".attempt p.fool-words").inner_text()
    assert f"You changed {spent:.2f} pixels of ink" in said
    assert f"{spent / least:.1f} times the least" in said
    four.page.locator("#pad").focus()
    four.page.keyboard.press("Control+z")
    four.settle()
    assert "Now make it read 9" in four.page.locator(".attempt p.fool-words").inner_text()


def test_a_new_digit_ends_the_attempt(four):
    ask(four, "9")
    four.page.evaluate("app.showSample(3)")
    four.settle()
    assert four.value("app.ghost.value") is None
    assert four.page.get_by_role("button", name="Hold this digit and begin").is_visible()


@pytest.mark.slow
def test_usual_ink_limits_the_change(four, reader):
    limits = {name: np.array(four.value(f"app.model.value.usual.slice({784 * k}, {784 * k + 784})")).reshape(28, 28)
              for k, name in enumerate(reader.classes)}  # fmt: skip
    frame = start_of(four)
    answer = reader.classes[int(reader.raw_prediction(frame[None])[0].argmax())]
    saved = {
        label: flip(reader, frame, label, plausible=limits).cost - flip(reader, frame, label).cost
        for label in reader.classes
        if label != answer
    }
    label = max(saved, key=saved.__getitem__)
    assert saved[label] > 1e-3  # the limits matter
    ask(four, label)
    frame = start_of(four)
    four.page.get_by_label("Only where such digits have ink").check()
    four.settle()
    expected = flip(reader, frame, label, plausible=limits)
    assert four.value("app.ghost.value.cost") == pytest.approx(expected.cost, rel=1e-6)
    assert "keeps to the usual ink" in four.page.locator(".proof").inner_text()
    four.page.get_by_label("Only where such digits have ink").uncheck()


def test_a_clearer_win_takes_more_ink(four, reader):
    ask(four, "9")
    frame = start_of(four)
    four.page.get_by_label("It should win").select_option(label="by 95 : 5")
    four.settle()
    expected = flip(reader, frame, "9", margin=float(np.log(19)))
    assert four.value("app.ghost.value.cost") == pytest.approx(expected.cost, rel=1e-9)
    four.page.get_by_label("It should win").select_option(label="just so")


@pytest.mark.slow
def test_guesses_are_judged_by_the_model_and_counted(face, reader):
    face.open("fool")
    right = 0
    for n in range(1, 4):
        face.page.locator(".guess .guess-choice", has_text="3").click()
        said = face.page.locator(".guess .verdict .truth").inner_text()
        shown = np.array(face.value("app.sampleAt(given).frame", asked(face)))
        answer = reader.classes[int(reader.raw_prediction(shown.reshape(1, 28, 28))[0].argmax())]
        assert f"answers {answer}, " in said
        assert said.startswith("Right") == (answer == "3")
        right += answer == "3"
        assert f"{right} of {n} guesses right" in face.page.locator(".guess-score").inner_text()
        face.page.get_by_role("button", name="Next").click()


def asked(face):
    """Return the number of the sample that is asked about: it can be put on the pad."""
    face.page.get_by_role("button", name="Put it on the pad").click()
    return face.value("app.sample.value.index")


@pytest.mark.slow
def test_the_nearest_class_can_be_guessed(face, reader):
    face.open("fool")
    face.page.get_by_role("button", name="Which class is nearest?").click()
    assert face.page.locator(".guess .guess-choice").count() == len(reader.classes) - 1
    face.page.locator(".guess .guess-choice").first.click()
    said = face.page.locator(".guess .verdict .truth").inner_text()
    frame = np.array(face.value("app.sampleAt(given).frame", asked(face))).reshape(28, 28)
    nearest = flip(reader, frame)
    assert f"{nearest.cost:.2f}" in said
    assert nearest.target in said


@pytest.mark.slow
def test_the_answer_is_covered_while_ones_own_change_is_guessed(face, reader):
    face.open("fool")
    face.draw(DIGITS["7"])
    face.page.get_by_role("button", name="My own change").click()
    face.page.get_by_role("button", name="Cover the answer").click()
    assert face.page.locator(".answer .bars").is_hidden()
    assert face.page.locator(".distance").is_hidden()
    assert face.page.locator(".guess .guess-choice").first.is_disabled()  # nothing was changed yet
    face.draw([[(0.35, 0.52), (0.65, 0.5)]], clear=False)
    face.page.locator(".guess .guess-choice", has_text="7").click()
    assert face.page.locator(".answer .bars").is_visible()
    answer = face.value("app.model.value.classes[app.answer.value.best]")
    assert f"answers {answer}, " in face.page.locator(".guess .verdict .truth").inner_text()


@pytest.mark.slow
def test_everything_works_by_keyboard(four, reader):
    """Choose the class, apply, guess: with Tab, arrows, Space and Enter only."""
    four.open("fool")
    four.draw(DIGITS["4"])
    page = four.page
    page.locator(".change select.class-choice").focus()
    page.keyboard.press("8")
    four.settle()
    assert four.value("app.model.value.classes[app.ghost.value.target]") == "8"
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.change button.primary')"):
            break
    page.keyboard.press("Enter")
    four.settle()
    assert four.value("app.model.value.classes[app.answer.value.best]") == "8"
    page.locator(".guess .guess-choice").nth(2).focus()
    page.keyboard.press("Space")
    assert (
        "1 of 1" in page.locator(".guess-score").inner_text() or "0 of 1" in page.locator(".guess-score").inner_text()
    )
    assert page.evaluate("document.activeElement.textContent") == "Next"


def test_files_hold_what_is_shown(four, reader):
    ask(four, "9")
    frame = start_of(four)
    with four.page.expect_download() as saved:
        four.page.locator(".change button", has_text="JSON").click()
    document = json.loads(saved.value.path().read_text())
    expected = flip(reader, frame, "9")
    assert (document["from"], document["to"]) == (expected.source, "9")
    assert document["cost"] == pytest.approx(expected.cost, rel=1e-9)
    assert np.allclose(document["flipped"], expected.flipped.ravel(), atol=1e-9)
    with four.page.expect_download() as saved:
        four.page.locator(".costs button", has_text="CSV").click()
    assert saved.value.path().read_text().count("\n") == len(reader.classes) + 1


def test_every_text_is_there_in_both_languages(four):
    shown = four.page.locator("body").inner_text()
    missing = re.findall(r"\b(?:fool|explain)\.[a-z.]+", shown)
    assert missing == []
    four.page.locator(".language select").select_option("de")
    assert "Täuschen" in four.page.locator("h1").inner_text()
    four.page.locator(".language select").select_option("en")
    four.forgive()  # other words, other heights


@pytest.mark.slow
def test_nobody_is_left_out(face):
    """Axe finds nothing in the open view, its tables included, wide and narrow, light and dark."""
    with face.beside(web_bytes(with_rows=True), view="fool") as face:
        face.draw(DIGITS["4"])
        ask(face, "9")
        face.page.locator(".guess .guess-choice").first.click()
        face.page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
        face.forgive()  # opened by nobody's hand
        assert violations(face.page) == []
        face.page.emulate_media(color_scheme="dark")
        assert violations(face.page, *OF_COLOURS) == []
        face.page.emulate_media(color_scheme="light")
        face.resize(360, 900)
        assert violations(face.page) == []


@pytest.mark.slow
def test_a_model_of_another_kind_is_fooled_too(face):
    """Long names, 8 x 8 pixels, no sample digits: the same laws."""
    rng = np.random.default_rng(0)
    reader = DigitReader(rng.normal(size=(3, 64)).round(2), np.zeros(3), ("a rather long name", "b", "c"), (8, 8))
    with face.beside(web_model(reader), view="fool") as face:
        face.draw(DIGITS["4"])
        face.settle()
        frame = np.array(face.value("app.frame.value")).reshape(8, 8)
        source = reader.classes[int(reader.raw_prediction(frame[None])[0].argmax())]
        target = next(name for name in reader.classes if name != source)
        ask(face, target)
        assert face.value("app.ghost.value.cost") == pytest.approx(flip(reader, frame, target).cost, rel=1e-6)
        assert face.page.locator(".change select.class-choice option:disabled").inner_text() == source


# Searches in slices: what is found, and how often the page was left in between.
SLICED = """
async ([k, way]) => {
  const { foolingOf } = await import('./views/fooling.js');
  const fooling = foolingOf(app);
  fooling.way.value = way;
  let turns = 0;
  const turn = () => { turns += 1; if (turning) setTimeout(turn); };
  let turning = true;
  fooling.ask(k);
  const began = fooling.searching.value;
  setTimeout(turn);
  while (fooling.searching.value) await new Promise((done) => setTimeout(done));
  turning = false;
  const { subject: { value: { frame } }, options: { value: options }, pen } = fooling;
  const wanted = way === 'ink' ? core.searchedFlip(app.model.value, frame, k, options)
    : core.smallestStroke(app.model.value, frame, k, { ...options, width: pen.value });
  return { began, turns, found: [...fooling.shown.value.flipped], wanted: [...wanted.flipped] };
}
"""
LEFT = """
async (k) => {
  const { foolingOf } = await import('./views/fooling.js');
  const fooling = foolingOf(app);
  fooling.way.value = 'ink';
  fooling.target.value = k;
  fooling.search();
  const began = fooling.searching.value;
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 30)));
  const still = fooling.searching.value;
  app.setFrame(app.frame.value.map((ink, i) => (i % 28 < 13 ? ink : ink / 2)));
  for (let i = 0; i < 100 && fooling.searching.value; i += 1) await new Promise((done) => setTimeout(done, 10));
  return { began, still, ended: !fooling.searching.value, found: fooling.found.value.size };
}
"""


@pytest.mark.slow
@pytest.mark.parametrize(("features", "way"), [("strokes", "ink"), ("upright", "stroke")])
def test_a_search_leaves_the_pen_alive_and_finds_what_it_finds_in_one_go(face, features, way):
    with face.beside(web_bytes(features=features), view="fool") as face:
        face.draw(DIGITS["4"])
        done = face.page.evaluate(SLICED, [9, way])
        assert done["began"]
        assert done["turns"] >= 5  # other work had its turn in between
        assert done["found"] == done["wanted"]


@pytest.fixture(scope="module")
def on_strokes(face):
    with face.beside(web_bytes(features="strokes"), view="fool") as other:
        yield other


@pytest.fixture
def searching(on_strokes):
    """A four that is read by its strokes: what changes the answer can only be searched."""
    on_strokes.value("(app.target.value = null, 0)")
    on_strokes.draw(DIGITS["4"])
    yield on_strokes
    on_strokes.check()


@pytest.mark.slow
def test_a_search_ends_when_its_digit_is_gone(searching):
    done = searching.page.evaluate(LEFT, 9)
    assert done == {"began": True, "still": True, "ended": True, "found": 0}


@pytest.mark.slow
def test_what_cannot_be_proven_is_searched_and_said_to_be(searching):
    assert searching.page.locator(".big-number").is_hidden()
    assert searching.page.get_by_role("button", name="Search for a small change").is_visible()
    tools = searching.page.locator(".tools")
    where = tools.bounding_box()
    ask(searching, "9")
    searching.wait("app.ghost.value !== null && app.note.value !== ''")
    assert tools.bounding_box()["y"] == where["y"]  # what is said under the pad had its room before
    said = searching.page.locator(".proof").inner_text()
    assert "not proven" in said
    assert "No smaller change exists" not in searching.page.locator("body").inner_text()
    searching.page.locator(".change button.primary").click()
    searching.settle()
    assert searching.value("app.model.value.classes[app.answer.value.best]") == "9"
