"""No command writes over what it reads, or twice to one file: a photo, or a table that was filled in, would be lost."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import click

from inklens.cli.output import DataSpec, OutFile, OutFolder
from inklens.cli.terminal import shown
from inklens.storage import keeps_all


@dataclass(frozen=True)
class Keeping:
    """A command's function, called once its outputs are none of its inputs."""

    function: Callable[..., object]

    def __call__(self, *args: Any, **kwargs: Any) -> object:
        refuse_losses(click.get_current_context())
        return self.function(*args, **kwargs)


def keeping(command: click.Command) -> click.Command:
    """Return a command, or a group with all its commands, that keeps what it reads."""
    if isinstance(command, click.Group):
        for part in command.commands.values():
            keeping(part)
    elif command.callback is not None and not isinstance(command.callback, Keeping):
        command.callback = Keeping(command.callback)
    return command


def refuse_losses(ctx: click.Context) -> None:
    """Refuse an output that is an input, or another output.

    A model may take the place of the one whose labels it corrects: ``labels MODEL --refit CSV -o MODEL``.

    Raises
    ------
    UsageError
        Such a file, with both of its uses.
    """
    uses: dict[str, click.Parameter] = {}
    for parameter in sorted(ctx.command.params, key=lambda parameter: isinstance(parameter.type, OutFile)):
        is_output = isinstance(parameter.type, OutFile)
        for path in _paths(parameter, ctx.params.get(parameter.name or "")):
            before = uses.setdefault(_place(path), parameter)
            is_corrected = before.name == "model" and ctx.params.get("decided") is not None
            if is_output and before is not parameter and not is_corrected and not keeps_all(path):
                text = f"{_name(parameter, ctx)} would write over {shown(path)}, which is {_name(before, ctx)}, too"
                raise click.UsageError(f"{text}; name another file", ctx)


def _place(path: str) -> str:
    """Return where a path leads; itself where that cannot be seen, as from a folder that is gone."""
    try:
        return os.path.realpath(path)
    except OSError:
        return path


def _paths(parameter: click.Parameter, value: object) -> Iterator[str]:
    """Yield the files that a parameter names, as far as can be seen."""
    kinds = (click.Path, DataSpec)
    if isinstance(parameter.type, OutFolder) or not (isinstance(parameter, click.Argument | click.Option)):
        return
    if not (isinstance(parameter, click.Argument) or isinstance(parameter.type, kinds)):
        return
    for text in value if isinstance(value, tuple | list) else (value,):
        if isinstance(text, str) and text not in ("", "-"):
            yield text
            if isinstance(parameter.type, DataSpec) and ":" in text:
                yield text.partition(":")[2].partition("?")[0]


def _name(parameter: click.Parameter, ctx: click.Context) -> str:
    return parameter.opts[-1] if isinstance(parameter, click.Option) else parameter.make_metavar(ctx).strip("[].")
