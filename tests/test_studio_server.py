"""The studio over HTTP: what it answers, what it refuses, and that nothing that dies, hangs or bursts stops it."""

import asyncio
import base64
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
import studio as studios
from PIL import Image

from inklens import DigitReader
from inklens.errors import DataError
from inklens.photos.drawing import normalise_drawing
from inklens.studio import archives, limits

ROOT = Path(__file__).parents[1]
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    with studios.thread(tmp_path_factory.mktemp("studio")) as running:
        yield running


@pytest.fixture(scope="module")
def fitted(studio):
    """A small model on pixels."""
    ended = studio.ended(studio.job(kind="fit", name="small", train=400, test=300, C=0.1, tol=1e-3))
    assert ended["state"] == "done", ended
    return ended["model"]


def png(side=60):
    paper = np.full((side, side), 230, np.uint8)
    paper[side // 6 : -side // 6, side // 2 - 3 : side // 2 + 3] = 20
    file = io.BytesIO()
    Image.fromarray(paper).save(file, "PNG")
    return file.getvalue()


def is_problem(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found.keys() == {"type", "title", "status", "detail", "id"}
    assert found["status"] == status
    assert str(ROOT) not in answer.text
    assert "/tmp" not in answer.text
    return found


# ------------------------------------------------------------------------------------------------- what it answers


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
    answer = studio.client.post("/api/read", content=png(), headers={"content-type": "image/png"}).json()
    (reading,) = DigitReader.shipped().read(png(), many=None)
    (digit,) = answer["digits"]
    assert {name: digit[name] for name in reading.to_json()} == json.loads(json.dumps(reading.to_json()))
    assert [step["name"] for step in digit["steps"]] == [step.name for step in reading.steps]
    for step in digit["steps"]:
        with Image.open(io.BytesIO(base64.b64decode(step["png"]))) as picture:
            assert picture.size == (step["cols"], step["rows"])
    otsu = studio.client.post(
        "/api/read?recipe=otsu&pen=none", content=png(), headers={"content-type": "image/png"}
    ).json()
    assert [step["name"] for step in otsu["digits"][0]["steps"]] != [step["name"] for step in digit["steps"]]


def test_a_fit_is_the_command_lines_and_tells_ten_steps(studio):
    job = studio.job(kind="fit", train=3750, test=1250, l1_ratio=1.0, C=0.2, tol=1e-6)
    told = events(studio, job)
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
    np.testing.assert_array_equal(DigitReader.from_bytes(file).coef, same.reader.coef)
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
    is_problem(studio.client.get(f"/api/models/{fitted}/rows/test/300"), 422)
    is_problem(studio.client.get(f"/api/models/{fitted}/cells/10/0"), 422)


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
        is_problem(studio.client.request(method, f"/api/models/{taken['id']}{path}"), 404)
    for name in ("../x", "CON", "a%00b", "a%E2%80%AEb", "x" * 80 + "y", "trailing."):
        is_problem(
            studio.client.post(
                f"/api/models?name={name}", content=content, headers={"content-type": "application/octet-stream"}
            ),
            422,
        )
    damaged = studio.client.post(
        "/api/models?name=x", content=content[:-9], headers={"content-type": "application/octet-stream"}
    )
    assert is_problem(damaged, 422)["type"] == "urn:inklens:model-file"


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
    is_problem(studio.client.post("/api/digits", json={**asked, "pixels": asked["pixels"][:-8]}), 422)
    is_problem(studio.client.post("/api/jobs", json={"kind": "fit", "add_digits": True}), 422)


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


def archive(members, *, compression=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as made:
        for name, data in members.items():
            made.writestr(name, data)
    return file.getvalue()


def upload(studio, content, kind, name="mine"):
    return studio.client.post(
        f"/api/datasets?name={name}&kind={kind}", content=content, headers={"content-type": "application/zip"}
    )


def pictures_of_digits(rng):
    for label in "01":
        for number in range(40):
            paper = rng.integers(0, 60, (28, 28), np.uint8)
            paper[4:24, (4 if label == "0" else 18) :][:, :6] = 255
            file = io.BytesIO()
            Image.fromarray(paper).save(file, "PNG")
            yield f"top/{label}/{number}.png", file.getvalue()


def test_uploads_become_data_that_a_model_is_fitted_to(studio):
    rng = np.random.default_rng(0)
    made = upload(studio, archive(dict(pictures_of_digits(rng))), "zip")
    assert made.status_code == 201, made.text
    known = made.json()
    assert (known["n_samples"], known["classes"]) == (80, ["0", "1"])
    ended = studio.ended(studio.job(kind="fit", data=known["spec"], train=40, test=40, C=1.0))
    assert ended["result"]["accuracy"]["test"] == 1.0
    assert str(ROOT) not in json.dumps(ended)
    file = io.BytesIO()
    np.savez(file, X=rng.integers(0, 255, (20, 784), np.uint8), y=np.arange(20) % 2)
    assert upload(studio, file.getvalue(), "npz", "arrays").json()["n_samples"] == 20
    listed = studio.client.get("/api/datasets").json()["datasets"]
    assert {"embedded", known["spec"]} <= {entry["spec"] for entry in listed}
    assert studio.client.delete(f"/api/datasets/{known['id']}").status_code == 204
    is_problem(studio.client.post("/api/jobs", json={"kind": "fit", "data": known["spec"]}), 404)


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()


def test_mnists_files_in_an_archive_are_read(studio):
    images = np.random.default_rng(0).integers(0, 255, (30, 28, 28), np.uint8)
    labels = (np.arange(30) % 10).astype(np.uint8)
    members = {"m/train-images-idx3-ubyte": idx(images), "m/train-labels-idx1-ubyte": idx(labels)}
    assert upload(studio, archive(members), "zip", "idx").json()["n_samples"] == 30
    members["m/train-labels-idx1-ubyte"] = idx(labels[:-1])
    is_problem(upload(studio, archive(members), "zip", "idx"), 422)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        b"no archive",
        archive({"a.txt": b"x"}),
        archive({"a/b.png": b"x"}),
        archive({"../../etc/a.png": png(28)}),
        archive({f"c/{n}.png": bytes(5_000_000) for n in range(3)}),
        archive(
            {
                "train-images-idx3-ubyte": b"\0\0\x08\x03" + b"\xff" * 12,
                "train-labels-idx1-ubyte": b"\0\0\x08\x01\xff\xff\xff\xff",
            }
        ),
    ],
    ids=range(8),
)
def test_archives_that_are_no_data_leave_nothing(studio, content):
    folder = studio.server.studio.settings.folder / "datasets"
    before = sorted(folder.iterdir())
    answer = upload(studio, content, "zip")
    if answer.status_code != 201:  # a path that climbs is a class called etc, and nothing is unpacked
        is_problem(answer, 422)
        assert sorted(folder.iterdir()) == before
    is_problem(upload(studio, content, "npz"), 422)
    assert [path for path in folder.iterdir() if path.name.startswith(".")] == []


def test_pictures_of_too_many_pixels_together_are_refused_before_all_are_decoded(monkeypatch):
    decoded = []

    def small(file):
        decoded.append(file)
        return np.zeros((40, 50), np.uint8)

    monkeypatch.setattr(archives, "decode_picture", small)
    monkeypatch.setattr(archives, "MAX_TOTAL_PIXELS", 10_000)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for k in range(20):
            archive.writestr(f"a/{k}.png", b"x")
    with pytest.raises(DataError, match="pixels together"):
        archives.arrays_of(packed)
    assert len(decoded) == 6  # one over five, which fit


# ------------------------------------------------------------------------------------------------- jobs


def events(studio, job, after=0, most=None):
    found, event = [], {}
    headers = {"last-event-id": str(after)} if after else {}
    with studio.client.stream("GET", f"/api/jobs/{job['id']}/events", headers=headers) as stream:
        for line in stream.iter_lines():
            name, _, value = line.partition(": ")
            if name in ("id", "event"):
                event[name] = int(value) if name == "id" else value
            elif name == "data":
                found.append({**event, "data": json.loads(value)})
                if most is not None and len(found) == most:
                    break
    return found


def long_fit(studio):
    return studio.job(kind="fit", data="embedded", features="strokes", l1_ratio=1.0, C=30.0, tol=0.0)


def test_a_cancelled_fit_keeps_the_best_with_its_bound(studio):
    job = long_fit(studio)
    studio.until(job, lambda known: known["progress"] and known["progress"].get("lower_bound"))
    ended = studio.client.delete(f"/api/jobs/{job['id']}").json()
    assert ended["state"] == "cancelled"
    assert 0 < ended["result"]["lower_bound"] <= ended["result"]["objective"]
    kept = studio.client.get(f"/api/models/{ended['model']}").json()
    assert kept["certificate"]["lower_bound"] == ended["result"]["lower_bound"]
    assert studio.client.delete(f"/api/jobs/{job['id']}").json() == ended
    resumed = studio.job(kind="fit", features="strokes", l1_ratio=1.0, C=30.0, tol=0.0, start=ended["model"])
    as_good = 1.01 * ended["result"]["objective"]
    studio.until(resumed, lambda known: known["progress"] and (known["progress"].get("objective") or np.inf) <= as_good)
    studio.client.delete(f"/api/jobs/{resumed['id']}")


@pytest.fixture(autouse=True)
def no_job_is_left(request):
    """Cancel what a test has left behind, so that no other waits for it."""
    yield
    if "studio" not in request.fixturenames:
        return
    client = request.getfixturevalue("studio").client
    for job in client.get("/api/jobs").json().get("jobs", []):
        if job["state"] in ("waiting", "running") and job["kind"] == "fit":
            client.delete(f"/api/jobs/{job['id']}")


def test_a_job_that_is_cancelled_before_it_runs_never_does(studio):
    running = [long_fit(studio), long_fit(studio)]
    waiting = long_fit(studio)
    assert studio.client.delete(f"/api/jobs/{waiting['id']}").json()["state"] == "cancelled"
    lined = [long_fit(studio) for _ in range(limits.MAX_WAITING_JOBS)]
    refused = studio.client.post("/api/jobs", json={"kind": "fit"})
    is_problem(refused, 429)
    assert int(refused.headers["retry-after"]) > 0
    for job in [*lined, *running]:  # a quick machine may have ended one by now
        assert studio.client.delete(f"/api/jobs/{job['id']}").json()["state"] in ("cancelled", "done")


def test_a_lost_connection_goes_on_where_it_was(studio):
    job = studio.job(kind="fit", train=1000, test=500, C=0.1)
    first = events(studio, job, most=3)
    rest = events(studio, job, after=first[-1]["id"])
    numbers = [event["id"] for event in first + rest]
    assert numbers == sorted(set(numbers))
    assert rest[-1]["event"] == "done"
    assert [event["id"] for event in events(studio, job, after=first[-1]["id"])][-1] == numbers[-1]


def test_a_job_whose_process_is_killed_is_said_to_have_died(studio):
    job = long_fit(studio)
    studio.until(job, lambda known: known["progress"] and known["progress"].get("objective"))
    os.kill(studio.server.studio.jobs.get(job["id"]).task.pid, signal.SIGKILL)
    ended = studio.ended(job)
    assert (ended["state"], ended["error"]["type"]) == ("died", "urn:inklens:process-died")
    assert events(studio, job)[-1]["event"] == "died"


def test_what_a_job_cannot_do_is_said(studio, fitted):
    shipped = studio.models()[0]["id"]
    ended = studio.ended(studio.job(kind="path", model=shipped, points=5))
    assert (ended["state"], ended["error"]["type"]) == ("failed", "urn:inklens:parameter")
    for asked in (
        {"kind": "fit", "data": "csv:x"},
        {"kind": "fit", "data": "tests"},
        {"kind": "fit", "C": 0},
        {"kind": "fit", "D": 1},
        {"kind": "x"},
    ):
        found = is_problem(studio.client.post("/api/jobs", json=asked), 422)
        assert "pydantic" not in found["detail"]
        assert "Input should" not in found["detail"]


def test_a_path_comes_into_the_bytes_for_the_browser(studio, fitted):
    from inklens.web.payload import parse

    before = studio.client.get(f"/api/models/{fitted}/web")
    assert parse(before.content)[0]["path"] is None
    assert studio.ended(studio.job(kind="path", model=fitted, points=5))["state"] == "done"
    after = studio.client.get(f"/api/models/{fitted}/web", headers={"if-none-match": before.headers["etag"]})
    assert len(parse(after.content)[0]["path"]["Cs"]) == 5
    assert studio.client.get(f"/api/models/{fitted}").json()["has_path"]


# ------------------------------------------------------------------------------------------------- who may ask


@pytest.mark.parametrize("host", ["evil.com", "127.0.0.1.nip.io:{port}", "0.0.0.0:{port}", "localhost.:{port}"])
def test_another_name_for_this_computer_gets_nothing(studio, host):
    is_problem(studio.client.get("/api/models", headers={"host": host.format(port=studio.port)}), 421)


def test_no_host_and_two_hosts_get_nothing(studio):
    own = f"Host: 127.0.0.1:{studio.port}\r\n"
    for lines in ("", own + "Host: evil.com\r\n", own + own):
        answer = studio.raw(f"GET /api/models HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode())
        assert answer.split()[1] in (b"400", b"421")
        assert b"models" not in answer


def test_a_page_of_another_site_changes_nothing(studio):
    before = studio.client.get("/api/jobs").json()
    body = json.dumps({"kind": "fit"})
    for headers in (
        {"origin": "http://evil.com"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site", "cookie": "a=b"},
    ):
        is_problem(studio.client.post("/api/jobs", content=body, headers={**JSON, **headers}), 403)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        is_problem(studio.client.post("/api/jobs", content=body, headers={"content-type": kind}), 415)
    for method in ("OPTIONS", "PUT", "PATCH", "TRACE", "HEAD"):
        assert studio.client.request(method, "/api/jobs").status_code in (405, 413)
    assert studio.client.get("/api/jobs").json() == before
    assert (
        "access-control-allow-origin" not in studio.client.get("/api/jobs", headers={"origin": studio.address}).headers
    )


@pytest.mark.parametrize(
    "path",
    [
        "/..%2f..%2fetc%2fpasswd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/%252e%252e/x",
        "/..\\..\\x",
        "//etc/passwd",
        "/app.js%00",
        "/\\\\host\\share",
        "/static/../app.js",
        "/api/models/..%2f..%2fx/file",
        "/api/models/%2e%2e/file",
        "/./app.js",
        "/app.js/",
        "/APP.JS",
        "/core.js",
        "/studio.html",
        "/api/datasets/..%5c..%5cx",
        "/api//models",
        "/app.js;x",
    ],
)
def test_paths_that_climb_find_nothing(studio, path):
    answer = studio.raw(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{studio.port}\r\nConnection: close\r\n\r\n".encode())
    assert answer.split()[1] == b"404"
    assert b"root:" not in answer


def test_every_answer_has_the_headers_of_security(studio):
    raw = studio.raw(b"GARBAGE\r\n\r\n")
    assert raw.split()[1] == b"400"
    assert b"content-security-policy: default-src 'none'" in raw.lower()
    for path in ("/", "/api/about", "/nothing", "/api/models/x", "/app.js"):
        headers = studio.client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert "server" not in headers


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Content-Length: 3\r\nContent-Length: 4",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: chunked\r\nX: a\r\n b",
        "Content-Length: +3",
        "Content-Length: 0x3",
        "X" * 70_000 + ": a",
        "A\x00: b",
        ": b",
    ],
    ids=range(9),
)
def test_garbage_that_looks_like_http_is_refused_and_survived(studio, lines):
    head = f"POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1:{studio.port}\r\nContent-Type: application/json\r\n"
    answer = studio.raw(f"{head}{lines}\r\n\r\n5\r\n{{}}\r\nGET /healthz HTTP/1.1\r\n\r\n".encode())
    assert answer[:12] in (b"", b"HTTP/1.1 400", b"HTTP/1.1 413", b"HTTP/1.1 408", b"HTTP/1.1 501"), answer
    assert studio.client.get("/healthz").status_code == 200


def test_names_are_text_wherever_they_come_back(studio, fitted):
    content = studio.client.get(f"/api/models/{fitted}/file").content
    reader = DigitReader.from_bytes(content)
    classes = ("<img src=x onerror=alert(1)>", *reader.classes[1:])
    hostile = DigitReader(reader.coef, reader.intercept, classes, reader.image_shape).to_bytes()
    made = studio.client.post(
        "/api/models", params={"name": "'&;--"}, content=hostile, headers={"content-type": "application/octet-stream"}
    )
    assert made.status_code == 201
    page = studio.client.get(f"/api/models/{made.json()['id']}/page")
    assert "<img src=x" not in page.text
    assert page.headers["content-disposition"].startswith("attachment")
    assert page.headers["content-security-policy"] == "sandbox"


# ------------------------------------------------------------------------------------------------- too much, too slow


def test_a_body_over_its_limit_is_refused_before_it_is_read_and_while_it_is(studio):
    head = f"POST /api/drawings HTTP/1.1\r\nHost: 127.0.0.1:{studio.port}\r\nContent-Type: application/json\r\n"
    answer = studio.raw(f"{head}Content-Length: {10**12}\r\n\r\n".encode())
    assert answer.split()[1] == b"413"
    is_problem(studio.client.post("/api/digits", content=b" " * 200_000, headers=JSON), 413)

    def parts():
        for _ in range(50):
            yield b"x" * 100_000

    is_problem(studio.client.post("/api/drawings", content=parts(), headers=JSON), 413)
    is_problem(studio.client.request("DELETE", "/api/digits/0123456789abcdef", content=b"x"), 413)


def test_forms_of_many_parts_are_not_even_read(studio):
    parts = b"".join(b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' for _ in range(100_000))
    began = time.process_time()
    answer = studio.client.post("/api/read", content=parts, headers={"content-type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 415
    assert time.process_time() - began < 1.0  # a hundred times what it takes


def test_json_is_strict_over_http(studio):
    for body in (
        b"[" * 100_000,
        b"{",
        b"\xff",
        b'{"kind":"fit","kind":"fit"}',
        b'{"kind":"fit","C":NaN}',
        b'{"kind":"fit","C":1' + b"0" * 10**6 + b"}",
    ):
        found = is_problem(studio.client.post("/api/jobs", content=body, headers=JSON), 400)
        assert found["type"] == "urn:inklens:json"
    for body in (b"[]", b'"x"', b"null", b"{}", b"1"):
        is_problem(studio.client.post("/api/jobs", content=body, headers=JSON), 422)


@pytest.mark.parametrize(
    ("limit", "sent"),
    [
        ("HEADER_SECONDS", b"GET / HTTP/1.1\r\nHost: x\r\n"),
        ("HEADER_SECONDS", b""),
        (
            "BODY_SECONDS",
            b"POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
            b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
        ),
    ],
    ids=["header", "nothing", "body"],
)
def test_slow_clients_are_left_behind(studio, monkeypatch, limit, sent):
    monkeypatch.setattr(limits, limit, 0.3)
    answer = studio.raw(sent.replace(b"%d", str(studio.port).encode()), wait=20)
    assert answer.split()[1] == b"408"


def test_a_client_that_drips_its_header_is_left_behind_too(studio, monkeypatch):
    monkeypatch.setattr(limits, "HEADER_SECONDS", 0.4)
    with socket.create_connection(("127.0.0.1", studio.port), timeout=20) as connection:
        began = time.monotonic()
        try:
            while time.monotonic() - began < 10:
                connection.sendall(b"X")
                time.sleep(0.05)
        except ConnectionError:
            return
    raise AssertionError("it was never closed")


def test_a_body_at_a_fair_rate_may_take_long(studio, monkeypatch):
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(limits, "BODY_BYTES_PER_SECOND", 100)

    def parts():
        for _ in range(12):
            yield b" " * 100
            time.sleep(0.05)

    is_problem(studio.client.post("/api/digits", content=parts(), headers=JSON), 400)


def test_idle_connections_do_not_keep_others_out(studio, monkeypatch):
    monkeypatch.setattr(limits, "MAX_CONNECTIONS", 40)
    monkeypatch.setattr(limits, "HEADER_SECONDS", 0.5)
    idle = [socket.create_connection(("127.0.0.1", studio.port)) for _ in range(60)]
    try:
        time.sleep(1.5)
        assert studio.client.get("/healthz").json() == {"status": "ok"}
    finally:
        for connection in idle:
            connection.close()


def test_more_requests_than_there_is_room_for_are_told_to_come_back(studio, monkeypatch):
    guard = studio.server.guard
    monkeypatch.setattr(guard.requests, "most", 0)
    refused = studio.client.get("/healthz")
    is_problem(refused, 503)
    assert int(refused.headers["retry-after"]) > 0
    monkeypatch.undo()
    assert studio.client.get("/healthz").status_code == 200
    end = time.monotonic() + 5.0  # the answer is sent before its place is given back
    while guard.requests.taken and time.monotonic() < end:
        time.sleep(0.01)
    assert guard.requests.taken == 0
    assert guard.bytes_held.taken == 0


def bomb(width, height):
    """A PNG of a few bytes that claims to be large."""

    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x00\x00\x00\x00"
    rows = zlib.compress(bytes(min(width * height, 30_000_000)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def soon(is_so):
    """Whether something becomes so within a while."""
    give_up = time.monotonic() + 20
    while not is_so() and time.monotonic() < give_up:
        time.sleep(0.05)
    return is_so()


def resident(pids):
    found = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        found += int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1])
    return found / 1024


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_many_pixel_bombs_at_once_cost_little_and_others_are_answered():
    bombs = [bomb(30_000, 30_000), bomb(6_000, 5_000)]
    with studios.process("--scratch") as studio:
        assert soon(lambda: studio.client.get("/api/jobs").json()["jobs"])  # the first model is being made
        for job in studio.client.get("/api/jobs").json()["jobs"]:
            studio.client.delete(f"/api/jobs/{job['id']}")
        studio.client.get("/api/datasets")
        studio.client.post("/api/drawings", json=studios.stroke())
        before = len(studios.children_of(studio.pid))
        answers, peak = [], 0.0

        def throw(number):
            with httpx.Client(base_url=studio.address, timeout=studios.SECONDS) as client:
                answers.append(
                    client.post("/api/read", content=bombs[number % 8 == 0], headers={"content-type": "image/png"})
                )

        threads = [threading.Thread(target=throw, args=(number,)) for number in range(64)]
        for thrown in threads:
            thrown.start()
        while any(thrown.is_alive() for thrown in threads):
            assert studio.client.post("/api/drawings", json=studios.stroke()).json()["label"] == "1"
            peak = max(peak, resident([studio.pid, *studios.children_of(studio.pid)]))
        statuses = {answer.status_code for answer in answers}
        assert len(answers) == 64
        assert statuses <= {200, 422}
        assert 422 in statuses
        assert peak < 512
        assert soon(lambda: len(studios.children_of(studio.pid)) <= before)
        assert "Z" not in studios.children_of(studio.pid).values()


# ------------------------------------------------------------------------------------------------- speed's conditions


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
    is_problem(studio.client.post("/first"), 405)


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
    is_problem(studio.client.post("/app.js"), 405)
    is_problem(studio.client.delete("/"), 405)


# ------------------------------------------------------------------------------------------------- deaths


def test_a_killed_process_costs_one_answer_and_leaves_nothing(studio):
    inside = studio.server.studio
    studio.client.post("/api/drawings", json=studios.stroke())
    files = studios.open_files(os.getpid())
    for worker, ask in (
        (inside.reader, lambda: studio.client.post("/api/drawings", json=studios.stroke())),
        (inside.analyst, lambda: studio.client.get("/api/datasets")),
    ):
        ask()
        for _ in range(3):
            killed = worker.pid
            os.kill(killed, signal.SIGKILL)
            answers = [ask(), ask()]
            assert answers[-1].status_code == 200
            assert worker.pid != killed
    assert studios.open_files(os.getpid()) <= files + 2


def test_a_decoder_that_dies_of_a_picture_says_so(studio, monkeypatch):
    from inklens.studio import processes

    real = processes._ask_stranger

    def killed(child, question, seconds):
        os.kill(child.pid, signal.SIGKILL)
        return real(child, question, seconds)

    files = studios.open_files(os.getpid())
    monkeypatch.setattr(processes, "_ask_stranger", killed)
    found = is_problem(studio.client.post("/api/read", content=png(), headers={"content-type": "image/png"}), 422)
    assert found["type"] == "urn:inklens:crashed"
    monkeypatch.undo()
    assert studio.client.post("/api/read", content=png(), headers={"content-type": "image/png"}).status_code == 200
    assert studios.open_files(os.getpid()) <= files + 1


def test_a_picture_that_takes_too_long_is_given_up(studio, monkeypatch):
    from inklens.studio import box

    monkeypatch.setattr(box, "PHOTO", box.Box(seconds=0.001))
    found = is_problem(studio.client.post("/api/read", content=png(), headers={"content-type": "image/png"}), 422)
    assert found["type"] == "urn:inklens:too-slow"


@pytest.mark.skipif(sys.platform == "win32", reason="asks for limits of POSIX")
def test_a_boxed_process_can_open_write_and_take_nothing():
    done = subprocess.run([sys.executable, "-c", BOXED], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["open", "socket", "memory", "write", "time"], done.stderr
    assert done.returncode == -signal.SIGXCPU or done.returncode == -signal.SIGKILL


BOXED = """
import socket, sys
from inklens.studio.box import Box, enclose
file = open("/dev/null", "rb")
temporary = __import__("tempfile").TemporaryFile()
import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
enclose(Box(cpu_seconds=1))
def fails(what, name):
    try:
        what()
    except (OSError, MemoryError):
        print(name, flush=True)
fails(lambda: open("/etc/hostname"), "open")
fails(socket.socket, "socket")
fails(lambda: bytearray(400 << 20), "memory")
fails(lambda: (temporary.write(b"x" * 100), temporary.flush()), "write")
print("time", flush=True)
while True:
    pass
"""


def test_each_answer_names_the_version_that_gave_it(studio, fitted):
    """Two models on the same question at once: the answer is always that of the model that it names."""
    content = studio.client.get(f"/api/models/{fitted}/file").content
    reader = DigitReader.from_bytes(content)
    flipped = DigitReader(-reader.coef, reader.intercept, reader.classes, reader.image_shape).to_bytes()
    other = studio.client.post(
        "/api/models?name=upside", content=flipped, headers={"content-type": "application/octet-stream"}
    ).json()["id"]
    right = {}
    for model in (fitted, other):
        right[model] = studio.client.post("/api/drawings", json={**studios.stroke(), "model": model}).json()["z"]
    assert right[fitted] != right[other]
    wrong = []

    def ask(model):
        with httpx.Client(base_url=studio.address, timeout=studios.SECONDS) as client:
            for _ in range(15):
                answer = client.post("/api/drawings", json={**studios.stroke(), "model": model}).json()
                if answer["model"] != model or answer["z"] != right[model]:
                    wrong.append(answer)

    threads = [threading.Thread(target=ask, args=(model,)) for model in (fitted, other) * 2]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert wrong == []
    studio.client.delete(f"/api/models/{other}")


# ------------------------------------------------------------------------------------------------- the whole program


HEAVY = ("numpy", "scipy", "sklearn", "matplotlib", "PIL", "httpx")


def test_the_parent_loads_nothing_heavy():
    code = f"import sys, inklens.studio.server; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_program_starts_keeps_and_ends(tmp_path):
    folder = tmp_path / "kept"
    with studios.process("--folder", str(folder)) as studio:
        assert studio.client.get("/healthz").json() == {"status": "ok"}
        assert studio.models()[0]["origin"] == "shipped"
        give_up = time.monotonic() + studios.SECONDS
        while not (jobs := studio.client.get("/api/jobs").json()["jobs"]) and time.monotonic() < give_up:
            time.sleep(0.1)
        made = studio.ended(jobs[-1])["model"]
        studio.client.post("/api/drawings", json=studios.stroke())
        status = Path(f"/proc/{studio.pid}/status").read_text()
        assert int(re.search(r"VmRSS:\s+(\d+)", status)[1]) < 90_000
        children = studios.children_of(studio.pid)
        job = studio.job(kind="fit", features="strokes", l1_ratio=1.0, C=30.0, tol=0.0)
        studio.until(job, lambda known: known["state"] == "running")
        with studio.client.stream("GET", f"/api/jobs/{job['id']}/events") as stream:
            next(stream.iter_lines())
            os.kill(studio.pid, signal.SIGTERM)
            began = time.monotonic()
            os.waitid(os.P_PID, studio.pid, os.WEXITED | os.WNOWAIT)
            assert time.monotonic() - began < 20
    assert soon(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
    with studios.process("--folder", str(folder)) as studio:
        known = {model["id"]: model for model in studio.models()}
        assert known[made]["origin"] == "starter"
        assert known[made]["certificate"]["status"] == "certified"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_cleanly(number):
    with studios.process("--scratch") as studio:
        studio.client.get("/healthz")
        os.kill(studio.pid, number)
        status = os.waitid(os.P_PID, studio.pid, os.WEXITED | os.WNOWAIT)
        assert (status.si_code, status.si_status) == (os.CLD_EXITED, 0)


def test_without_the_extra_it_says_what_to_install(tmp_path):
    (tmp_path / "fastapi.py").write_text("raise ImportError('gone')")
    code = "import sys; sys.modules['fastapi'] = None; from inklens.cli import main; main(['studio', '--scratch'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "inklens[studio]" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_wrong_usage_is_said_in_one_line(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for arguments, code in (
            (["--port", port], 1),
            (["no-such.inklens"], 1),
            (["--scratch", "--folder", "x"], 2),
            (["--port", "70000"], 2),
        ):
            done = subprocess.run(
                [sys.executable, "-m", "inklens", "studio", "--no-open", *arguments],
                capture_output=True,
                text=True,
                cwd=tmp_path,
            )
            assert done.returncode == code, done.stderr
            assert len(done.stderr.splitlines()) == 1


# ------------------------------------------------------------------------------------------------- its description


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
