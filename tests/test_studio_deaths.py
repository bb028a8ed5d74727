"""Processes of the studio that die, hang or are boxed in; nothing of them is left."""

import os
import signal
import subprocess
import sys
import threading

import httpx
import pytest
import studio as studios

from inklens import DigitReader


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
    found = studios.is_problem(
        studio.client.post("/api/read", content=studios.png(), headers={"content-type": "image/png"}), 422
    )
    assert found["type"] == "urn:inklens:crashed"
    monkeypatch.undo()
    assert (
        studio.client.post("/api/read", content=studios.png(), headers={"content-type": "image/png"}).status_code == 200
    )
    assert studios.open_files(os.getpid()) <= files + 1


def test_a_picture_that_takes_too_long_is_given_up(studio, monkeypatch):
    from inklens.studio import box

    monkeypatch.setattr(box, "PHOTO", box.Box(seconds=0.001))
    found = studios.is_problem(
        studio.client.post("/api/read", content=studios.png(), headers={"content-type": "image/png"}), 422
    )
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
