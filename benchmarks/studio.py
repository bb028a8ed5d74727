"""The studio: how soon it is there, how quickly it answers, what it takes.

python benchmarks/studio.py
"""

import asyncio
import base64
import io
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
from PIL import Image
from results import table, write_section

CHROMIUM = "/usr/bin/chromium"
RATE, SECONDS, CONNECTIONS = 200, 10, 8
BOMBS = 64


@contextmanager
def studio(folder: str):
    """A studio as the command line starts it: its process, address and the moment before it was called."""
    began = time.time()
    command = [sys.executable, "-m", "inklens", "studio", "--port", "0", "--no-open", "--folder", folder]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield running, running.stdout.readline().strip(), began
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(60)


def settle(client: httpx.Client) -> None:
    """Wait until what a first start does in the background is over."""
    while not any(model["has_path"] for model in client.get("/api/models").json()["models"]):
        time.sleep(0.5)


# ------------------------------------------------------------------------------------------------- first load


LATER = ("/views.js", "/web")  # asked for when the first picture stands and answers


def weigh(answers: list) -> str:
    """Write how many answers there are, and their kilobytes, plain and as sent."""
    raw = sum(len(answer.body()) for answer in answers) / 1000
    packed = sum(answer.request.sizes()["responseBodySize"] for answer in answers) / 1000
    return f"{len(answers)}, {raw:.0f}, {packed:.0f}"


def first_paints(folder: str) -> tuple[list[float], list[float], dict[str, str]]:
    """Return seconds from the command to the first paint and to a model that answers, first start first; the load."""
    from playwright.sync_api import sync_playwright

    paints, ready, load = [], [], {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for _ in range(4):
            page = browser.new_page()
            sizes = []
            page.on("response", lambda answer, sizes=sizes: sizes.append(answer))
            with studio(folder) as (_, address, began):
                page.goto(address)
                page.wait_for_selector("canvas")
                ready.append(time.time() - began)
                page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length")
                painted = page.evaluate(
                    "performance.timeOrigin + performance.getEntriesByName('first-contentful-paint')[0].startTime"
                )
                paints.append(painted / 1000 - began)
                load = {"first": weigh([one for one in sizes if not one.url.endswith(LATER)]), "all": weigh(sizes)}
            page.close()
        browser.close()
    return paints, ready, load


# ------------------------------------------------------------------------------------------------- drawings


def drawing() -> bytes:
    """Return a drawing as a request holds it, of the size that the page's pad has."""
    ink = np.zeros((140, 140), np.uint8)
    ink[20:120, 60:75] = 255
    return json.dumps({"ink": base64.b64encode(ink.tobytes()).decode(), "rows": 140, "cols": 140}).encode()


async def _one_connection(port: int, body: bytes, due: "asyncio.Queue[float | None]", waits: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST /api/drawings HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    while (moment := await due.get()) is not None:
        writer.write(request)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)[1])
        await reader.readexactly(length)
        assert b" 200 " in answer.split(b"\r\n")[0], answer
        waits.append(time.perf_counter() - moment)
    writer.close()


async def _open_loop(port: int, rate: float, seconds: float) -> list[float]:
    due: asyncio.Queue[float | None] = asyncio.Queue()
    waits: list[float] = []
    body = drawing()
    connections = [asyncio.create_task(_one_connection(port, body, due, waits)) for _ in range(CONNECTIONS)]
    began = time.perf_counter()
    for number in range(int(rate * seconds)):
        moment = began + number / rate
        await asyncio.sleep(max(0.0, moment - time.perf_counter()))
        due.put_nowait(moment)
    for _ in connections:
        due.put_nowait(None)
    await asyncio.gather(*connections)
    return waits


def waits_at(port: int, rate: float, seconds: float) -> tuple[float, float, float]:
    """Send drawings at a rate whatever comes back; return answers a second, and median and p99 of the wait in ms."""
    began = time.perf_counter()
    waits = sorted(asyncio.run(_open_loop(port, rate, seconds)))
    spent = time.perf_counter() - began
    return len(waits) / spent, 1e3 * statistics.median(waits), 1e3 * waits[int(0.99 * len(waits))]


# ------------------------------------------------------------------------------------------------- a class

PHONES, CLASS_RATE, CLASS_SECONDS = 40, 10, 20


@contextmanager
def open_class(folder: str):
    """A class on this computer only: the address to join, and the teacher's."""
    command = [
        sys.executable,
        "-m",
        "inklens",
        "studio",
        "--class",
        "--address",
        "127.0.0.1",
        "--port",
        "0",
        "--no-open",
    ]
    running = subprocess.Popen([*command, "-o", f"{folder}/class"], stdout=subprocess.PIPE, text=True)
    try:
        wall, join = running.stdout.readline().strip(), running.stdout.readline().strip()
        yield join, wall
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(120)


async def _class_waits(join: str, wall: str) -> list[float]:
    asked = {"ink": json.loads(drawing())["ink"], "label": "1", "guess": "1"}
    base, waits = join.rpartition("/join/")[0], []
    async with httpx.AsyncClient(base_url=base, timeout=60) as teacher:
        (await teacher.get(wall)).raise_for_status()
        phones = [httpx.AsyncClient(base_url=base, timeout=60) for _ in range(PHONES)]
        for phone in phones:
            (await phone.get(join)).raise_for_status()

        async def watch() -> None:
            async with teacher.stream("GET", "/api/class/events") as events:
                async for _ in events.aiter_raw():
                    pass

        async def send(phone: httpx.AsyncClient, moment: float) -> None:
            (await phone.post("/api/class/digits", json=asked)).raise_for_status()
            waits.append(time.perf_counter() - moment)

        watching, began, sending = asyncio.create_task(watch()), time.perf_counter(), []
        for number in range(CLASS_RATE * CLASS_SECONDS):
            moment = began + number / CLASS_RATE
            await asyncio.sleep(max(0.0, moment - time.perf_counter()))
            sending.append(asyncio.create_task(send(phones[number % PHONES], moment)))
        await asyncio.gather(*sending)
        watching.cancel()
        for phone in phones:
            await phone.aclose()
    return sorted(waits)


def class_waits(folder: str) -> tuple[float, float]:
    """Return median and p99 in ms of what forty phones wait, while the wall follows; loopback only."""
    with open_class(folder) as (join, wall):
        waits = asyncio.run(_class_waits(join, wall))
    return 1e3 * statistics.median(waits), 1e3 * waits[int(0.99 * len(waits))]


# ------------------------------------------------------------------------------------------------- photos, bombs


def large_photo() -> bytes:
    """A JPEG of 12 megapixels: one digit on paper with grain."""
    rng = np.random.default_rng(0)
    paper = rng.normal(215, 6, (3000, 4000)).clip(0, 255)
    paper[600:2400, 1850:2100] = 40
    file = io.BytesIO()
    Image.fromarray(paper.astype(np.uint8)).convert("RGB").save(file, "JPEG", quality=90)
    return file.getvalue()


def bomb() -> bytes:
    """A PNG of some kilobytes that is 30 megapixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = (6000).to_bytes(4, "big") + (5000).to_bytes(4, "big") + b"\x08\x00\x00\x00\x00"
    rows = zlib.compress(bytes(5000 * 6001), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def processes_of(pid: int) -> list[int]:
    """Return a process and all below it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [pid]
    for parent in found:
        found += [child for child, above in parents.items() if above == parent]
    return found


def proportional_mb(pid: int) -> float:
    """Return the memory of a process and all below it, shared pages counted once."""
    total = 0
    for each in processes_of(pid):
        try:
            text = Path(f"/proc/{each}/smaps_rollup").read_text()
        except OSError:
            continue
        total += int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1])
    return total / 1024


def resident_mb(pid: int) -> float:
    """Return the resident memory of one process."""
    return int(re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


def throw_bombs(address: str, pid: int, port: int) -> tuple[float, float, set[int]]:
    """Return the most memory while many bombs are read, p99 of drawings beside them in ms, and the bombs' answers."""
    content, statuses, peak = bomb(), set(), 0.0

    def throw() -> None:
        answer = httpx.post(f"{address}api/read", content=content, headers={"content-type": "image/png"}, timeout=120)
        statuses.add(answer.status_code)

    threads = [threading.Thread(target=throw) for _ in range(BOMBS)]
    for thread in threads:
        thread.start()

    def watch() -> None:
        nonlocal peak
        while any(thread.is_alive() for thread in threads):
            peak = max(peak, proportional_mb(pid))
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    _, _, p99 = waits_at(port, 20, 8)
    for thread in [*threads, watcher]:
        thread.join()
    return peak, p99, statuses


# ------------------------------------------------------------------------------------------------- jobs


def start_fit(client: httpx.Client, **asked) -> str:
    """Start a fit that takes long, and wait until it has a bound."""
    settings = {"kind": "fit", "features": "strokes", "l1_ratio": 1.0, "C": 30.0, "tol": 0.0, **asked}
    job = client.post("/api/jobs", json=settings).json()["id"]
    while not (client.get(f"/api/jobs/{job}").json()["progress"] or {}).get("lower_bound"):
        time.sleep(0.02)
    return job


def cancel_seconds(client: httpx.Client) -> float:
    """Return the seconds from DELETE to a model that is kept."""
    job = start_fit(client, features="pixels", C=1.0)
    began = time.perf_counter()
    ended = client.delete(f"/api/jobs/{job}").json()
    assert ended["state"] == "cancelled", ended
    assert ended["model"], ended
    return time.perf_counter() - began


def in_words(waits: tuple[float, float, float]) -> str:
    """Say how quickly drawings were answered."""
    return f"{waits[0]:.0f}/s, {waits[1]:.0f} ms, {waits[2]:.0f} ms"


def milliseconds(seconds: list[float]) -> str:
    """Say median and slowest."""
    return f"{1e3 * statistics.median(seconds):.0f}, {1e3 * max(seconds):.0f} ms"


def tell(*what: object) -> None:
    """Say how far the measuring is."""
    print(*what, file=sys.stderr)


def main() -> None:
    """Measure and write the section."""
    with tempfile.TemporaryDirectory() as folder:
        paints, ready, load = first_paints(folder)
        tell("paints, ready, load", paints, ready, load)
        with studio(folder) as (process, address, _), httpx.Client(base_url=address, timeout=120) as client:
            port = int(address.rstrip("/").rpartition(":")[2])
            settle(client)
            alone = waits_at(port, RATE, SECONDS)
            tell("alone", alone)
            resident = resident_mb(process.pid)
            job = start_fit(client)
            beside = waits_at(port, RATE, SECONDS)
            tell("beside", beside)
            client.delete(f"/api/jobs/{job}")
            photo, seconds = large_photo(), []
            for _ in range(9):
                began = time.perf_counter()
                answer = client.post("/api/read", content=photo, headers={"content-type": "image/jpeg"})
                seconds.append(time.perf_counter() - began)
                assert answer.json()["text"] == "1", answer.text[:300]
            cancels = [cancel_seconds(client) for _ in range(5)]
            tell("cancels", cancels)
            _, _, quiet = waits_at(port, 20, 8)
            peak, p99, statuses = throw_bombs(address, process.pid, port)
            tell("peak, p99, statuses", peak, p99, statuses)
        phones = class_waits(folder)
        tell("phones", phones)
    later = statistics.median
    rows = [
        ["`inklens studio` to first paint, first start / next ones (median)",
         f"{paints[0]:.2f} / {later(paints[1:]):.2f} s", "1.5 s"],
        ["... to a model that answers", f"{ready[0]:.2f} / {later(ready[1:]):.2f} s", ""],
        ["until it answers: requests, kB, kB as sent", load["first"], "12, 300, 110"],
        ["... with what follows: other views, path, samples, check", load["all"], ""],
        ["resident memory of the server after 2,000 drawings", f"{resident:.0f} MB", "90 MB"],
        ["drawings: answers a second, median and p99 of the wait", in_words(alone), ""],
        ["... while a training runs", in_words(beside), "200/s, p99 100 ms"],
        ["photo of 12 megapixels, median and slowest of 9", milliseconds(seconds), "400 ms"],
        ["cancel of a fit until the model is kept, median and slowest of 5", milliseconds(cancels), "300 ms"],
        [f"{BOMBS} pixel bombs at once: most memory of all processes", f"{peak:.0f} MB (answers {statuses})", "512 MB"],
        ["... p99 of drawings beside them, and without them", f"{p99:.0f} ms, {quiet:.0f} ms", "twice"],
        [f"class: {PHONES} phones at {CLASS_RATE} drawings/s in all over loopback, median and p99 of the wait",
         f"{phones[0]:.0f}, {phones[1]:.0f} ms", "p99 100 ms"],
    ]  # fmt: skip
    load_average = os.getloadavg()[0]
    body = (
        table(["what", "measured", "goal"], rows) + f"\n\nLoad average of the machine at the end: {load_average:.1f}."
    )
    write_section("The studio", body)


if __name__ == "__main__":
    main()
