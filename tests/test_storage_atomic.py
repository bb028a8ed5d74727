"""A file is whole or not there, whatever fails."""

import signal
import subprocess
import sys

import pytest

from inklens.errors import OutputError
from inklens.storage import atomic_file, write_bytes, write_text


def test_parents_are_made_and_nothing_else_is_left(tmp_path):
    write_text(tmp_path / "a" / "b" / "c.txt", "grüß")
    assert (tmp_path / "a/b/c.txt").read_text(encoding="utf-8") == "grüß"
    assert [p.name for p in (tmp_path / "a/b").iterdir()] == ["c.txt"]


def test_permissions_are_those_of_a_new_file(tmp_path):
    write_bytes(tmp_path / "atomic", b"")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_in_the_middle_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def interrupted():
        with atomic_file(path) as file:
            file.write(b"new")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("step", ["fsync", "mkstemp"])
def test_every_failing_step_is_the_one_error(tmp_path, monkeypatch, step):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(f"inklens.storage.{'os' if step == 'fsync' else 'tempfile'}.{step}", fail)
    with pytest.raises(OutputError, match=r"No space left on device; choose a folder"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_file_in_place_of_a_folder_is_the_one_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError):
        write_bytes(tmp_path / "file" / "x", b"")


@pytest.mark.slow
def test_killing_the_writer_never_tears_the_file(tmp_path):
    path = tmp_path / "file"
    code = (
        "import sys; from inklens.storage import write_bytes\n"
        "n = 0\n"
        "while True: n += 1; write_bytes(sys.argv[1], bytes([n % 256]) * 300_000)"
    )
    for delay in range(12):
        process = subprocess.Popen([sys.executable, "-c", code, str(path)])
        try:
            process.wait(timeout=0.25 + 0.013 * delay)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
        if path.exists():
            data = path.read_bytes()
            assert len(data) == 300_000
            assert len(set(data)) == 1
