"""Judge in a real browser: its numbers are Python's, its digits the data set's, its relabel file what a fit takes."""

import base64
import json
import re

import numpy as np
import pytest
from chromium import NEEDS_BROWSER
from face import OF_COLOURS, browsing, violations
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from inklens.datasets.relabel import Relabelling, read_relabel
from inklens.evaluation import proportion
from inklens.explanations import flip
from inklens.tasks.exporting import export_page
from inklens.tasks.models import fit
from inklens.tasks.session import Session
from inklens.web.payload import samples, web_model

pytestmark = NEEDS_BROWSER

SAMPLES = 150


@pytest.fixture(scope="module")
def session():
    return Session.of(fit("embedded", train=2000, test=500, C=0.1).reader)


@pytest.fixture(scope="module")
def answers(session):
    return np.array(session.reader.predict(session.frames("test")), str)


@pytest.fixture(scope="module")
def face(session):
    model = web_model(session.reader, samples=samples(session.reader, session, n=SAMPLES), gate=False)
    with browsing(model, view="judge", accept_downloads=True) as face:
        yield face


def open_cell(face, true, answer):
    face.page.locator(f'[data-at="{true},{answer}"]').click()


def numbers_of(text):
    return [float(part.replace(",", "")) for part in re.findall(r"\d[\d,]*\.?\d*", text)]


def saved(face, locator):
    with face.page.expect_download() as caught:
        locator.click()
    return caught.value.path()


def test_the_matrix_counts_every_test_row(face, session, answers):
    expected = confusion_matrix(session.split.y_test, answers, labels=session.reader.classes)
    shown = face.page.locator(".matrix tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.querySelectorAll('td')].map(cell => Number(cell.textContent.trim() || 0)))"
    )
    assert np.array_equal(shown, expected)
    right, n = int(np.trace(expected)), int(expected.sum())
    found = proportion(right, n)
    said = numbers_of(face.page.locator(".accuracy").inner_text())
    assert said == [round(100 * found.value, 1), right, n, 95, round(100 * found.low, 1), round(100 * found.high, 1)]
    document = json.loads(saved(face, face.page.locator(".confusion button", has_text="JSON")).read_text("utf-8"))
    assert np.array_equal(document["confusion"], expected)


def test_shares_are_of_the_row(face, session, answers):
    expected = confusion_matrix(session.split.y_test, answers, labels=session.reader.classes, normalize="true")
    face.page.get_by_role("button", name="per cent of the row").click()
    diagonal = [face.page.locator(f'[data-at="{k},{k}"]').inner_text() for k in range(10)]
    assert diagonal == [str(int(np.floor(100 * share + 0.5))) for share in np.diag(expected)]
    face.page.get_by_role("button", name="counts").click()


def test_numbers_per_class_are_those_of_scikit_learn(face, session, answers):
    names = session.reader.classes
    truth = precision_recall_fscore_support(session.split.y_test, answers, labels=names)
    confusion = confusion_matrix(session.split.y_test, answers, labels=names)
    rows = saved(face, face.page.locator(".per-class button", has_text="CSV")).read_text("utf-8").splitlines()
    header = rows[0].split(",")
    for k, line in enumerate(rows[1:]):
        one = dict(zip(header, line.split(","), strict=True))
        got = [float(one[name]) for name in ("precision", "recall", "f1")]
        assert np.allclose(got, [truth[0][k], truth[1][k], truth[2][k]], atol=1e-12)
        tp, fp, fn, tn = (int(one[name]) for name in ("tp", "fp", "fn", "tn"))
        assert tp == confusion[k, k]
        assert tp + fn == confusion[k].sum()
        assert tp + fp == confusion[:, k].sum()
        assert tp + fp + fn + tn == confusion.sum()
        recall = proportion(tp, tp + fn)
        assert np.allclose([float(one["recall_low"]), float(one["recall_high"])], recall[1:3], atol=1e-9)
        cells = face.page.locator(".class-numbers tbody tr").nth(k).locator("td").all_inner_texts()
        assert numbers_of(cells[1]) == [round(100 * value, 1) for value in recall[:3]]
    assert face.page.locator(".intervals .dot").count() == 2 * len(names)


def test_a_whisker_reaches_as_far_as_its_interval(face, session, answers):
    confusion = confusion_matrix(session.split.y_test, answers, labels=session.reader.classes)
    ticks = face.page.locator(".intervals .tick").evaluate_all(
        "all => all.map(tick => [parseFloat(tick.textContent) / 100, parseFloat(tick.getAttribute('x'))])"
    )
    (low, at_low), (high, at_high) = min(ticks), max(ticks)
    whiskers = face.page.locator(".intervals .whisker.recall").evaluate_all(
        "all => all.map(line => [parseFloat(line.getAttribute('x1')), parseFloat(line.getAttribute('x2'))])"
    )
    for k, ends in enumerate(whiskers):
        found = proportion(int(confusion[k, k]), int(confusion[k].sum()))
        shown = [low + (x - at_low) / (at_high - at_low) * (high - low) for x in ends]
        assert np.allclose(shown, [found.low, found.high], atol=1e-6)


def test_a_cell_shows_its_digits_and_puts_them_on_the_pad(face, session, answers):
    y, frames = session.split.y_test, session.frames("test")
    confusion = confusion_matrix(y, answers, labels=session.reader.classes)
    np.fill_diagonal(confusion, 0)
    true, answer = np.unravel_index(confusion.argmax(), confusion.shape)
    open_cell(face, true, answer)
    thumbs = face.page.locator(".cell-rows .thumb")
    rows = [int(numbers_of(thumb.get_attribute("aria-label"))[0]) for thumb in thumbs.all()]
    assert rows
    assert {(y[row], answers[row]) for row in rows} == {(str(true), str(answer))}
    thumbs.nth(0).click()
    face.settle()
    assert np.allclose(face.value("app.frame.value"), frames[rows[0]].ravel(), atol=1e-12)
    proba = session.reader.predict_proba(frames[rows[:1]])[0]
    table = face.page.locator(".picked tbody tr")
    first = table.nth(0)
    assert first.locator("th").inner_text() == str(answer)
    assert numbers_of(first.locator("td").nth(0).inner_text()) == [round(100 * proba[answer], 1)]
    assert table.filter(has_text="label").locator("th").inner_text().startswith(str(true))
    nearest = flip(session.reader, frames[rows[0]])
    said = face.page.locator(".picked .words p").nth(0).inner_text()
    assert f"makes it {nearest.target}: {nearest.ink_changed:.2f} pixels" in said
    face.page.get_by_role("button", name="Show it on the pad").click()
    assert abs(face.value("app.ghost.value.cost") - nearest.ink_changed) < 1e-4


def test_the_matrix_is_one_stop_of_the_keyboard(face):
    open_cell(face, 2, 2)
    cells = face.page.locator(".matrix .cell")
    assert cells.evaluate_all("all => all.filter(cell => cell.tabIndex === 0).length") == 1
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft"):
        face.page.keyboard.press(key)
    assert face.value("document.activeElement.dataset.at") == "4,2"
    face.page.keyboard.press("Enter")
    assert face.page.locator(".cell-rows h3").inner_text() == "4 read as 2"
    assert face.page.locator('.cell[aria-pressed="true"]').get_attribute("data-at") == "4,2"


def test_an_empty_cell_says_so(face, session, answers):
    confusion = confusion_matrix(session.split.y_test, answers, labels=session.reader.classes)
    true, answer = np.argwhere(confusion == 0)[0]
    open_cell(face, true, answer)
    assert face.page.locator(".cell-rows").inner_text().splitlines()[-1] == "No digit was read so."


def test_words_open_the_cell_that_they_tell_of(face, session, answers):
    confusion = confusion_matrix(session.split.y_test, answers, labels=session.reader.classes)
    np.fill_diagonal(confusion, 0)
    button = face.page.locator(".mistakes button").nth(0)
    assert numbers_of(button.inner_text())[-1] == confusion.max()
    button.click()
    assert button.inner_text().startswith(face.page.locator(".cell-rows h3").inner_text()[0])


def test_decisions_become_a_relabel_file_that_is_read_back(face, session, tmp_path):
    suspects = face.page.locator(".labels .thumb")
    wanted = {}
    for place, decision in ((0, "drop"), (1, "7")):
        row = int(numbers_of(suspects.nth(place).get_attribute("aria-label"))[0])
        suspects.nth(place).click()
        label = session.split.y_test[row]
        if decision == label:
            decision = "8"
        face.page.locator(".labelling select").select_option(decision)
        wanted[int(session.split.test_index[row])] = decision
    path = saved(face, face.page.get_by_role("button", name="Save the relabel file"))
    labels = {row: decision for row, decision in wanted.items() if decision != "drop"}
    dropped = frozenset(row for row, decision in wanted.items() if decision == "drop")
    assert read_relabel(path, session.dataset) == Relabelling(labels, dropped)
    face.page.get_by_role("button", name="take back").nth(0).click()
    assert face.page.locator(".labels tbody tr").count() == 1
    face.page.get_by_role("button", name="take back").click()
    assert face.page.get_by_role("button", name="Save the relabel file").count() == 0


def test_doubted_labels_are_the_surest_mistakes(face, session, answers):
    proba = session.reader.predict_proba(session.frames("test")).max(axis=1)
    wrong = np.flatnonzero(answers != session.split.y_test)
    ranked = wrong[np.argsort(-proba[wrong])]
    shown = [
        int(numbers_of(thumb.get_attribute("aria-label"))[0]) for thumb in face.page.locator(".labels .thumb").all()
    ]
    assert shown
    assert shown == ranked[: len(shown)].tolist()
    assert proba[shown].min() >= 0.8


@pytest.mark.slow
def test_a_second_model_answers_the_same_pad(face, session, tmp_path):
    other = fit("embedded", train=1000, test=500, C=1.0, l1_ratio=1.0, tol=1e-2).reader
    page = tmp_path / "other.html"
    page.write_text(export_page(other, points=0, gate=False).text, encoding="utf-8")
    frame = session.frames("test")[7]
    face.page.evaluate("values => app.setFrame(Float64Array.from(values))", frame.ravel().tolist())
    opener = face.page.locator(".compare input[type=file]")
    opener.set_input_files(str(page))
    face.page.wait_for_selector(".versus-answers")
    face.settle()
    ours, theirs = (reader.predict_proba(frame[None])[0] for reader in (session.reader, other))
    cells = face.page.locator(".versus-answers tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.querySelectorAll('td')].map(cell => cell.textContent))"
    )
    for k, row in enumerate(cells):
        for said, share in ((row[0], ours[k]), (row[2], theirs[k])):
            assert said == (
                "<\u00a00.1%" if share < 0.001 else ">\u00a099.9%" if share > 0.999 else f"{100 * share:.1f}%"
            )
    a, b = face.value("app.pair.value")
    difference = frame.ravel() * ((session.reader.coef[a] - session.reader.coef[b]) - (other.coef[a] - other.coef[b]))
    table = saved(face, face.page.locator(".versus figure").nth(2).get_by_role("button", name="CSV"))
    assert np.allclose(np.loadtxt(table, delimiter=",").ravel(), difference, atol=1e-5)
    page.write_text("<p>No model here.</p>", encoding="utf-8")
    opener.set_input_files(str(page))
    face.page.wait_for_selector(".compare [role=alert]")
    assert "expected a page that inklens export wrote" in face.page.locator(".compare [role=alert]").inner_text()
    assert face.value("app.other.value") is None


@pytest.mark.slow
def test_nothing_in_judge_is_hard_to_reach(face):
    face.page.locator(".cell-rows .thumb, .labels .thumb").first.click()
    assert violations(face.page, "wcag2a", "wcag2aa", "wcag21aa", "wcag22aa") == []
    face.page.emulate_media(color_scheme="dark")
    assert violations(face.page, *OF_COLOURS) == []
    face.page.emulate_media(color_scheme="light")
    face.faults[:] = [fault for fault in face.faults if "inline style" not in fault]  # axe's own


def test_every_text_is_in_both_languages_and_used(face):
    texts = face.value("import('./texts/judge.js').then(({ judge }) => [judge.en, judge.de].map(Object.entries))")
    english, german = map(dict, texts)
    assert english.keys() == german.keys()
    for key, text in english.items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", german[key])), key
    face.page.evaluate("app.language.value = 'de'")
    shown = face.page.locator(".view").inner_text()
    assert "Was wofür gehalten wird" in shown
    assert "judge." not in shown
    face.page.evaluate("app.language.value = 'en'")


def test_without_digits_it_says_where_they_come_from(face, session):
    bare = base64.b64encode(web_model(session.reader, gate=False)).decode()
    face.page.evaluate("text => app.load(Uint8Array.from(atob(text), (char) => char.charCodeAt(0)).buffer)", bare)
    assert "inklens export model.inklens" in face.page.locator(".empty").inner_text()
    assert face.page.locator(".matrix").count() == 0
    assert face.page.locator(".compare h2").count() == 1
    face.forgive()  # another model is another page
