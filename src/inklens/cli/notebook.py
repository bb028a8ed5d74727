"""`inklens notebook`."""

import shutil
import subprocess
import sys
from pathlib import Path

import click

from inklens.cli.output import out_option, progress_bar, say

FOLDER = "inklens-notebook"


@click.command()
@click.argument("name", type=click.Choice(["tutorial", "siblings"]), default="tutorial", metavar="[LESSON]")
@out_option("The folder that becomes yours.", metavar="DIR", default=FOLDER, show_default=True)
@click.option(
    "--run/--no-run", default=True, help="Run all cells first, so that it opens with all they show.  [default: --run]"
)
@click.option(
    "--open/--no-open",
    "opens",
    default=None,
    help="Start Jupyter on it.  [default: on a terminal, if Jupyter is there]",
)
def notebook(name: str, out: str, run: bool, opens: bool | None) -> None:
    """Put a lesson into a folder of yours as a Jupyter notebook, and start Jupyter.

    \b
    Lessons:
      tutorial   from pictures of digits to a model that says why, and proves how good it is  [default]
      siblings   the same digits, read by neighbours, trees and support vectors

    \b
    Examples:
      inklens notebook
      inklens notebook -o monday --no-run
      inklens notebook siblings

    Its cells ask for no network. A notebook that is there already is never written over.
    """
    from inklens.notebook.lesson import write_notebook

    with progress_bar() as progress:
        path = write_notebook(out, name, run=run, progress=progress)
    say(f"{path}  ({path.stat().st_size / 1e6:.1f} MB)")
    jupyter = _jupyter()
    if jupyter is None:
        say("Open it with Jupyter (pip install jupyterlab), VS Code, or any other program for notebooks.")
    elif opens or (opens is None and sys.stdout.isatty()):
        subprocess.run([*jupyter, str(path)], check=False)
    else:
        say(f"Open it:  {' '.join([*jupyter, str(path)])}")


def _jupyter() -> list[str] | None:
    """Return the command that opens a notebook in the browser: beside this Python first, then on the path."""
    beside = Path(sys.executable).parent
    for program in ("jupyter-lab", "jupyter-notebook"):
        found = shutil.which(program, path=str(beside)) or shutil.which(program)
        if found:
            return [found if Path(found).parent != beside else str(beside / program)]
    return None
