"""What the studio refuses: foreign pages, paths that climb, bodies too large, clients too slow."""

import json
import re
import socket
import sys
import threading
import time
import zlib
from pathlib import Path

import httpx
import pytest
import studio as studios

from inklens import DigitReader
from inklens.studio import limits


@pytest.mark.parametrize("host", ["evil.com", "127.0.0.1.nip.io:{port}", "0.0.0.0:{port}", "localhost.:{port}"])
def test_another_name_for_this_computer_gets_nothing(studio, host):
    studios.is_problem(studio.client.get("/api/models", headers={"host": host.format(port=studio.port)}), 421)


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
        studios.is_problem(studio.client.post("/api/jobs", content=body, headers={**studios.JSON, **headers}), 403)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        studios.is_problem(studio.client.post("/api/jobs", content=body, headers={"content-type": kind}), 415)
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


# ---- too much, too slow ----------------------------------------------------------------------------------------------


def test_a_body_over_its_limit_is_refused_before_it_is_read_and_while_it_is(studio):
    head = f"POST /api/drawings HTTP/1.1\r\nHost: 127.0.0.1:{studio.port}\r\nContent-Type: application/json\r\n"
    answer = studio.raw(f"{head}Content-Length: {10**12}\r\n\r\n".encode())
    assert answer.split()[1] == b"413"
    studios.is_problem(studio.client.post("/api/digits", content=b" " * 200_000, headers=studios.JSON), 413)

    def parts():
        for _ in range(50):
            yield b"x" * 100_000

    studios.is_problem(studio.client.post("/api/drawings", content=parts(), headers=studios.JSON), 413)
    studios.is_problem(studio.client.request("DELETE", "/api/digits/0123456789abcdef", content=b"x"), 413)


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
        found = studios.is_problem(studio.client.post("/api/jobs", content=body, headers=studios.JSON), 400)
        assert found["type"] == "urn:inklens:json"
    for body in (b"[]", b'"x"', b"null", b"{}", b"1"):
        studios.is_problem(studio.client.post("/api/jobs", content=body, headers=studios.JSON), 422)


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

    studios.is_problem(studio.client.post("/api/digits", content=parts(), headers=studios.JSON), 400)


def test_idle_connections_do_not_keep_others_out(studio, monkeypatch):
    monkeypatch.setattr(limits, "MAX_CONNECTIONS", 40)
    monkeypatch.setattr(limits, "HEADER_SECONDS", 0.5)
    idle = [socket.create_connection(("127.0.0.1", studio.port)) for _ in range(60)]
    try:
        time.sleep(0.8)
        assert studio.client.get("/healthz").json() == {"status": "ok"}
    finally:
        for connection in idle:
            connection.close()


def test_more_requests_than_there_is_room_for_are_told_to_come_back(studio, monkeypatch):
    guard = studio.server.guard
    monkeypatch.setattr(guard.requests, "most", 0)
    refused = studio.client.get("/healthz")
    studios.is_problem(refused, 503)
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
        assert studios.soon(lambda: studio.client.get("/api/jobs").json()["jobs"])  # the first model is being made
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

        threads = [threading.Thread(target=throw, args=(number,)) for number in range(32)]
        for thrown in threads:
            thrown.start()
        while any(thrown.is_alive() for thrown in threads):
            assert studio.client.post("/api/drawings", json=studios.stroke()).json()["label"] == "1"
            peak = max(peak, resident([studio.pid, *studios.children_of(studio.pid)]))
        statuses = {answer.status_code for answer in answers}
        assert len(answers) == 32
        assert statuses <= {200, 422}
        assert 422 in statuses
        assert peak < 512
        assert studios.soon(lambda: len(studios.children_of(studio.pid)) <= before)
        assert "Z" not in studios.children_of(studio.pid).values()
