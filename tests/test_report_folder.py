"""A report replaces an older one as a whole, or not at all, and nothing else ever."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from inklens.errors import OutputError
from inklens.pages import replaced_folder
from inklens.storage import write_text


def write_report(folder, text="new"):
    (folder / "index.html").write_text(text)
    (folder / "numbers.json").write_text("{}")


def only(folder, *names):
    return sorted(path.name for path in folder.iterdir()) == sorted(names)


def test_a_new_folder_appears_only_at_the_end(tmp_path):
    with replaced_folder(tmp_path / "deep" / "report") as folder:
        write_report(folder)
        assert not (tmp_path / "deep" / "report").exists()
    assert only(tmp_path / "deep", "report")
    assert only(tmp_path / "deep" / "report", "index.html", "numbers.json")


def test_an_older_report_is_replaced_as_a_whole(tmp_path):
    old = tmp_path / "report"
    old.mkdir()
    write_report(old, "old")
    (old / "figures").mkdir()
    with replaced_folder(old) as folder:
        write_report(folder)
    assert (old / "index.html").read_text() == "new"
    assert not (old / "figures").exists()
    assert only(tmp_path, "report")


def test_what_somebody_put_into_an_older_report_stays(tmp_path):
    """The commands of a page run in its folder, and leave figures and models there."""
    old = tmp_path / "report"
    write_report_with_files(old)
    with replaced_folder(old) as folder:
        write_report(folder)
        (folder / "notes.txt").write_text("the report's own")
    assert only(old, "index.html", "numbers.json", "why.png", "notes.txt", "mine")
    assert (old / "why.png").read_text() == "a figure"
    assert (old / "mine" / "more.inklens").read_text() == "a model"
    assert (old / "notes.txt").read_text() == "the report's own"
    assert only(tmp_path, "report")


def test_nothing_of_somebody_s_is_lost_where_it_cannot_be_moved(tmp_path, monkeypatch):
    old = tmp_path / "report"
    write_report_with_files(old)

    def fails(self, target, rename=Path.rename):
        if self.name == "why.png":
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(OutputError, match="Input/output"), replaced_folder(old) as folder:
        write_report(folder)
    assert [path.read_text() for path in tmp_path.rglob("why.png")] == ["a figure"]


@pytest.mark.parametrize("name", ["report", "it's", "two\nlines"])
def test_what_cannot_be_written_is_named_by_the_folder_that_was_asked_for(name, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OutputError, match="No space") as caught, replaced_folder(tmp_path / name) as folder:
        write_text(folder / "figures" / "map.svg", "a figure")
    assert repr(str(tmp_path / name / "figures" / "map.svg"))[1:-1] in str(caught.value)
    assert folder.name not in str(caught.value)
    assert not list(tmp_path.iterdir())


def write_report_with_files(folder):
    """A report with all that it may hold, and files beside that are somebody's."""
    folder.mkdir()
    write_report(folder, "old")
    for name in ("predictions.csv", "model.inklens", "picture.jpeg"):
        (folder / name).write_text("old")
    (folder / "figures").mkdir()
    (folder / "mine").mkdir()
    (folder / "mine" / "more.inklens").write_text("a model")
    (folder / "why.png").write_text("a figure")
    (folder / "notes.txt").write_text("old")


@pytest.mark.parametrize("failure", [KeyboardInterrupt, ValueError("no"), OSError(28, "No space left on device")])
def test_an_older_report_survives_a_failure(tmp_path, failure):
    old = tmp_path / "report"
    old.mkdir()
    write_report(old, "old")
    with pytest.raises((KeyboardInterrupt, ValueError, OutputError)):  # noqa: PT012, SIM117 (the block is what fails)
        with replaced_folder(old) as folder:
            (folder / "index.html").write_text("half")
            raise failure
    assert (old / "index.html").read_text() == "old"
    assert only(tmp_path, "report")


def test_an_older_report_survives_a_failing_rename(tmp_path, monkeypatch):
    old = tmp_path / "report"
    old.mkdir()
    write_report(old, "old")
    rename = type(old).rename
    calls = []

    def second_fails(self, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(type(old), "rename", second_fails)
    with pytest.raises(OutputError, match="Input/output"), replaced_folder(old) as folder:
        write_report(folder)
    monkeypatch.undo()
    assert (old / "index.html").read_text() == "old"
    assert only(tmp_path, "report")


def test_a_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match=r"thesis\.txt"), replaced_folder(tmp_path):
        pytest.fail("the block must not run")
    assert only(tmp_path, "thesis.txt")


def test_a_link_to_a_report_is_followed_and_stays(tmp_path):
    old = tmp_path / "elsewhere" / "report"
    old.mkdir(parents=True)
    write_report(old)
    (tmp_path / "link").symlink_to("elsewhere/report")
    with replaced_folder(tmp_path / "link") as folder:
        write_report(folder)
        (folder / "index.html").write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (old / "index.html").read_text() == "new"
    assert only(old.parent, "report")


def test_files_and_links_to_other_folders_are_refused(tmp_path):
    file = tmp_path / "report"
    file.write_text("mine")
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    for place in (file, link, file / "below"):
        with pytest.raises(OutputError), replaced_folder(place):
            pytest.fail("the block must not run")
    assert file.read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_place_is_one_clear_error(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="may write"), replaced_folder(tmp_path / "report"):
            pytest.fail("the block must not run")
    finally:
        tmp_path.chmod(0o700)


KILLED = """
import os, sys
from pathlib import Path
from inklens.pages import replaced_folder
step, out = sys.argv[1:]

def dies(self, target, rename=Path.rename):
    rename(self, target)
    if step == {Path(out): "in place"}.get(target, "moved aside"):
        os.kill(os.getpid(), 9)

Path.rename = dies
with replaced_folder(out) as folder:
    for name in ("index.html", "numbers.json"):
        (folder / name).write_text("killed")
    if step == "building":
        os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
@pytest.mark.parametrize("step", ["building", "moved aside", "in place"])
def test_the_next_writer_puts_right_what_a_killed_one_left(tmp_path, step):
    out = tmp_path / "report"
    write_report_with_files(out)
    (tmp_path / ".report.mine.part").mkdir()
    done = subprocess.run([sys.executable, "-c", KILLED, step, out])
    assert done.returncode == -signal.SIGKILL
    assert not only(tmp_path, "report", ".report.mine.part")
    with pytest.raises(KeyError), replaced_folder(out):  # even where the next one fails
        raise KeyError
    assert only(tmp_path, "report", ".report.mine.part")
    assert (out / "index.html").read_text() == ("killed" if step == "in place" else "old")
    assert (out / "why.png").read_text() == "a figure"
    assert (out / "mine" / "more.inklens").exists()


def test_a_living_writer_s_folder_is_left_alone(tmp_path):
    out = tmp_path / "report"
    with replaced_folder(out) as first:
        write_report(first, "first")
        with replaced_folder(out) as second:
            write_report(second, "second")
        assert first.exists()
    assert (out / "index.html").read_text() == "first"
    assert only(tmp_path, "report")
