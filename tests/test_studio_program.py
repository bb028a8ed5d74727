"""`inklens studio` as a whole program: it starts, keeps, and ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import studio as studios

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
        job = studios.long_fit(studio)
        studio.until(job, lambda known: known["state"] == "running")
        with studio.client.stream("GET", f"/api/jobs/{job['id']}/events") as stream:
            next(stream.iter_lines())
            os.kill(studio.pid, signal.SIGTERM)
            began = time.monotonic()
            status = os.waitid(os.P_PID, studio.pid, os.WEXITED | os.WNOWAIT)
            assert (status.si_code, status.si_status) == (os.CLD_EXITED, 0)
            assert time.monotonic() - began < 20
    assert studios.soon(lambda: not any(Path(f"/proc/{pid}").exists() for pid in children))
    with studios.process("--folder", str(folder)) as studio:
        known = {model["id"]: model for model in studio.models()}
        assert known[made]["origin"] == "starter"
        assert known[made]["certificate"]["status"] == "certified"


@pytest.mark.slow
def test_ctrl_c_ends_it_cleanly():
    with studios.process("--scratch") as studio:
        studio.client.get("/healthz")
        os.kill(studio.pid, signal.SIGINT)
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
