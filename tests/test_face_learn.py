"""Learn in a real browser: tasks are done by hand and noticed, questions are answered as Python counts."""

import re

import numpy as np
import pytest
from chromium import NEEDS_BROWSER
from face import DIGITS, browsing, full_bytes, full_parts, reader_of, web_bytes

from inklens.explanations import flip, robustness
from inklens.pages.glossary import TERMS

pytestmark = NEEDS_BROWSER
STOPS = [
    "load",
    "look",
    "split",
    "scale",
    "fit",
    "coefficients",
    "softmax",
    "evaluate",
    "own",
    "why",
    "fool",
    "regularise",
    "C",
    "tol",
]
TASK, PRAISE = ".task .progress", ".task .progress.is-done"


@pytest.fixture(scope="module")
def face():
    with browsing(full_bytes(), view="learn") as face:
        yield face


def go(face, stop):
    """Open a stop as a reader does."""
    face.page.locator("#tab-learn").click()
    face.page.locator(".stop-list button").nth(STOPS.index(stop)).click()
    face.settle()


def act(face):
    face.page.locator(".task .primary").first.click()
    face.settle()


def text(face, selector):
    return face.page.locator(selector).first.inner_text()


def guess(face, choice):
    face.page.locator(".choices button", has_text=re.compile(rf"^{re.escape(choice)}$")).click()
    return text(face, ".panel-learn .why")


def test_all_stops_are_there_in_the_order_of_the_tutorial(face):
    titles = face.value("[...document.querySelectorAll('.stop-list button')].map((b) => b.title)")
    assert [title.split(":")[0] for title in titles] == [f"Stop {n}" for n in range(1, len(STOPS) + 1)]
    assert len(face.value("[...document.querySelectorAll('.stop-list [aria-current=step]')]")) == 1


@pytest.mark.slow
def test_nothing_is_done_before_it_is_done(face):
    face.open("learn")
    for stop in STOPS:
        go(face, stop)
        assert face.page.locator(PRAISE).count() == 0, stop
        assert face.page.locator(".choices .is-right").count() == 0, stop
    assert "0 of 14" in text(face, ".stops .state")


# What an address brings with it, and what a visitor then does by hand; each makes the stop's task look done.
BROUGHT = {
    "load": ({"sample": "3"}, "app.showSample(3)"),
    "split": ({"view": "judge"}, "app.go('draw'); app.go('judge')"),
    "coefficients": ({"view": "see", "pair": "0-4"}, "app.chosen.value = [0, 4]"),
    "regularise": ({"point": "FEW"}, "app.point.value += 1; app.point.value -= 1"),
    "tol": ({"path": "stops", "point": "LOOSE"}, "app.point.value += 1; app.point.value -= 1"),
}


@pytest.mark.slow
def test_what_the_address_brought_nobody_did(face):
    _, _, path, stops = full_parts()
    points = {
        "FEW": str(np.flatnonzero(path.path.n_features_used <= 50)[-1]),
        "LOOSE": str(next(i for i, tol in enumerate(stops.tols) if tol is not None)),
    }
    with face.beside(full_bytes()) as page:
        for stop, (state, by_hand) in BROUGHT.items():
            known = {key: points.get(value, value) for key, value in state.items()}
            page.open(**{"view": "draw", **known, "stop": stop})
            assert page.page.locator(".reminder .progress").count() == 1, stop
            assert page.page.locator(".reminder .progress.is-done").count() == 0, stop
            page.page.evaluate(f"() => {{ {by_hand}; }}")
            page.settle()
            assert page.page.locator(".reminder .progress.is-done").count() == 1, stop


@pytest.mark.slow
def test_a_stop_at_which_there_is_nothing_to_do_was_not_visited_by_that(face):
    with face.beside(web_bytes(), view="learn") as bare:  # no digits, no path, no early stops
        assert "0 of 14" in text(bare, ".stops .state")
        go(bare, "tol")
        assert "1 of 14" in text(bare, ".stops .state")
        bare.wait("location.hash.includes('stop=tol')")
        address = bare.value("location.href")
        bare.page.goto("about:blank")
        bare.page.goto(address)
        bare.page.locator("#stop-title").wait_for()
        assert "1 of 14" in text(bare, ".stops .state")


def test_a_digit_is_loaded(face):
    go(face, "load")
    act(face)
    assert face.value("app.sample.value.label") in text(face, PRAISE)
    assert "784" in guess(face, "784")


@pytest.mark.slow
def test_three_different_digits_are_looked_at(face):
    face.clear()
    face.settle()
    go(face, "look")
    seen = set()
    for _ in range(3):
        assert face.page.locator(PRAISE).count() == 0
        act(face)
        seen.add(face.value("app.sample.value.label"))
    assert len(seen) == 3
    assert face.page.locator(PRAISE).count() == 1


def test_a_wrong_guess_is_told_with_the_reason_and_counts_once(face):
    go(face, "split")
    said = guess(face, "that would be too slow")
    assert said.startswith("Not so.")
    face.page.locator(".choices .is-right").click()
    assert text(face, ".panel-learn .why") == said
    recorded = reader_of(full_bytes())
    reader, session, *_ = full_parts()
    for half in ("train", "test"):
        X, y, _ = session.half(half)
        answers = recorded.predict(X.reshape(-1, 28, 28) / 255)
        assert f"{100 * np.mean(answers == y.astype(str)):.1f}%" in said
    assert reader.classes == recorded.classes


def test_another_view_is_opened_with_what_is_to_be_done(face):
    go(face, "split")
    act(face)
    assert face.value("app.view.value") == "judge"
    assert "Open Judge" in text(face, ".reminder")
    face.page.locator(".reminder button", has_text="Back to the tutorial").click()
    assert face.value("document.activeElement.id") == "stop-title"
    assert face.page.locator(".reminder").is_hidden()
    assert face.page.locator(PRAISE).count() == 1


def test_half_the_ink_is_half_the_sum(face):
    face.value("app.showSample(0)")
    before = np.array(face.value("app.answer.value.z")) - np.array(face.value("app.model.value.intercept"))
    go(face, "scale")
    act(face)
    after = np.array(face.value("app.answer.value.z")) - np.array(face.value("app.model.value.intercept"))
    np.testing.assert_allclose(after, before / 2, atol=1e-9)
    assert face.page.locator(PRAISE).count() == 1


def test_a_loss_above_two_is_noticed(face):
    face.value("(app.showSample(0), 0)")
    go(face, "fit")
    act(face)
    assert "is-done" not in face.page.locator(TASK).get_attribute("class")
    face.page.evaluate("app.pad.change(app.frame.value.map((ink, i) => (i % 28 < 14 ? 1 - ink : ink)))")
    face.page.evaluate("app.pad.change(app.frame.value)")
    face.settle()
    k = face.value("app.model.value.classes.indexOf(app.sample.value.label)")
    loss = -np.log(face.value("app.answer.value.p")[k])
    assert (face.page.locator(PRAISE).count() == 1) == (loss > 2)
    assert f"{loss:.2f}" in text(face, TASK)


def test_the_proof_is_that_of_the_model(face):
    go(face, "fit")
    certificate = full_parts()[0].fit_record.certificate
    said = guess(face, "a proven lower bound")
    assert said.startswith("Right.")
    assert f"{certificate.objective:.6g}"[:5] in said.replace(",", "")
    assert f"{certificate.lower_bound:.6g}"[:5] in said.replace(",", "")


def test_the_map_of_a_class_is_chosen(face):
    go(face, "coefficients")
    act(face)
    face.page.locator(".all .tile canvas").nth(0).click()
    assert face.page.locator(".reminder .progress.is-done").count() == 1
    go(face, "coefficients")
    coef = full_parts()[0].coef.reshape(10, 28, 28)
    right = "for" if coef[0, 12:16, 12:16].sum() > 0 else "against"
    assert guess(face, f"it speaks {right} it").startswith("Right.")


def test_softmax_is_worked_out_and_checked(face):
    go(face, "softmax")
    act(face)
    z = np.sort(face.value("app.answer.value.z"))
    ratio = np.exp(z[-1] - z[-2])
    for typed, is_right in ((1.1 * ratio, False), (ratio, True)):
        face.page.locator(".typing input").fill(f"{typed:.4f}")
        face.page.locator(".typing button").click()
        assert (face.page.locator(PRAISE).count() == 1) == is_right


def test_the_hardest_digit_is_the_one_with_the_lowest_recall(face):
    go(face, "evaluate")
    act(face)
    face.page.locator(".matrix .cell[data-at='3,3']").click()
    go(face, "evaluate")
    assert face.page.locator(PRAISE).count() == 1
    reader, session, *_ = full_parts()
    X, y, _ = session.half("test")
    right = reader.predict(X.reshape(-1, 28, 28) / 255) == y.astype(str)
    recall = [right[y.astype(str) == name].mean() for name in reader.classes]
    assert guess(face, reader.classes[int(np.argmin(recall))]).startswith("Right.")


@pytest.mark.slow
def test_ones_own_digit_is_noticed_when_it_is_sure(face):
    go(face, "own")
    act(face)
    assert face.value("app.isBlank.value")
    noticed = False
    for strokes in DIGITS.values():
        was = noticed
        face.draw(strokes)
        noticed |= max(face.value("app.answer.value.p")) > 0.9 and face.value("app.verdict.value.accepted")
        assert (face.page.locator(".reminder .progress.is-done").count() == 1) == noticed
        if was:
            break  # what is noticed stays so
    assert noticed  # else this test saw nothing


@pytest.mark.slow
def test_the_second_class_is_compared(face):
    face.draw(DIGITS["4"])
    go(face, "why")
    act(face)
    second = face.value("app.answer.value.second")
    face.page.locator(".all .tile").nth(second).locator("canvas").last.click()
    assert face.page.locator(".reminder .progress.is-done").count() == 1
    assert face.value("app.pair.value[0]") == second


def test_a_digit_that_is_fooled_is_measured_against_the_proof(face):
    go(face, "fool")
    act(face)
    label, base = face.value("app.sample.value.label"), np.array(face.value("app.frame.value"))
    reader = reader_of(full_bytes())
    change = flip(reader, base.reshape(28, 28))
    face.page.evaluate("(flipped) => app.apply(Float64Array.from(flipped))", change.flipped.ravel().tolist())
    face.settle()
    assert face.value("app.model.value.classes[app.answer.value.best]") != label
    said = text(face, PRAISE)
    changed, least = map(float, re.findall(r"\d+\.\d", said))
    assert changed == pytest.approx(np.abs(change.flipped.ravel() - base).sum(), abs=0.051)
    radius = robustness(reader, base.reshape(1, 28, 28)).boxed["l1"][0]
    assert least == pytest.approx(radius, abs=0.051)


@pytest.mark.slow
def test_the_tasks_of_c_are_done_on_the_path(face):
    path = full_parts()[2]
    few = int(np.flatnonzero(path.path.n_features_used <= 50)[-1])
    best = int(np.argmax(path.test_accuracy))
    for stop, point in (("regularise", few), ("C", best)):
        go(face, stop)
        act(face)
        face.page.locator("#dial").fill(str(19 if stop == "regularise" else 0))
        assert face.page.locator(".reminder .progress.is-done").count() == 0
        face.page.locator("#dial").fill(str(point))
        assert face.page.locator(".reminder .progress.is-done").count() == 1, stop
    go(face, "C")
    nonzeros = path.path.n_nonzeros
    assert guess(face, "fewer" if nonzeros[-1] > nonzeros[0] else "more").startswith("Right.")


def test_a_loose_stop_is_looked_at(face):
    go(face, "tol")
    stops = full_parts()[3]
    at = next(i for i, tol in enumerate(stops.tols) if tol is not None)
    optimum, here = stops.coefs[-1] == 0, stops.coefs[at] == 0
    hidden, share = int((optimum & ~here).sum()), (optimum & ~here).sum() / optimum.sum()
    words = "none" if hidden == 0 else "fewer than a fifth" if share < 0.2 else "more"
    said = guess(face, words)
    assert said.startswith("Right.")
    assert f"{hidden:,}" in said
    act(face)
    face.page.locator("button", has_text="A solver’s time").click()
    face.page.locator("button", has_text="tol = 0.1").click()
    assert face.page.locator(".reminder .progress.is-done").count() == 1
    face.value("(app.path.value = null, app.point.value = null, 0)")


@pytest.mark.slow
def test_progress_is_in_the_address(face):
    go(face, "load")
    done = face.value("[...document.querySelectorAll('.stop-list .is-done')].length")
    face.wait("location.hash.includes('stop=load')")
    address = face.value("location.href")
    face.page.goto("about:blank")
    face.page.goto(address)
    face.page.locator("#stop-title").wait_for()
    assert text(face, "#stop-title") == "Load"
    assert face.value("[...document.querySelectorAll('.stop-list .is-done')].length") == done > 0
    assert text(face, PRAISE) == "Done before."


def test_a_word_of_the_field_is_explained_and_the_place_kept(face):
    go(face, "fit")
    face.page.locator(".term", has_text="objective").first.click()
    meanings = {term.name: term.meaning for term in TERMS}
    assert meanings["objective"] in text(face, ".told")
    face.page.keyboard.press("Escape")
    assert face.page.locator(".told").count() == 0
    assert face.value("document.activeElement.textContent") == "objective"


# ------------------------------------------------------------------------------------------------- hints


def hints(face):
    return face.value("[...document.querySelectorAll('.hint-list li > p')].map((p) => p.textContent)")


@pytest.fixture
def open_hints(face):
    face.draw(DIGITS["4"])
    face.value("(app.path.value = null, app.point.value = null, app.go('draw'), 0)")

    def opened():
        face.page.keyboard.press("Shift")  # a hand was at the slider: what moves when it rests is no jump
        face.settle()
        button = face.page.locator(".hints-open")
        if button.count() and button.get_attribute("aria-expanded") == "false":
            button.click()
        return hints(face)

    yield opened
    face.value("(app.path.value = null, app.point.value = null, 0)")
    opened()


@pytest.mark.slow
def test_separable_classes_are_said_to_be_so_where_that_is_proven(face, open_hints):
    separable = np.flatnonzero(full_parts()[2].train_accuracy == 1)
    first = int(separable[0])
    assert first > 1
    for point in (0, first // 2, first - 1, first, 19):
        face.value("(app.point.value = given, 0)", point)
        assert any("separable" in hint for hint in open_hints()) == (point in separable)


@pytest.mark.slow
def test_hints_wait_until_the_slider_rests(face, open_hints):
    separable = int(np.flatnonzero(full_parts()[2].train_accuracy == 1)[0])
    face.value("(app.point.value = 0, 0)")
    before = open_hints()
    face.value("(app.point.value = given, 0)", separable)
    assert hints(face) == before
    assert open_hints() != before


def test_zeros_that_a_stop_hides_are_counted_and_the_optimum_is_one_step_away(face, open_hints):
    stops = full_parts()[3]
    face.value("(app.path.value = app.model.value.tolerance, app.point.value = 0, 0)")
    optimum, here = stops.coefs[-1] == 0, stops.coefs[0] == 0
    share = (optimum & ~here).sum() / optimum.sum()
    assert any(f"{100 * share:.1f}%" in hint for hint in open_hints())
    face.page.locator(".hint-list li", has_text="of the zeros").locator("button").click()
    assert face.value("app.point.value") == len(stops.coefs) - 1
    assert not any("of the zeros" in hint for hint in open_hints())


@pytest.mark.slow
def test_a_thin_pen_is_noticed_and_drawn_again(face, open_hints):
    face.value("(app.pad.width = 0.03, 0)")
    face.draw(DIGITS["0"])
    assert any("thin" in hint for hint in open_hints())
    face.page.locator(".hint-list li", has_text="thin").locator("button").click()
    assert not any("thin" in hint for hint in open_hints())
    assert face.value("app.pad.marks.every((mark) => mark.width === app.pad.width)")


@pytest.mark.slow
def test_on_a_narrow_screen_hints_lie_on_no_words(face, open_hints):
    """The button stands on paper as wide as the page, and the end of the page above it."""
    face.draw([[(0.5, 0.2), (0.5, 0.5), (0.52, 0.6)]])  # a short stroke: the pen is thick for it
    face.resize(360, 740)
    try:
        assert open_hints()
        beside, end, button = face.value("""(() => {
          const box = document.querySelector('.hints-open').getBoundingClientRect();
          const isStrip = (x, y) => Boolean(document.elementFromPoint(x, y).closest('.hints'));
          scrollTo(0, 600);
          const beside = [2, 100, box.left - 5].map((x) => isStrip(x, box.top + 1) && isStrip(x, box.bottom - 1));
          scrollTo(0, 1e6);
          const ends = [...document.querySelectorAll('.desk *')].map((e) => e.getBoundingClientRect().bottom);
          return [beside, Math.max(...ends), box.top];
        })()""")
        assert beside == [True] * 3
        assert end <= button
    finally:
        face.resize(1280, 900)


@pytest.mark.slow
def test_an_answer_near_its_border_is_named_with_the_proven_ink(face, open_hints):
    reader = reader_of(full_bytes())
    for index in range(12):
        face.value("(app.showSample(given), 0)", index)
        frame = np.array(face.value("app.frame.value")).reshape(28, 28)
        least = robustness(reader, frame[None]).boxed["l1"][0]
        said = any("one pixel of ink" in hint for hint in open_hints())
        if face.value("app.verdict.value.accepted") and abs(least - 1) > 1e-3:
            assert said == (least < 1), index
