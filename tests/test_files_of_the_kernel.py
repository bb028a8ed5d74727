"""Files of the kernel are regular by their kind, without a size, and reading one may wait for ever."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import run

KMSG = Path("/proc/kmsg")
pytestmark = pytest.mark.skipif(not (KMSG.exists() and os.access(KMSG, os.R_OK)), reason="no kernel's log to read")


@pytest.mark.parametrize(
    "args",
    [
        ("evaluate", KMSG),
        ("verify", KMSG),
        ("report", KMSG),
        ("compare", KMSG, KMSG),
        ("read", KMSG),
        ("read", "--model", KMSG, "x.png"),
        ("explain", KMSG),
        ("fit", "--data", f"csv:{KMSG}", "-o", "m.inklens"),
        ("fit", "--data", f"npz:{KMSG}", "-o", "m.inklens"),
        ("fit", "--data", f"parquet:{KMSG}", "-o", "m.inklens"),
        ("fit", "--relabel", KMSG, "-o", "m.inklens"),
        ("labels", KMSG, "--refit", KMSG, "-o", "m.inklens"),
        ("homework", "hand-in", KMSG, "-o", "a.inkwork"),
        ("class", "check", KMSG),
    ],
    ids=lambda args: " ".join(map(str, args[:2])),
)
def test_no_command_waits_for_any_of_them(args, tmp_path):
    done = run(*args, cwd=tmp_path, timeout=250)
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_what_has_no_size_is_read_as_nothing():
    code = "import sys; from inklens.addresses import read_some; print(read_some(open(sys.argv[1], 'rb'), 9))"
    done = subprocess.run([sys.executable, "-c", code, KMSG], capture_output=True, text=True, timeout=250, check=True)
    assert done.stdout == "b''\n"
