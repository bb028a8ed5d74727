"""What a command reads is never what it writes: photos and tables that somebody filled in cannot be made again."""

import os

import click
import pytest
from command import run
from test_cli_outputs import OUTPUTS, commands

from inklens.cli.keeping import Keeping, refuse_losses
from inklens.cli.main import inklens
from inklens.cli.output import DataSpec, OutFile, OutFolder

FILES = {name: (names, option) for name, (names, option) in OUTPUTS.items() if isinstance(option.type, OutFile)}
COMMANDS = dict(commands(inklens))


def inputs(command):
    return [
        parameter
        for parameter in command.params
        if isinstance(parameter, click.Argument)
        or (isinstance(parameter.type, click.Path | DataSpec) and not isinstance(parameter.type, OutFile | OutFolder))
    ]


def refusal(command, **values):
    """Return what is said of a call, None where nothing is."""
    context = click.Context(command)
    context.params = {parameter.name: values.get(parameter.name) for parameter in command.params}
    try:
        refuse_losses(context)
    except click.UsageError as error:
        return error.format_message()
    return None


def test_every_command_is_looked_at():
    assert all(isinstance(command.callback, Keeping) for command in COMMANDS.values())


@pytest.mark.parametrize(("names", "option"), FILES.values(), ids=FILES)
def test_no_output_is_an_input_or_another_output(names, option, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "link").symlink_to("mine")
    (tmp_path / "folder").symlink_to(tmp_path)
    command = COMMANDS[names]
    others = [other for other in command.params if isinstance(other.type, OutFile) and other is not option]
    for other in [*inputs(command), *others]:
        for place in ("mine", "./mine", "link", "folder/mine", str(tmp_path / "mine")):
            given = ("elsewhere", place) if other.nargs == -1 or getattr(other, "multiple", False) else place
            said = refusal(command, **{option.name: "mine", other.name: given})
            assert said is not None, (other.name, place)
            assert "would write over" in said
            assert "; name another file" in said
        if isinstance(other.type, DataSpec):
            assert refusal(command, **{option.name: "mine", other.name: "csv:mine?label=3"})
        assert refusal(command, **{option.name: "yours", other.name: "mine"}) is None
        assert refusal(command, **{option.name: os.devnull, other.name: os.devnull}) is None


def test_words_that_are_no_paths_are_no_inputs(tmp_path):
    assert refusal(COMMANDS["export",], title="a.html", out="a.html") is None


def test_a_corrected_model_may_take_the_place_of_what_it_was_made_of():
    labels = COMMANDS["labels",]
    assert refusal(labels, model="m.inklens", decided="t.csv", out="m.inklens") is None
    assert refusal(labels, model="m.inklens", decided="t.csv", out="t.csv")
    assert refusal(labels, model="m.inklens", out="m.inklens")


def test_it_is_told_before_any_work(tmp_path):
    (tmp_path / "photo.png").write_bytes(b"no picture at all")
    done = run("read", "photo.png", "--boxes", "photo.png", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--boxes would write over photo.png, which is IMAGE, too; name another file" in done.stderr
    assert (tmp_path / "photo.png").read_bytes() == b"no picture at all"
