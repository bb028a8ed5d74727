"""Train and Judge in the studio, in a real browser: what is shown is what the studio keeps and Python computes."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import studio
from chromium import NEEDS_BROWSER, chromium_runs
from face import (
    DIGITS,
    MOST_SHIFT,
    OF_COLOURS,
    PATIENCE,
    WATCH,
    WIDE,
    Face,
    violations,
    watch,
)

from inklens import DigitReader
from inklens.classroom.drawn import read_file
from inklens.studio.app import create_app
from inklens.studio.studio import Settings
from inklens.web.bundle import read_static

pytestmark = NEEDS_BROWSER

DOCUMENT = create_app(Settings(Path(), 0)).openapi()  # docs/openapi.json, as another test says
SCHEMAS = DOCUMENT["components"]["schemas"]
FAST = {"train": "600", "test": "300"}  # rows


@pytest.fixture(scope="module")
def running():
    with studio.process("--scratch") as running:
        yield running


@pytest.fixture(scope="module")
def face(running):
    with chromium_runs() as browser:
        page = browser.new_context(viewport=WIDE, accept_downloads=True).new_page()
        face = Face(page, running.address, app="inklens.app")
        page.set_default_timeout(1000 * PATIENCE)
        page.add_init_script(WATCH)
        page.on("console", lambda message: face.faults.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: face.faults.append(f"error: {error}"))
        page.on("request", lambda request: watch(request.url, running.address, face.faults))
        page.goto(f"{running.address.rstrip('/')}/#view=train&lang=en")
        face.ready = page.evaluate("inklens.ready.then((ready) => ready === inklens && !!inklens.app)")
        page.wait_for_selector(".models li")
        yield face
        assert not face.faults, face.faults


def plan(face, kind="l2", *, features="pixels", tol="0.0001", **rows):
    """Fill the form."""
    face.page.locator("#tab-train").click()
    face.page.locator(f"input[name=features][value={features}]").check()
    face.page.locator(f"input[name=kind][value={kind}]").check()
    face.page.locator(".promise select").select_option(tol)
    for place, name in enumerate(("train", "test")):
        face.page.locator(".plan .pair input").nth(place).fill(rows.get(name, ""))
        face.page.locator(".plan .pair input").nth(place).blur()


def fit(face, *arguments, **options):
    """Fit as the form says; wait for the end."""
    plan(face, *arguments, **options)
    face.page.get_by_role("button", name="Fit", exact=True).click()
    face.page.locator(".outcome .proof-hints").wait_for(state="attached")


def test_whoever_waits_for_the_model_may_do_so_from_the_beginning(face):
    """As on an exported page and in a notebook: `inklens.ready` is there as soon as the page is."""
    assert face.ready


def is_steady(face):
    """Fail where the layout jumped; what a test itself changes by script comes after."""
    shift = face.page.evaluate("window.shift")
    assert shift <= MOST_SHIFT, f"the layout jumped: {shift:.3f}"


def newest(running):
    return next(job for job in running.client.get("/api/jobs").json()["jobs"] if job["kind"] == "fit")


def reader_of(running, model):
    return DigitReader.from_bytes(running.client.get(f"/api/models/{model}/file").content)


# ------------------------------------------------------------------------------------------------- the interface


def test_every_route_of_the_document_has_its_function():
    source = read_static("api.js")
    routes = set(re.findall(r"^  \w+: \['(\w+)', '([^']+)'\],$", source, re.MULTILINE))
    described = {
        (method.upper(), path) for path, ways in DOCUMENT["paths"].items() for method in ways if path != "/healthz"
    }
    assert routes == described
    names = re.findall(r"^  (\w+): \['\w+', '", source, re.MULTILINE)
    for name in names:
        assert re.search(rf"'{name}'|ROUTES\.{name}\b|ROUTES\[kind\]", source.partition("class StudioApi")[2]), name


@pytest.mark.parametrize(("name", "file"), [("Progress", "api.js"), ("Job", "api.js")])
def test_documents_have_the_fields_that_are_written_down(name, file):
    (fields,) = re.findall(rf"@typedef \{{\{{([^@]*?)\}}\}} {name}\b", read_static(file), re.DOTALL)
    assert set(re.findall(r"(\w+):", re.sub(r"\{[^{}]*\}", "", fields))) == set(SCHEMAS[name]["properties"])


@pytest.mark.parametrize(("name", "ours"), [("Model", "ModelEntry"), ("Digit", "MyDigit")])
def test_what_is_listed_has_the_fields_that_are_read(name, ours):
    (fields,) = re.findall(rf"@typedef \{{\{{([^@]*?)\}}\}} {ours}\b", read_static("library.js"), re.DOTALL)
    read = set(re.findall(r"(\w+):", re.sub(r"\{[^{}]*\}", "", fields))) - {"frame"}
    assert read <= set(SCHEMAS[name]["properties"])


# ------------------------------------------------------------------------------------------------- a fit


def test_a_fit_shows_what_it_proves_and_is_kept(face, running):
    fit(face, "l1", tol="0.01")
    job = newest(running)
    assert job["state"] == "done"
    assert job["asked"]["l1_ratio"] == 1.0
    known = running.client.get(f"/api/models/{job['model']}").json()
    gap, share = known["certificate"]["relative_gap"], known["accuracy"]["test"]
    outcome = face.page.locator(".outcome").inner_text()
    assert f"{float(f'{100 * gap:.2g}')}%" in outcome
    assert f"{100 * share:.1f}%" in outcome
    assert face.page.locator(".models li.current").inner_text().startswith(known["name"])
    coef = reader_of(running, job["model"]).coef
    assert np.allclose(face.page.evaluate("[...inklens.app.model.value.coef]"), coef.ravel(), atol=1e-6)
    table = face.page.locator(".run-charts table").nth(0).locator("tbody tr")
    last = [float(text.replace(",", "") or "nan") for text in table.last.locator("td, th").all_text_contents()]
    assert last[1] == pytest.approx(job["result"]["objective"], rel=1e-3)
    assert last[2] == pytest.approx(job["result"]["lower_bound"], rel=1e-3)


@pytest.mark.slow
def test_the_maps_of_a_fit_are_its_coefficients(face, running):
    fit(face, "l1", tol="0.01")
    coef = reader_of(running, newest(running)["model"]).coef
    pixels = face.page.locator(".run-maps canvas").nth(3)
    black = pixels.evaluate(
        "canvas => [...canvas.getContext('2d').getImageData(0, 0, 28, 28).data]"
        ".filter((_, i) => i % 4 < 3).reduce((all, v, i) => (i % 3 ? all[all.length - 1] += v : all.push(v), all), [])"
        ".map(sum => sum === 0)"
    )
    step = np.abs(coef).max() / 127
    sure = (np.abs(coef[3]) > step) | (coef[3] == 0)  # in 255 steps
    assert ((np.array(black) == (coef[3] == 0)) | ~sure).all()


@pytest.mark.slow
def test_separable_classes_are_told_and_the_hint_changes_the_plan(face, running):
    fit(face, "none", train="40", test="300")
    assert newest(running)["result"]["status"] == "separated"
    assert "separable" in face.page.locator(".outcome").inner_text()
    separable = "there is no best model of separable classes"
    assert separable in face.page.locator(".outcome .proof-hints").inner_text()
    assert all(separable not in text for text in corner(face))  # said once, beside the plan
    face.page.locator("#tab-see").click()
    assert sum(separable in text for text in corner(face)) == 1
    assert not any("training classes are separable" in text for text in corner(face))  # the same, said otherwise
    face.page.locator("#tab-train").click()
    face.page.get_by_role("button", name="Try L2 with C = 1").click()
    assert face.page.locator("input[name=kind][value=l2]").is_checked()
    assert face.page.locator(".plan .slider output").inner_text() == "1"


@pytest.mark.slow
def test_a_fit_that_is_stopped_keeps_the_best_with_its_bound(face, running):
    plan(face, "group", tol="0.000001")
    face.page.locator(".plan .slider input").fill("4")  # C = 10,000 takes many seconds
    face.page.get_by_role("button", name="Fit", exact=True).click()
    face.page.locator(".run-charts table tbody tr").nth(2).wait_for(state="attached")
    face.page.get_by_role("button", name="Stop here").click()
    face.page.locator(".outcome .proof-hints").wait_for(state="attached")
    job = newest(running)
    assert job["state"] == "cancelled"
    assert job["result"]["relative_gap"] > 0.0
    assert "Stopped" in face.page.locator(".run-state").inner_text()
    assert job["model"] in {model["id"] for model in running.models()}


def corner(face):
    """Return the hints of the corner, which is closed again."""
    button = face.page.locator(".hints-open")
    if not button.count():
        return []
    button.click()
    hints = face.value("[...document.querySelectorAll('.hint-list li > p')].map((p) => p.textContent)")
    face.page.locator(".hints-open").click()
    return hints


# ------------------------------------------------------------------------------------------------- my digits


@pytest.mark.slow
def test_my_digits_are_kept_saved_fitted_with_and_read_before_and_after(face, running, tmp_path):
    fit(face, "l2", **FAST)
    before = newest(running)["model"]
    for label in ("2", "7"):
        face.page.evaluate("inklens.app.startDrawing()")
        face.page.evaluate("scrollTo(0, 0)")
        face.draw(DIGITS[label], clear=False)
        face.page.locator(".digits .controls select").select_option(label)
        n_kept = face.page.locator(".my-digits li").count()
        face.page.get_by_role("button", name="Keep it").click()
        face.page.locator(".my-digits li").nth(n_kept).wait_for()
        frame = np.array(face.page.evaluate("[...inklens.app.frame.value]"))
        kept = running.client.get("/api/digits").json()["digits"][-1]
        assert kept["label"] == label
        pixels = np.frombuffer(base64.b64decode(kept["pixels"]), np.uint8)
        assert np.array_equal(pixels, np.floor(frame * 255 + 0.5).astype(np.uint8))
    with face.page.expect_download() as saved:
        face.page.get_by_role("button", name="Save them for the class").click()
    drawn = read_file(saved.value.path().rename(tmp_path / "my-digits.json"))
    assert [digit.label for digit in drawn] == ["2", "7"]
    assert drawn[-1].pixels == pixels.tobytes()
    face.page.get_by_role("button", name="Fit again with them").click()
    face.page.locator(".my-digits .said", has_text="after").nth(1).wait_for()
    job = newest(running)
    assert job["asked"]["add_digits"]
    readers = [reader_of(running, model) for model in (before, job["model"])]
    assert readers[1].data_record.added.rows == 2
    digits = running.client.get("/api/digits").json()["digits"]
    for digit, said in zip(digits, face.page.locator(".my-digits .said").all(), strict=True):
        frame = np.frombuffer(base64.b64decode(digit["pixels"]), np.uint8).reshape(28, 28) / 255
        for reader, line in zip(readers, said.locator(".truth").all_inner_texts(), strict=True):
            proba = reader.predict_proba(frame[None])[0]
            assert f"{reader.classes[proba.argmax()]}, " in line
            assert f"{100 * proba.max():.1f}%" in line or proba.max() > 0.999
    face.page.locator(".my-digits li").nth(0).get_by_role("button", name="delete").click()
    face.page.locator(".my-digits li").nth(1).wait_for(state="detached")
    assert len(running.client.get("/api/digits").json()["digits"]) == 1


# ------------------------------------------------------------------------------------------------- models and data


@pytest.mark.slow
def test_models_are_brought_compared_and_deleted(face, running, tmp_path):
    face.page.locator("#tab-train").click()
    rng = np.random.default_rng(0)
    path = tmp_path / "mine.inklens"
    DigitReader(rng.normal(size=(10, 784)), np.zeros(10), tuple("0123456789"), (28, 28)).save(path)
    face.page.locator(".kept input[type=file]").set_input_files(path)
    face.page.locator(".models li.current", has_text="mine").wait_for()
    assert np.allclose(face.page.evaluate("inklens.app.model.value.coef[5]"), DigitReader.load(path).coef[0, 5])
    pixels = face.page.locator(".models li", has_text="Pixels").first
    pixels.get_by_role("button", name="Beside it").click()
    face.page.locator(".models [aria-pressed=true]", has_text="Beside it").wait_for()
    assert face.page.evaluate("inklens.app.other.value.features") == "pixels"
    pixels.get_by_role("button", name="On the pad").click()
    face.page.locator(".models li.current", has_text="Pixels").wait_for()
    mine = face.page.locator(".models li", has_text="mine")
    mine.get_by_role("button", name="Delete").click()
    mine.get_by_role("button", name="Really delete").click()
    mine.wait_for(state="detached")
    assert "mine" not in {model["name"] for model in running.models()}
    path.write_bytes(b"no model")
    face.page.locator(".kept input[type=file]").set_input_files(path)
    face.page.locator(".planning [role=alert]").wait_for()
    face.faults[:] = [fault for fault in face.faults if "Failed to load resource" not in fault]  # the refusal itself


@pytest.mark.slow
def test_an_upload_becomes_data_to_learn_from(face, running, tmp_path):
    rng = np.random.default_rng(0)
    images = np.zeros((60, 28, 28), np.uint8)
    for i in range(60):
        images[i, 6:22, 6 + 10 * (i % 2) : 12 + 10 * (i % 2)] = rng.integers(150, 255, (16, 6))
    path = tmp_path / "bars.npz"
    buffer = io.BytesIO()
    np.savez(buffer, images=images, labels=np.array(["left", "right"])[np.arange(60) % 2])
    path.write_bytes(buffer.getvalue())
    face.page.locator("#tab-train").click()
    face.page.locator(".plan details summary").click()
    face.page.locator(".plan input[type=file]").set_input_files(path)
    option = face.page.locator(".plan select.wide option", has_text="bars")
    option.wait_for(state="attached")
    assert face.page.locator(".plan select.wide").input_value() == option.get_attribute("value")
    fit(face, "l2")
    assert face.page.evaluate("inklens.app.model.value.classes") == ["left", "right"]
    face.page.locator(".plan select.wide").select_option("embedded")
    face.page.locator(".models li", has_text="Pixels").first.get_by_role("button", name="On the pad").click()
    face.page.locator(".models li.current", has_text="Pixels").wait_for()


# ------------------------------------------------------------------------------------------------- judge


@pytest.mark.slow
def test_judge_counts_all_rows_and_opens_every_cell(face, running):
    fit(face, "l1", tol="0.01")
    face.page.locator("#tab-judge").click()
    face.page.locator(".matrix").wait_for()
    current = face.page.locator(".matrix").page.evaluate("inklens.app.host.library.current.value")
    judged = running.client.get(f"/api/models/{current}/evaluation").json()
    shown = face.page.locator(".matrix tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.querySelectorAll('td')].map(cell => Number(cell.textContent.trim() || 0)))"
    )
    assert shown == judged["confusion"]
    face.page.locator('[data-at="1,1"]').click()
    total = judged["confusion"][1][1]
    face.page.locator(".cell-rows .thumb").nth(47).wait_for()
    while face.page.locator(".cell-rows .thumb").count() < total:
        n_shown = face.page.locator(".cell-rows .thumb").count()
        face.page.get_by_role("button", name="Show more").click()
        face.page.locator(".cell-rows .thumb").nth(n_shown).wait_for()
    assert face.page.locator(".cell-rows .thumb").count() == total


@pytest.mark.slow
def test_training_rows_vote_and_a_new_label_is_fitted(face, running):
    fit(face, "l2", **FAST)
    model = newest(running)["model"]
    face.page.locator("#tab-judge").click()
    face.page.get_by_role("button", name="Look for them").click()
    suspects = face.page.locator(".found-doubts .thumb")
    suspects.first.wait_for()
    found = next(job for job in running.client.get("/api/jobs").json()["jobs"] if job["kind"] == "labels")
    first = found["result"]["suspects"][0]
    assert suspects.first.inner_text() == f"{first['given']} or {first['suggested']}?"
    suspects.first.click()
    told = running.client.get(f"/api/models/{model}/rows/train/{first['sample']}").json()
    face.page.locator(".voters canvas").first.wait_for()
    assert face.page.locator(".told-more p").first.inner_text() == told["words"][0]
    n_voters = sum(len(side) for side in told["votes"]["pixels"].values())
    assert face.page.locator(".voters canvas").count() == n_voters
    face.page.locator(".labelling select").select_option(first["suggested"])
    face.page.get_by_role("button", name="Fit again with these labels").click()
    face.page.locator(".labels .primary").wait_for(state="detached")  # the decisions belonged to the old model
    corrected = reader_of(running, newest(running)["model"])
    assert corrected.data_record.relabelled.labels == {first["row"]: first["suggested"]}
    assert face.page.evaluate("inklens.app.host.library.beside.value") == model


@pytest.mark.slow
def test_nothing_in_train_is_hard_to_reach(face):
    is_steady(face)
    face.page.locator("#tab-train").click()
    for width in (1280, 360):
        face.page.set_viewport_size({"width": width, "height": 900})
        assert violations(face.page, "wcag2a", "wcag2aa", "wcag21aa", "wcag22aa") == [], width
        assert face.page.evaluate("document.documentElement.scrollWidth") <= width
    face.page.emulate_media(color_scheme="dark")
    assert violations(face.page, *OF_COLOURS) == []
    face.page.set_viewport_size(WIDE)
    face.page.emulate_media(color_scheme="light")
    face.faults[:] = [fault for fault in face.faults if "inline style" not in fault]  # axe's own


def test_every_text_is_in_both_languages(face):
    text = read_static("texts/train.js")
    english, german = text.split("\n  de: {")
    keys = [re.findall(r"(?:^|[ ,])'?([\w.]+)'?: '", part) for part in (english, german)]
    assert keys[0] == keys[1]
    face.page.evaluate("inklens.app.language.value = 'de'")
    assert "train." not in face.page.locator(".view").inner_text()
    face.page.evaluate("inklens.app.language.value = 'en'")


# ------------------------------------------------------------------------------------------------- other models


@pytest.mark.slow
@pytest.mark.parametrize(
    ("view", "there"), [("penalty", "#dial, .job button"), ("judge", ".accuracy"), ("learn", ".task .progress")]
)
def test_what_the_model_on_the_pad_cannot_do_another_of_the_studio_is_offered_for(face, running, view, there):
    """A first visit finds the reader that ships on the pad; it is on strokes, and brings no rows."""
    shipped = next(model["id"] for model in running.models() if model["origin"] == "shipped")
    face.page.goto("about:blank")
    face.page.goto(f"{running.address.rstrip('/')}/#view={view}&model={shipped}&lang=en")
    offered = face.page.locator(f".panel-{view} .others button.primary")
    offered.first.wait_for()
    assert face.page.locator(there).count() == 0
    words = offered.first.text_content()
    offered.first.click()
    face.page.locator(there).first.wait_for()
    known = {model["id"]: model for model in running.models()}
    now = known[face.page.evaluate("inklens.app.host.library.current.value")]
    assert words == f"Put \u201c{now['name']}\u201d on the pad"
    assert now["features"] == "pixels" or view != "penalty"


@pytest.mark.slow
def test_where_no_other_model_can_the_way_to_train_is_shown(face, tmp_path):
    with studio.thread(tmp_path) as alone, face.page.context.browser.new_page() as page:
        page.set_default_timeout(1000 * PATIENCE)
        page.goto(f"{alone.address}/#view=judge&lang=en")
        page.get_by_role("button", name="Fit one in Train").click()
        assert page.locator("#tab-train").get_attribute("aria-selected") == "true"


@pytest.mark.slow
def test_a_first_visit_is_offered_the_first_model_once_it_is_fitted(face):
    """Whoever opens Judge before the studio has fitted anything need not come again."""
    with studio.process("--scratch") as new, face.page.context.browser.new_page() as page:
        page.set_default_timeout(1000 * PATIENCE)
        page.goto(f"{new.address}#view=judge&lang=en")
        page.locator(".panel-judge .others").wait_for()
        assert [model["origin"] for model in new.models()] == ["shipped"]
        page.get_by_role("button", name="Put \u201cPixels\u201d on the pad").click()
        page.locator(".panel-judge .accuracy").wait_for()
