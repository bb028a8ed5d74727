"""Every place that a command writes to: refused before any work where nothing of that kind can be written."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import pytest
from command import run
from PIL import Image

from inklens.classroom.drawn import Drawn, document
from inklens.cli.main import inklens
from inklens.cli.output import Number, OutFigure, OutFile, OutFolder
from inklens.datasets import load_dataset

READ = {"--add", "--model", "--photo", "--refit", "--relabel"}  # paths that are only read


def commands(group, *names):
    """Yield every command below a group, with its names."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)
        else:
            yield (*names, name), command


OUTPUTS = {
    f"{' '.join(names)} {option.opts[-1]}": (names, option)
    for names, command in commands(inklens)
    for option in command.params
    if isinstance(option, click.Option) and isinstance(option.type, OutFile | OutFolder)
}
every_output = pytest.mark.parametrize(("names", "option"), OUTPUTS.values(), ids=OUTPUTS)


def refused(names, option, place, *words):
    """Assert that the option's place is refused in one line, before a command asks for anything else."""
    with pytest.raises(click.UsageError) as caught:
        option.type_cast_value(click.Context(click.Command(names[-1])), str(place))
    message = caught.value.format_message()
    assert "\n" not in message
    for word in words:
        assert word in message


def test_all_that_is_written_is_declared_so():
    """No other option takes a path: what is neither read nor one of the two kinds would escape the laws here."""
    for names, command in commands(inklens):
        for option in command.params:
            if isinstance(option, click.Option) and isinstance(option.type, click.Path):
                assert isinstance(option.type, OutFile | OutFolder) or READ & set(option.opts), (names, option.opts)
    assert len(OUTPUTS) > 25


@every_output
def test_a_dash_is_standard_output_or_refused(names, option):
    if names == ("export",):
        assert option.type_cast_value(click.Context(click.Command("export")), "-") == "-"
    else:
        refused(names, option, "-", "standard output", "./-")


@every_output
def test_a_folder_for_a_file_and_a_file_for_a_folder_are_refused(names, option, tmp_path):
    (tmp_path / "folder.svg").mkdir()
    (tmp_path / "file").write_bytes(b"mine")
    if isinstance(option.type, OutFolder) or option.type.or_folder:
        refused(names, option, tmp_path / "file", "file")
    else:
        refused(names, option, tmp_path / "folder.svg", "directory")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
@every_output
def test_what_is_no_folder_never_becomes_one(names, option, tmp_path):
    if isinstance(option.type, OutFile) and not option.type.or_folder:
        return
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "nowhere").symlink_to("nothing")
    (tmp_path / "loop").symlink_to("loop")
    os.mknod(tmp_path / "socket", stat.S_IFSOCK | 0o600)
    for name in ("fifo", "nowhere", "loop", "socket"):
        refused(names, option, tmp_path / name, name, "no folder")
    refused(names, option, "/dev/stdout")
    (tmp_path / "link").symlink_to(tmp_path)
    assert option.type_cast_value(click.Context(click.Command("x")), str(tmp_path / "link")) == str(tmp_path / "link")


@every_output
def test_a_figure_of_no_kind_that_is_drawn_is_refused(names, option, tmp_path):
    assert isinstance(option.type, OutFigure) == (option.metavar == "FIGURE")
    if option.metavar == "FIGURE":
        for name in ("map.foo", "map", "map.png.gz", ".svg", "svg", "map.", "-.pdf"):
            refused(names, option, tmp_path / name, "ending in", "png")
        assert option.type_cast_value(click.Context(click.Command("x")), str(tmp_path / "a.b.PNG")).endswith("a.b.PNG")


@pytest.mark.parametrize(
    "args",
    [
        ("evaluate", "--mistakes", "4", "9", "-o", "map.pdf"),
        ("evaluate", "--mistakes", "4", "9", "-o", "folder"),
        ("evaluate", "-o", "file.svg"),
        ("evaluate", "--certainty", "-o", "file.svg"),
        ("labels", "-o", "map.pdf"),
    ],
)
def test_where_options_say_of_which_kind_an_output_is_another_is_refused_before_any_work(args, tmp_path):
    (tmp_path / "file.svg").write_bytes(b"mine")
    done = run(args[0], "no-such-model", *args[1:], cwd=tmp_path)
    assert (done.returncode, args[-1] in done.stderr) == (2, True), done.stderr
    assert (tmp_path / "file.svg").read_bytes() == b"mine"


def test_no_number_is_nan_or_beyond_all():
    """Every option that takes a number of a range is finite, and each option that takes any float is known here."""
    free = set()
    for names, command in commands(inklens):
        for option in command.params:
            if isinstance(option.type, Number):
                for text in ("nan", "inf", "-inf", "NaN", "1e999"):
                    with pytest.raises(click.BadParameter):
                        option.type_cast_value(
                            click.Context(click.Command(names[-1])), (text,) if option.multiple else text
                        )
            elif isinstance(option.type, click.types.FloatParamType):
                free.add((names[-1], option.name))
    assert free == {("fit", "C"), ("path", "C")}, "where inf means no penalty"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """What the commands below work on, by name."""
    folder = tmp_path_factory.mktemp("made")
    for name, strength in (("model", "1"), ("other", "0.01")):
        run("fit", "--train", "200", "--test", "50", "--tol", "0.1", "--C", strength, "-o", folder / f"{name}.inklens")
    digits = load_dataset()
    photos = [folder / name for name in ("photo.png", "another.png")]
    for photo, X in zip(photos, digits.X[5:], strict=False):
        Image.fromarray(255 - X.reshape(28, 28)).resize((140, 140)).save(photo)
    (folder / "drawn").mkdir()
    drawn = [
        Drawn(str(label), X.tobytes(), "key", None, None) for X, label in zip(digits.X[:8], digits.y, strict=False)
    ]
    (folder / "drawn" / "a.json").write_text(document(drawn), encoding="utf-8")
    both = [arg for photo in photos for arg in ("--photo", photo)]
    run("homework", "new", folder / "homework", *both, "--model", folder / "model.inklens")
    return folder


ROWS = ("--train", "200", "--test", "50")
WRITES = {  # one call for every option that names a file
    "read --steps": ("s.png", "read", "photo.png", "--model", "model.inklens"),
    "read --boxes": ("b.png", "read", "photo.png", "--model", "model.inklens"),
    "fit --out": ("m.inklens", "fit", *ROWS, "--tol", "0.1"),
    "path --out": ("p.svg", "path", *ROWS, "--points", "2", "--C", "0.01"),
    "explain --out": ("e.svg", "explain", "photo.png", "--model", "model.inklens"),
    "flip --out": ("f.svg", "flip", "photo.png", "--model", "model.inklens"),
    "votes --out": ("v.svg", "votes", "photo.png", "--model", "model.inklens"),
    "export --out": ("w.json", "export", "model.inklens"),
    "evaluate --predictions": ("p.csv", "evaluate", "model.inklens"),
    "evaluate --out": ("m.svg", "evaluate", "model.inklens", "--mistakes", "4", "9"),
    "siblings --out": ("s.html", "siblings", *ROWS, "--only", "tree", "--no-open"),
    "compare --out": ("c.svg", "compare", "model.inklens", "other.inklens"),
    "stability --out": ("s.svg", "stability", "model.inklens", "--by", "halves", "--refits", "2"),
    "data twins --out": ("t.svg", "data", "twins", "embedded", *ROWS),
    "labels --table": ("l.csv", "labels", "model.inklens", "--folds", "2", "-n", "2"),
    "labels --out": ("l.svg", "labels", "model.inklens", "--folds", "2", "-n", "2"),
    "homework hand-in --out": ("h.inkwork", "homework", "hand-in", "homework", "--no-open"),
    "class wall --out": ("w.html", "class", "wall", "drawn", "--no-refit", "--no-open", "--model", "model.inklens"),
}
ANEW = {"fit --out", "siblings --out", "homework hand-in --out"}  # which say when they were made, or how long it took


def test_every_option_that_names_a_file_is_called():
    files = {name for name, (_, option) in OUTPUTS.items() if isinstance(option.type, OutFile)}
    assert WRITES.keys() == files


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
@pytest.mark.parametrize("called", WRITES)
def test_every_command_follows_a_link_and_writes_through_a_pipe(called, made, tmp_path):
    """What arrives is the file, and the link and the pipe are what they were."""
    name, *args = WRITES[called]
    option, link, pipe = called.rpartition(" ")[2], tmp_path / f"link-{name}", tmp_path / f"pipe-{name}"
    target = tmp_path / "elsewhere" / name
    target.parent.mkdir()
    target.write_bytes(b"old")
    link.symlink_to(Path("elsewhere") / name)
    done = run(*args, option, link, cwd=made)
    assert done.returncode == 0, done.stderr
    assert link.is_symlink()
    assert [path.name for path in target.parent.iterdir()] == [name]
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        arrived = pool.submit(pipe.read_bytes)
        done = run(*args, option, pipe, cwd=made)
        if not arrived.done():  # nothing was written: let the reader go
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
    assert done.returncode == 0, done.stderr
    assert stat.S_ISFIFO(pipe.lstat().st_mode)
    written = target.read_bytes()
    assert len(written) > 100
    assert arrived.result()[:100] == written[:100] if called in ANEW else arrived.result() == written
    assert {path.name for path in tmp_path.iterdir()} == {"elsewhere", link.name, pipe.name}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.slow
@pytest.mark.parametrize(
    "called", [name for name in WRITES if WRITES[name][0].endswith(("inklens", "json", "csv", "inkwork"))]
)
def test_a_full_device_is_one_line_for_every_command_that_can_name_it(called, made):
    _, *args = WRITES[called]
    done = run(*args, called.rpartition(" ")[2], "/dev/full", cwd=made)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "cannot write '/dev/full': No space left on device" in done.stderr


def test_a_homework_is_no_stream(tmp_path):
    done = run("homework", "new", "-", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_page_on_standard_output_is_all_that_is_there(tmp_path):
    model = tmp_path / "m.inklens"
    run("fit", "--train", "200", "--test", "50", "--tol", "0.1", "-o", model)
    page = run("export", model, "--no-path", "--samples", "0", "-o", "-").stdout
    assert page.startswith("<!doctype html>")
    assert page.rstrip().endswith("</html>")
    done = run("export", model, "--no-path", "-o", "-", "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--json does not go with -o -" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use cannot be removed there")
def test_a_folder_that_is_gone_is_no_failure_of_what_lies_elsewhere(tmp_path):
    (tmp_path / "gone").mkdir()
    code = (
        "import os, sys; os.rmdir(os.getcwd()); from inklens.cli.main import main; sys.argv[0] = 'inklens'\n"
        "main(['fit', '--train', '200', '--test', '50', '--tol', '0.1', '-o', sys.argv[1]])"
    )
    for place, returned in ((tmp_path / "m.inklens", 0), ("m.inklens", 1)):
        done = subprocess.run(
            [sys.executable, "-c", code, place], cwd=tmp_path / "gone", capture_output=True, text=True, check=False
        )
        assert (done.returncode, "Traceback" in done.stderr) == (returned, False), done.stderr
        (tmp_path / "gone").mkdir()
    assert (tmp_path / "m.inklens").is_file()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs /dev/stdout")
def test_a_model_goes_down_a_pipe_in_front_of_what_is_said_of_it(tmp_path):
    args = [sys.executable, "-m", "inklens", "fit", "--train", "200", "--test", "50", "--tol", "0.1", "-o"]
    file = tmp_path / "m.inklens"
    subprocess.run([*args, file], check=True, capture_output=True)
    through = subprocess.run([*args, "/dev/stdout"], check=True, capture_output=True).stdout
    assert through[: file.stat().st_size][:200] == file.read_bytes()[:200]
    assert b"accuracy" in through[file.stat().st_size - 200 :]


@pytest.mark.skipif(os.name != "posix", reason="needs devices as files")
@pytest.mark.parametrize("place", ["model.inklens", "/dev/null"])
def test_commands_about_a_model_are_printed_where_there_is_one(tmp_path, monkeypatch, place):
    monkeypatch.chdir(tmp_path)
    done = run("fit", "--train", "60", "--test", "20", "--C", "0.01", "--tol", "0.1", "-o", place)
    assert done.returncode == 0
    assert ("evaluate" in done.stdout + done.stderr) == (tmp_path / place).is_file()
