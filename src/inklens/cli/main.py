"""The `inklens` command: its sub-commands by name, and one place where errors become exit codes."""

import atexit
import os
import re
import signal
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from keyword import iskeyword
from typing import NoReturn

import click

from inklens import __version__
from inklens.cli.foreign import option_of_today
from inklens.cli.terminal import echo
from inklens.errors import InklensError, ParameterError, tells_of_little_memory
from inklens.names import showable
from inklens.quiet import process_is_ours

# heading: name: (module, one line for `inklens --help`); a module is imported only when its command runs.
GROUPS = {
    "Start": {
        "demo": ("tutorial", "Run the whole tutorial on real digits and write a report."),
        "studio": ("studio", "Draw, see why, fool it and train, in the browser."),
        "doctor": ("doctor", "Say what this installation can do and how fast it will be."),
        "completion": ("completion", "Print the completion script for your shell."),
    },
    "Read": {
        "read": ("photos", "Read handwritten digits from photos, scans or drawings."),
        "collect": ("photos", "Keep your own digits, ready to be fitted."),
    },
    "Fit": {
        "fit": ("models", "Fit a softmax regression and prove how close to the optimum it stopped."),
        "path": ("models", "Follow coefficients and zeros from strong to weak penalty."),
    },
    "Understand": {
        "explain": ("explaining", "Show why a picture got its answer, pixel by pixel."),
        "flip": ("explaining", "Find the smallest change of ink that gives another answer, for one digit or for all."),
        "votes": ("explaining", "Show which training images speak for and against an answer."),
        "quiz": ("quiz", "Predict what the model says, then see its exact answer."),
        "report": ("tutorial", "Write a page about a fitted model."),
        "export": ("export", "Write a model as one live page, or for other programs: JSON, ONNX, C."),
    },
    "Judge": {
        "evaluate": ("judging", "Judge a model: accuracy, confusions, single mistakes, and how sure it is."),
        "siblings": ("siblings", "Let other classifiers race against softmax regression, and see how each decides."),
        "compare": ("certainty", "Judge two models on the same rows, and say whether that could be chance."),
        "stability": ("certainty", "Say how sure the coefficients are: would other rows give the same map?"),
    },
    "Data": {
        "data": ("data", "List, inspect, fetch or clear data sets; say what they leave open."),
        "labels": ("doubting", "Find training rows that are probably labelled wrong, and fit without these errors."),
    },
    "Classroom": {
        "notebook": ("notebook", "Put the tutorial into a folder of yours as a Jupyter notebook."),
        "homework": ("homework", "Hand in two digits of your own, and why a model reads them as it does."),
        "class": ("classroom", "Compute again what a class handed in, and show what it drew."),
    },
    "Trust": {
        "verify": ("models", "Recompute a model's objective and proven bound from its file."),
    },
}
COMMANDS = {name: command for group in GROUPS.values() for name, command in group.items()}

# Bytes of address space: below, NumPy cannot be loaded, or its OpenBLAS tries for ever, deaf to every signal.
LEAST_ROOM = 450_000 << 10
LITTLE_ROOM = "not enough memory to load NumPy and Pillow: give at least 600 MB (ulimit -v 600000, or unlimited)"

PRODUCT_SIDE = 256  # rows of a product; those of very small ones take no buffer

# What NumPy reads as whole numbers while it is imported, or does not let itself be imported.
WHOLE_NUMBERS = ("NUMPY_MADVISE_HUGEPAGE", "SOURCE_DATE_EPOCH")

# Older names that still run, with the same options and JSON: (module, what to write today).
OLDER = {
    "certainty": ("judging", "evaluate MODEL --certainty"),
    "mistakes": ("judging", "evaluate MODEL --mistakes TRUE ANSWER"),
    "limits": ("limits", "data limits"),
    "radii": ("limits", "flip --model MODEL --all"),
    "refit": ("doubting", "labels MODEL --refit CSV -o FILE"),
}


class LazyGroup(click.Group):
    """A group whose commands are imported on use, so that --help answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in reading order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        module, _ = COMMANDS.get(cmd_name) or OLDER.get(cmd_name) or (None, None)
        attribute = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        if module is None:
            return None
        from inklens.cli.keeping import keeping

        return keeping(getattr(import_module(f"inklens.cli.{module}"), attribute))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write names and lines without importing anything."""
        width = max(map(len, COMMANDS))  # one column in all groups
        for heading, group in GROUPS.items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), line) for name, (_, line) in group.items()])

    def resolve_command(self, ctx: click.Context, args: list[str]):
        """Find the command, or name the nearest one."""
        if args and args[0] not in {*COMMANDS, *OLDER} and not args[0].startswith("-"):
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(COMMANDS)}."
            raise click.UsageError(f"no command {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="inklens %(version)s")
@click.pass_context
def inklens(ctx: click.Context) -> None:
    """See-through classification of small images.

    \b
    Start here:
      inklens demo                      the whole tutorial, on digits that come with the package
      inklens read photo.jpg            your own handwriting
      inklens fit --C 1 --l1-ratio 1 -o sparse.inklens
      inklens evaluate sparse.inklens

    Every command takes --help; most take --json.
    """
    if ctx.invoked_subcommand is None:
        echo(ctx.get_help())
    elif _room() < LEAST_ROOM and {"-h", "--help"}.isdisjoint(sys.argv):
        raise click.ClickException(LITTLE_ROOM)
    elif _room() < float("inf"):
        _take_room_of_products()


def _take_room_of_products() -> None:
    """Let OpenBLAS, NumPy's and SciPy's, take its buffer now: left without one later, it ends the process itself."""
    import numpy as np
    from scipy.linalg import blas

    square = np.ones((PRODUCT_SIDE, PRODUCT_SIDE))
    blas.dgemm(1.0, square @ square, square)


def _room() -> float:
    """Return the bytes of address space that the process may take (`ulimit -v`)."""
    try:
        import resource
    except ImportError:  # Windows
        return float("inf")
    room, _ = resource.getrlimit(resource.RLIMIT_AS)
    return float("inf") if room == resource.RLIM_INFINITY else room


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _leave)
    lost = _replace_closed_streams()
    process_is_ours()
    _warn_in_one_line()
    for name in WHOLE_NUMBERS:
        if not re.fullmatch("[0-9]{1,10}", os.environ.get(name, "0")):
            del os.environ[name]
    code = _run(args)
    if lost and code == 0:
        code = _say("standard output is closed: what was to be printed is lost", 1)
    if args is None and _room() < float("inf"):
        atexit.register(_leave_at_once, code)
    sys.exit(code)


def _warn_in_one_line() -> None:
    """Say what warnings say to users, as errors are said, whatever PYTHONWARNINGS makes of them; no line of code."""
    warnings.resetwarnings()
    warnings.simplefilter("ignore")
    warnings.simplefilter("default", UserWarning)
    warnings.showwarning = lambda message, *_, **__: echo(f"inklens: {showable(str(message))}", err=True)


def _replace_closed_streams() -> bool:
    """Put what is empty in the place of a stream that the caller has closed; tell whether it was standard output.

    Its number too is taken: a model's file that got number 2 would hold what some library says on standard error.
    """
    lost = sys.stdout is None
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 (for the whole run)
    return lost


def _leave(number: int, frame: object) -> NoReturn:
    """End as Ctrl-C does, cleaning up on the way, with the signal's own exit code."""
    raise SystemExit(128 + number)


def _run(args: list[str] | None) -> int:
    try:
        code = inklens.main(args, prog_name="inklens", standalone_mode=False)
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.NoSuchOption as error:
        today = option_of_today(error, sys.argv[1:] if args is None else args)
        return _say(today or _usage(error), 2)
    except click.UsageError as error:
        return _say(_usage(error), 2)
    except click.ClickException as error:
        return _say(error.format_message(), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _say("stopped by Ctrl-C", 130)
    except ParameterError as error:
        return _say(str(error), 2)
    except InklensError as error:
        return _say(str(error), 1)
    except MemoryError as error:
        return _say(_little_memory(str(error), _takes_train(sys.argv[1:] if args is None else args)), 1)
    except (ImportError, SystemError, RuntimeError) as error:
        if not tells_of_little_memory(type(error).__name__, str(error)):
            raise
        return _say(_little_memory(str(error), False) if isinstance(error, RuntimeError) else LITTLE_ROOM, 1)
    except BrokenPipeError:
        return _drop_stdout()
    except OSError as error:
        if error.filename is not None:
            return _say(f"{error.filename!r}: {error.strerror}", 1)
        _drop_stdout()
        return _say(f"cannot write the output: {error.strerror}", 1)


def _leave_at_once(code: int) -> NoReturn:
    """End behind the other exit functions, which remove folders; libraries that had no room may crash as they go."""
    atexit.unregister(_leave_at_once)
    atexit._run_exitfuncs()
    os._exit(code)


def _little_memory(said: str, takes_train: bool) -> str:
    """Return what takes too much, as far as anybody said it; an error of ours says behind a semicolon what to do.

    >>> _little_memory("Unable to allocate 8 GiB", takes_train=True)
    'not enough memory: Unable to allocate 8 GiB; use fewer rows (--train) or close other programs'
    >>> _little_memory("10 columns take about 9 GB, and 1 GB are free; leave some out", takes_train=True)
    'not enough memory: 10 columns take about 9 GB, and 1 GB are free; leave some out'
    """
    what = f"not enough memory: {said}" if said else "not enough memory for this"
    remedy = "use fewer rows (--train)" if takes_train else "raise the limit, if there is one (ulimit -v),"
    return what if ";" in said else f"{what}; {remedy} or close other programs"


def _takes_train(args: Sequence[str]) -> bool:
    """Tell whether the command that was called has --train."""
    command: click.Command | None = inklens
    for name in args:
        if not isinstance(command, click.Group):
            break
        try:
            command = command.get_command(click.Context(command), name)
        except (MemoryError, ImportError, SystemError):
            return False
    return command is not None and any("--train" in option.opts for option in command.params)


def _usage(error: click.UsageError) -> str:
    path = error.ctx.command_path if error.ctx else "inklens"
    return f"{error.format_message().rstrip('.')}. Try: {path} --help"


def _say(message: str, code: int) -> int:
    echo(f"inklens: {showable(message)}", err=True)
    return code


def _drop_stdout() -> int:
    """Keep the interpreter from flushing a stdout that nobody reads."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1
