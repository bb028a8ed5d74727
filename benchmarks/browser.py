"""The face in headless Chromium: work a frame, updates a second, the slider, flips, and what a page weighs.

python benchmarks/browser.py
"""

import gzip
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from results import ROOT, table, write_section

sys.path.insert(0, str(ROOT / "tests"))

from chromium import WHOLE, chromium_runs
from face import DIGITS, Face, opened

from inklens.explanations.plausible import usual_ink
from inklens.reader import DigitReader
from inklens.tasks.models import fit
from inklens.tasks.paths import PathRun, follow
from inklens.tasks.session import Session
from inklens.web.bundle import joined_once
from inklens.web.page import document
from inklens.web.payload import samples, web_model

HERE = Path(__file__).parent
VIEWS = ("draw", "see", "fool", "penalty", "judge", "learn")
SECONDS = 20  # of drawing without a pause
SLOW = 4  # times: a school's laptop

# A pen that moves twice for each picture of the screen, in the page, as browsers gather a pen's events: what it costs
# to send events from outside is not the face's work.
SCRIBBLE = """async ([seconds]) => {
  const pad = document.getElementById('pad'), { left, top, width, height } = pad.getBoundingClientRect();
  const send = (kind, x, y) => pad.dispatchEvent(new PointerEvent(kind, {
    clientX: left + x * width, clientY: top + y * height, pointerId: 1, button: 0, bubbles: true, isPrimary: true,
  }));
  pad.setPointerCapture = () => {};
  let updates = 0, last = app.ink.peek(), frames = 0;
  const end = performance.now() + 1000 * seconds;
  app.work.length = 0;
  const all = [];
  const count = () => {
    frames += 1;
    if (app.ink.peek() !== last) updates += 1;
    last = app.ink.peek();
    if (performance.now() < end) requestAnimationFrame(count);
  };
  requestAnimationFrame(count);
  for (let step = 0; performance.now() < end; step += 1) {
    if (step % 2 === 0) await new Promise((next) => requestAnimationFrame(next));
    if (step % 240 === 0) { if (step) send('pointerup', 0.5, 0.5); app.startDrawing(); send('pointerdown', 0.5, 0.15); }
    const turn = (step % 240) / 240;
    send('pointermove', 0.5 + 0.28 * Math.sin(9 * turn), 0.15 + 0.7 * turn);
    all.push(...app.work.splice(0));
  }
  send('pointerup', 0.5, 0.5);
  return { updates: updates / seconds, frames: frames / seconds, work: all };
}"""
TIMES = """(given) => {
  const times = [];
  for (let i = 0; i < given.n; i += 1) {
    const start = performance.now();
    given.kind === 'slider' ? (app.point.value = i % app.model.value.path.Cs.length)
      : given.kind === 'flip' ? core.nearestFlip(app.model.value, app.answer.value.frame)
      : core.smallestStroke(app.model.value, app.answer.value.frame, app.answer.value.second, { width: 2 });
    times.push(performance.now() - start);
  }
  return times;
}"""


def model() -> tuple[DigitReader, Session, PathRun]:
    """Return the model of the demo with its rows and a path of 60 points."""
    reader = fit("embedded", C=0.1).reader
    return reader, Session.of(reader), follow("embedded", C=1.0, points=60)


def milliseconds(times: list[float]) -> str:
    """Write median and 99th percentile."""
    ordered = sorted(times)
    return f"{statistics.median(ordered):.1f} / {ordered[int(0.99 * (len(ordered) - 1))]:.1f} ms"


def frames(face: Face) -> list[list]:
    """Measure the work of a frame while a pen moves, in every view."""
    rows = []
    for view in VIEWS:
        face.open(view)
        found = face.page.evaluate(SCRIBBLE, [4])
        work = milliseconds(found["work"])
        rows.append([f"work a frame, {view}", work, "2 / 8 ms", f"{found['updates']:.0f} updates a second"])
    return rows


def sustained(face: Face) -> list[list]:
    """Measure updates a second over 20 s, also with the processor slowed."""
    rows = []
    for slow in (1, SLOW):
        face.open("see")
        face.page.context.new_cdp_session(face.page).send("Emulation.setCPUThrottlingRate", {"rate": slow})
        found = face.page.evaluate(SCRIBBLE, [SECONDS])
        what = f"updates a second over {SECONDS} s" + (f", processor slowed {slow} times" if slow > 1 else "")
        rows.append([what, f"{found['updates']:.0f}", "55", f"work {milliseconds(found['work'])}"])
        face.page.context.new_cdp_session(face.page).send("Emulation.setCPUThrottlingRate", {"rate": 1})
    return rows


def answers(face: Face) -> list[list]:
    """Measure what a person asks for."""
    rows = []
    for kind, n, goal in (("slider", 240, "4 ms"), ("flip", 40, "20 ms"), ("stroke", 10, "400 ms")):
        face.open("penalty" if kind == "slider" else "fool")
        face.draw(DIGITS["4"])
        names = {"slider": "a step of the slider over C", "flip": "least-ink flip", "stroke": "smallest stroke"}
        first, again = (face.page.evaluate(TIMES, {"kind": kind, "n": n}) for _ in range(2))
        rows.append([names[kind], milliseconds(again), goal, f"the first {n}: {milliseconds(first)}"])
    return rows


def pages(reader: DigitReader, session: Session, path: PathRun) -> list[list]:
    """Weigh the one-file page, and time it from the file system."""
    usual = usual_ink(session.split.X_train.reshape(-1, 28, 28), session.split.y_train)
    full = web_model(reader, path=path, samples=samples(reader, session), usual=usual)
    kinds = {
        "exported page without a path": (document(web_model(reader)), "150 kB"),
        "exported page with a path of 60 points and 120 digits": (document(full), "300 kB"),
    }
    rows = []
    with tempfile.TemporaryDirectory() as folder, chromium_runs(WHOLE) as chromium:
        for name, (text, goal) in kinds.items():
            file = Path(folder) / "page.html"
            file.write_text(text, encoding="utf-8")
            ready, asked = [], []
            for _ in range(5):
                page = chromium.new_page()
                page.on("request", lambda request, asked=asked: asked.append(request.url))
                began = time.perf_counter()
                page.goto(file.as_uri())
                page.evaluate("inklens.ready")
                ready.append(time.perf_counter() - began)
                page.close()
            foreign = [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
            rows.append(
                [
                    name,
                    f"{len(text.encode()) / 1000:.0f} kB",
                    goal,
                    f"ready in {min(ready):.2f} s (0.3 s), {len(foreign)} requests",
                ]
            )
    for entry in ("hosts/page.js",):
        code = joined_once(entry).encode()
        rows.append(
            [
                f"`{entry}`, joined",
                f"{len(code) / 1000:.0f} kB, {len(gzip.compress(code, 9)) / 1000:.0f} kB gzipped",
                "",
                "",
            ]
        )
    return rows


PEERS = {  # what starts each peer's sketch app on a port, and where its canvas is
    "Gradio": (["_sketch_gradio.py"], "gradio", 7990),
    "Streamlit with drawable-canvas": (
        ["-m", "streamlit", "run", "_sketch_streamlit.py", "--server.address", "127.0.0.1", "--server.headless", "true",
         "--browser.gatherUsageStats", "false", "--server.port"], "streamlit", 7991),
}  # fmt: skip


def peers() -> list[list]:
    """Measure the sketch apps of Gradio and Streamlit where an interpreter has them (INKLENS_PEERS, or this one)."""
    python = os.environ.get("INKLENS_PEERS", sys.executable)
    rows = []
    for name, (command, package, port) in PEERS.items():
        if subprocess.run([python, "-c", f"import {package}"], capture_output=True).returncode:
            continue
        server = subprocess.Popen(
            [python, *command, str(port)], cwd=HERE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            rows.append([f"{name}: a pad and a classifier", *_peer(port, server.pid)])
        finally:
            server.terminate()
            server.wait()
    return rows


def _peer(port: int, process: int) -> list[str]:
    url = f"http://127.0.0.1:{port}/"
    _wait_for(url)
    with chromium_runs(WHOLE) as chromium:
        page = chromium.new_page()
        loaded, asked = [], []
        page.on("response", lambda response: loaded.append(response))
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda socket: socket.on("framesent", lambda frame: asked.append("frame")))
        page.goto(url)
        page.wait_for_selector("canvas, iframe")
        page.wait_for_timeout(5000)
        bodies = [response.body() for response in loaded if response.status == 200]
        frame = page.frames[-1]
        frame.wait_for_selector("canvas")
        box = frame.locator("canvas").last.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        before, began = len(asked), time.perf_counter()
        for step in range(120):
            page.mouse.move(x + 40 * math.sin(step / 9), y + 40 * math.cos(step / 7))
        seconds, while_down = time.perf_counter() - began, len(asked) - before
        page.mouse.up()
    raw, packed = (sum(map(len, parts)) / 1000 for parts in (bodies, [gzip.compress(body, 6) for body in bodies]))
    memory = sum(
        int(line.split()[1]) for line in Path(f"/proc/{process}/status").read_text().splitlines() if "VmRSS" in line
    )
    return [
        f"{while_down / seconds:.0f} updates a second while the pen moves",
        "",
        f"first load {raw:,.0f} kB raw, {packed:,.0f} kB gzipped, {len(bodies)} files; server {memory / 1000:.0f} MB",
    ]


def _wait_for(url: str, seconds: float = 90.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    raise TimeoutError(f"nothing answers at {url}")


def main() -> None:
    """Measure and write the section."""
    reader, session, path = model()
    data = web_model(reader, path=path, samples=samples(reader, session))
    with chromium_runs(WHOLE) as chromium, opened(chromium, data) as face:
        rows = [*frames(face), *sustained(face), *answers(face)]
    rows += pages(reader, session, path)
    rows += peers()
    write_section("The face", table(["what", "measured", "goal", "beside it"], rows))


if __name__ == "__main__":
    main()
