"""What the studio answers over HTTP: pages, readings, fits, models; as quickly, and as its description says."""

import asyncio
import base64
import io
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import studio as studios
from PIL import Image

from inklens import DigitReader
from inklens.photos.drawing import normalise_drawing


def test_the_page_and_its_files_are_there_once_and_packed(studio):
    for path, kind in {"/": "text/html", "/style.css": "text/css", "/app.js": "text/javascript"}.items():
        answer = studio.client.get(path)
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["content-encoding"] == "gzip"
        assert "unsafe" not in answer.headers["content-security-policy"]
        again = studio.client.get(path, headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_a_drawing_is_read_as_python_reads_it(studio):
    drawing = studios.stroke()
    answer = studio.client.post("/api/drawings", json=drawing).json()
    ink = np.frombuffer(base64.b64decode(drawing["ink"]), np.uint8).reshape(280, 280) / 255
    seen = normalise_drawing(ink)
    reader = DigitReader.shipped()
    proba = reader.predict_proba(seen.frame[None])[0]
    assert answer["label"] == reader.classes[proba.argmax()] == "1"
    np.testing.assert_allclose(list(answer["probabilities"].values()), proba, atol=1e-12)
    np.testing.assert_array_equal(
        np.frombuffer(base64.b64decode(answer["frame"]), "<f4"), seen.frame.ravel().astype("f4")
    )
    assert answer["model"] == studio.models()[0]["id"]


def test_a_photo_is_read_as_the_command_line_reads_it(studio):
    answer = studio.client.post("/api/read", content=studios.png(), headers={"content-type": "image/png"}).json()
    (reading,) = DigitReader.shipped().read(studios.png(), many=None)
    (digit,) = answer["digits"]
    assert {name: digit[name] for name in reading.to_json()} == json.loads(json.dumps(reading.to_json()))
    assert [step["name"] for step in digit["steps"]] == [step.name for step in reading.steps]
    for step in digit["steps"]:
        with Image.open(io.BytesIO(base64.b64decode(step["png"]))) as picture:
            assert picture.size == (step["cols"], step["rows"])
    otsu = studio.client.post(
        "/api/read?recipe=otsu&pen=none", content=studios.png(), headers={"content-type": "image/png"}
    ).json()
    assert [step["name"] for step in otsu["digits"][0]["steps"]] != [step["name"] for step in digit["steps"]]


def test_a_fit_is_the_command_lines_and_tells_ten_steps(studio):
    job = studio.job(kind="fit", train=3750, test=1250, l1_ratio=1.0, C=0.2, tol=1e-6)
    told = studios.events(studio, job)
    ended = studio.client.get(f"/api/jobs/{job['id']}").json()
    assert ended["result"]["status"] == "certified"
    steps = [event for event in told if event["event"] == "progress"]
    assert len(steps) >= 10
    bounds = [step["data"]["lower_bound"] for step in steps if step["data"].get("lower_bound")]
    assert bounds == sorted(bounds)
    maps = [event["data"] for event in told if event["event"] == "maps"]
    assert len(base64.b64decode(maps[-1]["coef"])) == maps[-1]["n_classes"] * maps[-1]["n_features"] == 7840
    assert told[-1]["event"] == "done"
    assert told[-1]["data"]["model"] == ended["model"]

    from inklens.tasks.models import fit

    same = fit("embedded", train=3750, test=1250, l1_ratio=1.0, C=0.2, tol=1e-6)
    file = studio.client.get(f"/api/models/{ended['model']}/file").content
    ours = DigitReader.from_bytes(file).coef  # the same steps, but for those that a slow machine gives up
    np.testing.assert_allclose(ours, same.reader.coef, rtol=0.0, atol=1e-5)
    assert ended["result"]["objective"] == same.objective


def test_a_model_is_judged_row_by_row(studio, fitted):
    judged = studio.client.get(f"/api/models/{fitted}/evaluation").json()
    assert sum(map(sum, judged["confusion"])) == judged["n_samples"] == 300
    counts = np.array(judged["confusion"])
    np.fill_diagonal(counts, 0)
    true, predicted = np.unravel_index(counts.argmax(), counts.shape)
    cell = studio.client.get(f"/api/models/{fitted}/cells/{true}/{predicted}?limit=1").json()
    assert cell["n_images"] == counts[true, predicted]
    (image,) = cell["images"]
    row = studio.client.get(f"/api/models/{fitted}/rows/test/{image['index']}").json()
    assert (row["label"], row["read_as"]) == (cell["true"], cell["predicted"])
    assert row["pixels"] == image["pixels"]
    assert row["flip"]["optimal"]
    assert len(row["votes"]["pixels"]["for"]) == 8
    assert row["model"] == cell["model"] == judged["model"] == fitted
    studios.is_problem(studio.client.get(f"/api/models/{fitted}/rows/test/300"), 422)
    studios.is_problem(studio.client.get(f"/api/models/{fitted}/cells/10/0"), 422)


def test_models_come_and_go(studio, fitted):
    content = studio.client.get(f"/api/models/{fitted}/file").content
    again = studio.client.post(
        "/api/models?name=copy", content=content, headers={"content-type": "application/octet-stream"}
    )
    assert (again.status_code, again.json()["id"]) == (201, fitted)
    reader = DigitReader.from_bytes(content)
    other = DigitReader(reader.coef * 2, reader.intercept * 2, reader.classes, reader.image_shape).to_bytes()
    taken = studio.client.post(
        "/api/models?name=SMALL", content=other, headers={"content-type": "application/octet-stream"}
    ).json()
    assert taken["name"] == "SMALL 2"
    assert studio.client.get(f"/api/models/{taken['id']}/web").status_code == 200
    compared = studio.client.get(f"/api/models/{fitted}/comparison/{taken['id']}").json()["comparison"]
    assert compared["accuracy"]["a"] == compared["accuracy"]["b"]
    assert studio.client.delete(f"/api/models/{taken['id']}").status_code == 204
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/web"), ("GET", "/file"), ("GET", "/evaluation")):
        studios.is_problem(studio.client.request(method, f"/api/models/{taken['id']}{path}"), 404)
    for name in ("../x", "CON", "a%00b", "a%E2%80%AEb", "x" * 80 + "y", "trailing."):
        studios.is_problem(
            studio.client.post(
                f"/api/models?name={name}", content=content, headers={"content-type": "application/octet-stream"}
            ),
            422,
        )
    damaged = studio.client.post(
        "/api/models?name=x", content=content[:-9], headers={"content-type": "application/octet-stream"}
    )
    assert studios.is_problem(damaged, 422)["type"] == "urn:inklens:model-file"


def test_digits_of_ones_own_are_kept_and_added_to_a_fit(studio):
    pixels = np.zeros((28, 28), np.uint8)
    pixels[4:24, 12:16] = 255
    asked = {"pixels": base64.b64encode(pixels.tobytes()).decode(), "label": "1", "read_as": "7"}
    kept = studio.client.post("/api/digits", json=asked).json()
    assert studio.client.get("/api/digits").json()["digits"] == [kept]
    assert (kept["pixels"], kept["label"]) == (asked["pixels"], "1")
    ended = studio.ended(studio.job(kind="fit", train=200, test=100, C=0.01, tol=1e-2, add_digits=True))
    assert ended["result"]["fitted"]["rows"] == {"train": 200, "test": 100, "added": 1}
    assert studio.client.delete(f"/api/digits/{kept['id']}").status_code == 204
    assert studio.client.get("/api/digits").json()["digits"] == []
    studios.is_problem(studio.client.post("/api/digits", json={**asked, "pixels": asked["pixels"][:-8]}), 422)
    studios.is_problem(studio.client.post("/api/jobs", json={"kind": "fit", "add_digits": True}), 422)


@pytest.mark.slow
def test_decisions_about_labels_go_into_a_fit(studio, fitted):
    found = studio.ended(studio.job(kind="labels", model=fitted, folds=2))["result"]
    suspect = found["suspects"][0]
    assert len(base64.b64decode(suspect["pixels"])) == 784
    decisions = [{"row": suspect["row"], "label": suspect["suggested"]}, {"row": 0, "label": None}]
    ended = studio.ended(studio.job(kind="fit", train=400, test=300, C=0.1, tol=1e-3, relabel=decisions))
    assert ended["state"] == "done", ended
    file = studio.client.get(f"/api/models/{ended['model']}/file").content
    relabelled = DigitReader.from_bytes(file).data_record.relabelled
    assert relabelled.labels == {suspect["row"]: suspect["suggested"]}
    assert relabelled.dropped == {0}


# ---- speed's conditions ----------------------------------------------------------------------------------------------


def test_answers_leave_at_once():
    """Without TCP_NODELAY each answer's body waits 40 ms for its header to be acknowledged."""
    from inklens.studio.folders import listen

    async def options():
        seen = asyncio.get_running_loop().create_future()

        def connected(reader, writer):
            seen.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = listen(0)
        async with await asyncio.start_server(connected, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            found = await seen
            writer.close()
            await writer.wait_closed()
        return found

    assert asyncio.run(options())


def test_drawings_asked_at_once_get_each_its_own_answer(studio):
    drawings = []
    for cols in range(80, 152, 6):
        drawn = np.zeros((140, cols), np.uint8)
        drawn[20:120, cols // 3 : cols // 3 + 14] = 255
        drawings.append({"ink": base64.b64encode(drawn.tobytes()).decode(), "rows": 140, "cols": cols})
    alone = [studio.client.post("/api/drawings", json=asked).json() for asked in drawings]
    assert len({str(answer["box"]) for answer in alone}) > len(drawings) // 2
    with ThreadPoolExecutor(len(drawings)) as pool:
        together = list(pool.map(lambda asked: studio.client.post("/api/drawings", json=asked).json(), drawings))
    assert together == alone


def test_the_first_model_is_the_one_to_begin_with(studio):
    first = studio.client.get("/first")
    start = studio.client.get("/api/about").json()["start"]
    assert first.headers["x-model"] == start
    assert first.content == studio.client.get(f"/api/models/{start}/web", params={"lightly": True}).content
    assert studio.client.get("/first", headers={"If-None-Match": first.headers["etag"]}).status_code == 304
    studios.is_problem(studio.client.post("/first"), 405)


def test_digits_that_are_kept_in_one_second_stay_in_order(studio):
    pixels = base64.b64encode(bytes(784)).decode()
    kept = []
    for label in "31415926":
        kept.append(studio.client.post("/api/digits", json={"pixels": pixels, "label": label}).json()["id"])
        time.sleep(0.002)  # the clock is written down in milliseconds
    assert [digit["id"] for digit in studio.client.get("/api/digits").json()["digits"]][-8:] == kept
    for digit in kept:
        studio.client.delete(f"/api/digits/{digit}")


def test_files_take_no_other_method(studio):
    studios.is_problem(studio.client.post("/app.js"), 405)
    studios.is_problem(studio.client.delete("/"), 405)


# ---- its description -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_answer_is_as_the_description_says(studio, fitted):
    schemathesis = pytest.importorskip("schemathesis")
    from hypothesis import HealthCheck, Phase, given, settings
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    checks = [
        not_a_server_error,
        content_type_conformance,
        response_headers_conformance,
        response_schema_conformance,
        status_code_conformance,
    ]
    schema = schemathesis.openapi.from_dict(studio.client.get("/openapi.json").json())
    seen = 0
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path in ("/api/datasets/openml", "/api/jobs/{job}/events"):
            continue  # the network, and a stream: other tests

        @given(case=operation.as_strategy())
        @settings(
            max_examples=6,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def try_it(case):
            case.call_and_validate(base_url=studio.address, checks=checks, timeout=studios.SECONDS)

        try_it()
        seen += 1
    for job in studio.client.get("/api/jobs").json()["jobs"]:
        studio.client.delete(f"/api/jobs/{job['id']}")
    assert seen > 20
    assert studio.client.get("/healthz").status_code == 200
