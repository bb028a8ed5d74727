"""Every place that a command writes to: refused before any work where nothing of that kind can be written."""

import os
import stat
import subprocess
import sys

import click
import pytest
from command import run

from inklens.cli.main import inklens
from inklens.cli.output import Number, OutFigure, OutFile, OutFolder

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
