"""A file is whole or not there, whatever fails."""

import ast
import contextlib
import errno
import os
import signal
import stat
import subprocess
import sys
import threading
from itertools import combinations_with_replacement
from pathlib import Path

import pytest

import inklens
from inklens import storage
from inklens.datasets import load_dataset
from inklens.datasets.relabel import write_relabel
from inklens.errors import OutputError, ParameterError
from inklens.storage import atomic_file, check_file, check_folder, holds, remove, write_bytes, write_inside, write_text
from inklens.tasks.reading import load_reader


def write_in_parts(path, data):
    with atomic_file(path) as file:
        file.write(data[:3])
        file.seek(0)
        file.write(data)


WRITERS = {
    "atomic_file": write_in_parts,
    "write_bytes": write_bytes,
    "write_text": lambda path, data: write_text(path, data.decode()),
}
PRODUCTS = {
    "relabel file": lambda path: write_relabel(path, load_dataset(), {7: "1"}),
    "model file": lambda path: load_reader(None).save(path),
}
DATA = b"line\n" * 50_000  # more than a pipe holds
unix = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs and devices")
every_writer = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


def drained(path, write):
    """Return what a reader of a FIFO sees while `write` runs."""
    seen = []
    reader = threading.Thread(target=lambda: seen.append(path.read_bytes()), daemon=True)
    reader.start()
    write(path)
    reader.join(20)
    return seen[0]


@unix
@every_writer
def test_a_fifo_is_written_through_and_stays(tmp_path, write):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    assert drained(path, lambda path: write(path, DATA)) == DATA
    assert stat.S_ISFIFO(path.lstat().st_mode)
    assert [p.name for p in tmp_path.iterdir()] == ["fifo"]


@unix
@pytest.mark.parametrize("write", PRODUCTS.values(), ids=PRODUCTS)
def test_every_product_goes_through_a_fifo(tmp_path, write):
    write(tmp_path / "file")
    os.mkfifo(tmp_path / "fifo")
    assert drained(tmp_path / "fifo", write) == (tmp_path / "file").read_bytes()


@unix
@every_writer
def test_a_device_is_written_through_and_stays(tmp_path, write):
    null = tmp_path / "null"
    try:
        os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        null.write_bytes(b"")  # some containers make devices that they do not open
    except PermissionError:
        null = tmp_path / "link"
        null.symlink_to("/dev/null")
    write(null, DATA)
    assert stat.S_ISCHR(null.stat().st_mode)
    assert [p.name for p in tmp_path.glob(".*")] == []


@unix
@every_writer
def test_a_full_device_is_the_one_error(write):
    with pytest.raises(OutputError, match="No space left on device"):
        write("/dev/full", DATA)


@every_writer
@pytest.mark.parametrize("there", [True, False], ids=["existing", "dangling"])
def test_a_link_is_followed_and_stays(tmp_path, write, there):
    target = tmp_path / "elsewhere" / "target"
    target.parent.mkdir()
    if there:
        target.write_bytes(b"old")
    (tmp_path / "near").symlink_to(Path("elsewhere") / "target")
    (tmp_path / "link").symlink_to("near")
    write(tmp_path / "link", DATA)
    assert target.read_bytes() == DATA
    assert not target.is_symlink()
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "near").is_symlink()
    assert [p.name for p in target.parent.iterdir()] == ["target"]


@every_writer
def test_what_cannot_be_written_is_the_one_error_and_stays(tmp_path, write):
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    for name in ("folder", "loop"):
        with pytest.raises(OutputError, match=name):
            write(tmp_path / name, DATA)
    assert (tmp_path / "folder").is_dir()
    assert (tmp_path / "loop").is_symlink()


@unix
def test_an_error_in_the_middle_sends_nothing():
    code = (
        "from inklens.storage import atomic_file\n"
        "with atomic_file('/dev/stdout') as file: file.write(b'half'); raise KeyError"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert done.returncode == 1
    assert done.stdout == b""


@unix
@pytest.mark.parametrize("redirected", ["pipe", "file", "append"])
def test_standard_output_keeps_its_order(tmp_path, redirected):
    code = "from inklens.storage import write_text\nprint('a')\nwrite_text('/dev/stdout', 'b\\n')\nprint('c')"
    path = tmp_path / "out"
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    path.write_bytes(b"" if redirected != "append" else b"0\n")
    if redirected == "pipe":
        seen = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=buffered).stdout
    else:
        with path.open("ab" if redirected == "append" else "wb") as file:
            subprocess.run([sys.executable, "-c", code], stdout=file, check=True, env=buffered)
        seen = path.read_bytes()
    assert seen == (b"0\n" if redirected == "append" else b"") + b"a\nb\nc\n"


def test_every_file_is_written_by_this_room():
    """The laws here hold for all outputs: no other module opens a file to write it (the part of a download resumes)."""
    source = Path(inklens.__file__).parent
    texts = {path: path.read_text(encoding="utf-8") for path in source.rglob("*.py")}
    found = {
        (str(path.relative_to(source)), call.func.attr)
        for path, text in texts.items()
        if any(word in text for word in ("write_text", "write_bytes", "tofile", "open"))
        for call in ast.walk(ast.parse(text))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and writes(call)
    }
    assert {name for name, _ in found} <= {"storage.py", "datasets/openml/download.py"}


def writes(call):
    """Say whether a method call opens a file for writing."""
    words = [a.value for a in (*call.args, *(k.value for k in call.keywords)) if isinstance(a, ast.Constant)]
    modes = [w for w in words if isinstance(w, str) and set(w) <= set("rwxab+t") and set(w) & set("wxa")]
    return call.func.attr in ("write_text", "write_bytes", "tofile") or (call.func.attr == "open" and bool(modes))


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


@pytest.mark.parametrize("step", ["fsync", "open", "fdopen", "close", "listdir"])
def test_every_failing_step_is_the_one_error(tmp_path, monkeypatch, step):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    path = tmp_path / "file"
    path.write_bytes(b"old")
    monkeypatch.setattr(f"inklens.storage.os.{step}", fail)
    if step in ("close", "listdir"):  # of the sweep, and of the folder: no failure of the file
        with contextlib.suppress(OutputError):
            write_bytes(path, b"new")
    else:
        with pytest.raises(OutputError, match=r"No space left on device; choose a folder"):
            write_bytes(path, b"new")
        assert path.read_bytes() == b"old"
    monkeypatch.undo()
    write_bytes(path, path.read_bytes())
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_what_cannot_be_removed_or_looked_at_is_the_one_error_or_is_written_anew(tmp_path, monkeypatch):
    """As for a user without rights there: the superuser may do all."""

    def refused(path, *_, **__):
        raise PermissionError(13, "Permission denied", str(path))

    path = tmp_path / "file"
    path.write_bytes(b"mine")
    assert holds(path, b"mine")
    assert not holds(path, b"your")
    assert not holds(path, b"min")
    assert not holds(tmp_path, b"")
    monkeypatch.setattr(Path, "read_bytes", refused)
    assert not holds(path, b"mine")
    monkeypatch.setattr(Path, "unlink", refused)
    with pytest.raises(OutputError, match=r"cannot remove .*file': Permission denied; remove it by hand"):
        remove(path)
    monkeypatch.undo()
    remove(path)
    remove(path)
    assert not list(tmp_path.iterdir())


def piped(path):
    """Put a pipe at a path, and return a handle of it, so that whoever writes there would not wait."""
    os.mkfifo(path)
    return os.open(path, os.O_RDWR | os.O_NONBLOCK)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_what_nobody_named_is_written_through_nothing(tmp_path):
    """Named by a user, a pipe is written through; in a folder of ours it would be waited for."""
    handle = piped(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "null").symlink_to(os.devnull)
    for name in ("pipe", "link", "folder", "null"):
        for data in (b"bytes", "text"):
            with pytest.raises(OutputError, match="is no regular file; move it"):
                write_inside(tmp_path / name, data)
    with pytest.raises(BlockingIOError):
        os.read(handle, 9)
    os.close(handle)
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "to-file").symlink_to("file")
    write_inside(tmp_path / "to-file", "new")
    write_inside(tmp_path / "deep" / "other", b"new")
    assert (tmp_path / "file").read_bytes() == (tmp_path / "deep" / "other").read_bytes() == b"new"
    (tmp_path / "loop").symlink_to("loop")
    for nowhere in (tmp_path / "file" / "x", tmp_path / "loop"):
        with pytest.raises(OutputError, match="cannot write"):
            write_inside(nowhere, b"")


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


def test_what_a_killed_writer_left_is_swept_and_a_living_one_is_not(tmp_path):
    path = tmp_path / "file"
    code = """
import sys, time
from inklens.storage import atomic_file
with atomic_file(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    print("ready", flush=True)
    time.sleep(60)
"""
    writers = [
        subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    try:
        for writer in writers:
            assert writer.stdout.readline() == "ready\n"
        (tmp_path / ".file.other.part").write_bytes(b"somebody's own")
        writers[0].kill()
        writers[0].wait()
        write_bytes(path, b"new")
        left = sorted(p.name for p in tmp_path.iterdir())
        assert len(left) == 3  # the file, the living writer's, somebody's own
        assert path.read_bytes() == b"new"
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
            writer.stdout.close()
    write_bytes(path, b"newer")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".file.other.part", "file"]


def test_many_writers_of_one_name_never_sweep_each_other(tmp_path):
    path = tmp_path / "file"

    def write_often():
        for _ in range(30):
            write_bytes(path, b"x" * 1000)

    threads = [threading.Thread(target=write_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() == b"x" * 1000
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_the_umask_of_the_process_is_never_touched(tmp_path, monkeypatch):
    def changed(mask):
        raise AssertionError("the umask is the whole process's")

    before = os.umask(0o027)
    try:
        monkeypatch.setattr("os.umask", changed)
        write_bytes(tmp_path / "file", b"x")
        assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640
    finally:
        monkeypatch.undo()
        os.umask(before)


def test_failing_to_write_and_to_remove_is_one_error_with_both_causes(tmp_path, monkeypatch):
    def fail(words):
        def raises(*args, **kwargs):
            raise OSError(5, words)

        return raises

    monkeypatch.setattr("inklens.storage.os.fsync", fail("Disk is broken"))
    monkeypatch.setattr("pathlib.Path.unlink", fail("Nothing is removed"))
    with pytest.raises(OutputError, match=r"Disk is broken.*Nothing is removed"):
        write_bytes(tmp_path / "file", b"x")


@pytest.mark.parametrize(
    ("name", "words"), [("", "names no file"), ("x/", "names no file"), ("no/x", "no folder 'no'")]
)
def test_a_place_for_no_file_is_refused_before_any_work(tmp_path, monkeypatch, name, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match=words):
        check_file(name)
    check_file("x")
    assert not list(tmp_path.iterdir())


def test_a_temporary_that_is_swept_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    """Another writer may look between its making and its locking: then its name is gone, or somebody else's."""
    swept, lock = [], storage._lock

    def late(handle, **options):
        if len(swept) < 2:
            (found,) = tmp_path.glob("*.part")
            found.unlink()
            if swept:
                found.write_bytes(b"another's")
            swept.append(found)
        return lock(handle, **options)

    monkeypatch.setattr(storage, "_lock", late)
    write_bytes(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert len(swept) == 2
    assert [path.name for path in tmp_path.glob("*.part")] == [swept[1].name]


def test_a_file_system_without_locks_sweeps_nothing(tmp_path, monkeypatch):
    def fails(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("inklens.storage.fcntl.flock", fails)
    left = tmp_path / f".file.{'0' * 16}.part"
    left.write_bytes(b"half")
    write_bytes(tmp_path / "file", b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["file", left.name])


def test_a_folder_that_cannot_be_synced_is_no_failure(tmp_path, monkeypatch):
    """Some file systems refuse, and by then the file is whole."""
    open_, fsync, refused = os.open, os.fsync, []

    def opened(path, flags, *mode):
        if Path(path) == tmp_path and not refused:
            refused.append("open")
            raise OSError(13, "Permission denied")
        return open_(path, flags, *mode)

    def synced(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            refused.append("fsync")
            raise OSError(22, "Invalid argument")
        fsync(handle)

    monkeypatch.setattr("inklens.storage.os.open", opened)
    monkeypatch.setattr("inklens.storage.os.fsync", synced)
    for content in (b"one", b"two"):
        write_bytes(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content
    assert refused == ["open", "fsync"]


def test_ctrl_c_tells_of_what_could_not_be_removed(tmp_path, monkeypatch):
    def fails(*_, **__):
        raise OSError(5, "Nothing is removed")

    def interrupted():
        with atomic_file(tmp_path / "file"):
            monkeypatch.setattr("pathlib.Path.unlink", fails)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        interrupted()
    assert "Nothing is removed" in caught.value.__notes__[0]


@unix
def test_a_stream_of_this_process_is_written_behind_what_it_has_said(tmp_path, monkeypatch):
    out = tmp_path / "out"
    before = os.dup(1)
    try:
        with out.open("wb") as file:
            os.dup2(file.fileno(), 1)
        monkeypatch.setattr("sys.stdout", open(1, "w", closefd=False))  # noqa: SIM115
        sys.stdout.write("first ")
        write_bytes(out, b"second")
        os.close(1)
        write_bytes(tmp_path / "other", b"a file")  # nothing is standard output now
        write_bytes(tmp_path / "other", b"another")
    finally:
        os.dup2(before, 1)
        os.close(before)
    assert out.read_bytes() == b"first second"
    assert (tmp_path / "other").read_bytes() == b"another"


def test_a_path_that_is_no_utf8_is_told_in_escapes(tmp_path):
    """Pages and numbers name the data and the model that they are of."""
    write_text(tmp_path / "page", "of npz:data\udcff.npz, é")
    assert (tmp_path / "page").read_text(encoding="utf-8") == "of npz:data\\udcff.npz, é"


def too_long(folder):
    return folder / ("n" * 256)


def a_loop(folder):
    (folder / "loop").symlink_to("loop")
    return folder / "loop"


def a_socket(folder):
    os.mknod(folder / "socket", stat.S_IFSOCK | 0o600)
    return folder / "socket"


def a_nul(folder):
    return f"{folder}/a\0b"


@pytest.mark.skipif(not hasattr(os, "mknod"), reason="needs sockets as files")
@pytest.mark.parametrize("name", [too_long, a_loop, a_socket, a_nul])
def test_what_is_no_name_of_a_file_is_told_before_any_work(tmp_path, name):
    path = name(tmp_path)
    there = sorted(tmp_path.iterdir())
    for checked in (check_file, check_folder, lambda path: write_bytes(path, b"x")):
        with pytest.raises(OutputError) as caught:
            checked(path)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 300
    assert sorted(tmp_path.iterdir()) == there


@pytest.mark.parametrize("letter", ["n", "\u00e9", "\U0001f600"])
def test_a_name_as_long_as_the_system_takes_is_written(tmp_path, letter):
    path = tmp_path / (letter * (255 // len(letter.encode())))
    check_file(path)
    write_bytes(path, b"whole")
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == b"whole"


STEPS = {
    "mkdir": (Path, "mkdir"),
    "list": (os, "listdir"),
    "open": (os, "open"),
    "lock": (storage.fcntl, "flock"),
    "look": (os.path, "samestat"),
    "fdopen": (os, "fdopen"),
    "sync": (os, "fsync"),
    "rename": (Path, "replace"),
    "unlink": (Path, "unlink"),
    "close": (os, "close"),
}


@pytest.mark.skipif(storage.fcntl is None, reason="no locks to fail")
@pytest.mark.parametrize("there", [True, False], ids=["over an older file", "anew"])
@pytest.mark.parametrize("pair", list(combinations_with_replacement(STEPS, 2)), ids="+".join)
def test_two_steps_that_fail_are_one_error_and_the_older_file_stays(tmp_path, monkeypatch, pair, there):
    """What fails, fails for as long as the write goes on; a write in spite of it is whole."""
    path = tmp_path / "folder" / "m"
    if there:
        write_bytes(path, b"older")
        (path.parent / f".m.{'0' * 16}.part").write_bytes(b"left by a killed one")

    def failing(*args, **options):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        for step in pair:
            patched.setattr(*STEPS[step], failing)
        error = None
        try:
            write_bytes(path, b"whole")
        except OutputError as caught:
            error = str(caught)
    assert error is None or os.strerror(errno.EIO) in error
    left = b"older" if there else None
    assert (path.read_bytes() if path.exists() else None) == (b"whole" if error is None else left)


@unix
def test_what_keeps_all_that_is_written_is_what_is_not_replaced(tmp_path):
    """Twice into a file leaves the second; into a pipe, a device or a stream of the process goes both."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"x")
    for name, target in (("to-pipe", "pipe"), ("to-file", "file"), ("to-nothing", "nothing"), ("null", "/dev/null")):
        (tmp_path / name).symlink_to(target)
    kept = {path.name for path in tmp_path.iterdir() if storage.keeps_all(path)}
    assert kept == {"pipe", "to-pipe", "null"}
    assert not storage.keeps_all(tmp_path / "nothing")
    code = "import sys; from inklens.storage import keeps_all; print(keeps_all(sys.argv[1]))"
    for name in ("out.txt", "other.txt"):
        with (tmp_path / "out.txt").open("wb") as out:
            subprocess.run([sys.executable, "-c", code, tmp_path / name], stdout=out, check=True)
        assert (tmp_path / "out.txt").read_text() == f"{name == 'out.txt'}\n"


def test_a_figure_is_of_a_kind_that_its_name_can_say(tmp_path):
    for name in ("a.svg", "b.PNG"):
        storage.check_ending(tmp_path / name)
    for name in ("a.pdf", "svg", "a.svg.gz"):
        with pytest.raises(ParameterError, match=r"ending in \.svg or \.png, got"):
            storage.check_ending(tmp_path / name)


@pytest.mark.skipif(storage.fcntl is None, reason="a system without such locks")
def test_folders_of_makers_that_died_are_found_and_those_of_living_ones_are_not(tmp_path):
    living, handle = storage.temporary_folder(tmp_path / "report", ".new")
    left, closed = storage.temporary_folder(tmp_path / "report", ".new")
    os.close(closed)
    assert stat.S_IMODE(left.stat().st_mode) & 0o077 == 0, "nobody else looks into it"
    assert list(storage.abandoned(tmp_path / "report", ".new")) == [left]
    os.close(handle)
    assert set(storage.abandoned(tmp_path / "report", ".new")) == {living, left}
    assert not list(storage.abandoned(tmp_path / "gone" / "report", ".new"))
