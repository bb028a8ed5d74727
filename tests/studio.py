"""A studio for tests: in a process of its own, or in a thread of this one with other limits."""

import base64
import io
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from inklens.studio.folders import listen
from inklens.studio.server import Server
from inklens.studio.studio import Settings

JSON = {"content-type": "application/json"}
LONG = {"data": "embedded", "l1_ratio": 1.0, "group": True, "C": 1e4, "tol": 0.0}
SECONDS = 200.0  # for one answer, or the end of a job: a busy machine is no failure


class Running:
    """A studio that runs, and a client of it."""

    def __init__(self, address: str, pid: int | None = None, server: Server | None = None) -> None:
        self.address, self.pid, self.server = address, pid, server
        self.port = int(address.rstrip("/").rpartition(":")[2])
        self.client = httpx.Client(base_url=address, timeout=SECONDS)

    def raw(self, data: bytes, *, wait: float = 5.0) -> bytes:
        """Send bytes, and return what comes back until the connection ends or nothing more comes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as connection:
            try:
                connection.sendall(data)
                return b"".join(iter(lambda: connection.recv(65536), b""))
            except (TimeoutError, ConnectionError):
                return b""

    def job(self, **asked) -> dict:
        """Put a job in line."""
        answer = self.client.post("/api/jobs", json=asked)
        assert answer.status_code == 202, answer.text
        return answer.json()

    def ended(self, job: dict) -> dict:
        """Wait for the end of a job."""
        return self.until(job, lambda known: known["state"] not in ("waiting", "running"))

    def until(self, job: dict, is_so) -> dict:
        """Wait until something is so of a job."""
        give_up = time.monotonic() + SECONDS
        while time.monotonic() < give_up:
            known = self.client.get(f"/api/jobs/{job['id']}").json()
            if is_so(known):
                return known
            time.sleep(0.02)
        raise AssertionError(f"still {known}")

    def models(self) -> list[dict]:
        """Return its models."""
        return self.client.get("/api/models").json()["models"]


@contextmanager
def process(*arguments: str):
    """A studio as the command line starts it."""
    command = [sys.executable, "-m", "inklens", "studio", "--port", "0", "--no-open", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        studio = Running(running.stdout.readline().strip(), running.pid)
        try:
            yield studio
        finally:
            studio.client.close()
            if running.poll() is None:
                running.send_signal(signal.SIGTERM)
            running.wait(SECONDS)
            assert "Traceback" not in running.stderr.read()


@contextmanager
def thread(folder: Path, **settings):
    """A studio in this process, whose limits a test may change."""
    listener = listen(0)
    port = listener.getsockname()[1]
    server = Server(Settings(folder, port, **{"starter": False, **settings}))
    running = threading.Thread(target=server.run_on, args=(listener,))
    running.start()
    studio = Running(f"http://127.0.0.1:{port}", server=server)
    try:
        while not server.started and running.is_alive():
            time.sleep(0.01)
        yield studio
    finally:
        studio.client.close()
        server.handle_exit(signal.SIGTERM, None)
        running.join(SECONDS)
        assert not running.is_alive()


def stroke(rows: int = 280, cols: int = 280) -> dict:
    """Return the drawing of a 1, as a request holds it."""
    ink = np.zeros((rows, cols), np.uint8)
    ink[rows // 7 : -rows // 7, int(0.45 * cols) : int(0.55 * cols)] = 255
    return {"ink": base64.b64encode(ink.tobytes()).decode(), "rows": rows, "cols": cols}


def children_of(pid: int) -> dict[int, str]:
    """Return the state of every process below one, by number."""
    found, todo = {}, [pid]
    while todo:
        parent = todo.pop()
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                name_end = path.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(name_end[1]) == parent:
                found[int(path.parent.name)] = name_end[0]
                todo.append(int(path.parent.name))
    return found


def open_files(pid: int) -> int:
    """Return how many files a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def png(side: int = 60) -> bytes:
    """Return a photo of a 1."""
    paper = np.full((side, side), 230, np.uint8)
    paper[side // 6 : -side // 6, side // 2 - 3 : side // 2 + 3] = 20
    file = io.BytesIO()
    Image.fromarray(paper).save(file, "PNG")
    return file.getvalue()


def is_problem(answer: httpx.Response, status: int) -> dict:
    """Return an error that is said as it should be, and tells nothing of this computer."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found.keys() == {"type", "title", "status", "detail", "id"}
    assert found["status"] == status
    assert str(Path(__file__).parents[1]) not in answer.text
    assert "/tmp" not in answer.text
    return found


def long_fit(studio: Running) -> dict:
    """Begin a fit that takes many seconds."""
    return studio.job(kind="fit", **LONG)


def events(studio: Running, job: dict, after: int = 0, most: int | None = None) -> list[dict]:
    """Return what a job has told since an event, as the stream of its events says it."""
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


def soon(is_so) -> bool:
    """Whether something becomes so within a while."""
    give_up = time.monotonic() + 20
    while not is_so() and time.monotonic() < give_up:
        time.sleep(0.05)
    return is_so()
