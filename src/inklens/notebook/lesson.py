"""The tutorial as a notebook of the student's own: its cells, run here and now, with all they show.

The lesson is a script whose cells are marked (``# %%``), so that its changes can be read; jupytext makes it a notebook
and nbclient runs it.
"""

import atexit
import contextlib
import os
import tempfile
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from inklens.errors import DataError, InklensError, OutputError, require, tells_of_little_memory
from inklens.progress import Progress
from inklens.storage import write_text

if TYPE_CHECKING:
    from nbformat import NotebookNode

LESSONS = ("tutorial", "siblings")
SECONDS_A_CELL = 300


class LessonError(InklensError, RuntimeError):
    """A cell of a lesson failed."""


def lesson_text(name: str = "tutorial") -> str:
    """Return a lesson as a script with marked cells.

    Raises
    ------
    DataError
        There is no lesson of this name.

    Examples
    --------
    >>> "# %% [markdown]" in lesson_text()
    True
    """
    if name not in LESSONS:
        raise DataError(f"expected one of the lessons {', '.join(LESSONS)}, got {name!r}")
    packaged = files("inklens.notebook").joinpath(f"lessons/{name}.py")
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return (Path(__file__).parents[3] / "notebooks" / f"{name}.py").read_text(encoding="utf-8")  # a checkout


def make_notebook(text: str) -> "NotebookNode":
    """Return a lesson as a notebook whose cells have not run.

    Raises
    ------
    MissingPackageError
        jupytext is not installed.
    """
    jupytext = require("jupytext", extra="notebook")
    book = jupytext.reads(text, fmt="py:percent")
    for number, cell in enumerate(book.cells):
        cell["id"] = f"cell-{number}"  # the same lesson is the same file
    return book


def run_notebook(book: "NotebookNode", folder: Path, progress: Progress) -> None:
    """Run all cells in a folder, in place; no cell of the lesson asks for a network.

    Raises
    ------
    MissingPackageError
        nbclient or ipykernel is not installed.
    LessonError
        A cell failed; the notebook holds what ran before it.
    """
    nbclient = require("nbclient", extra="notebook")
    require("ipykernel", extra="notebook")
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    n_code = sum(cell.cell_type == "code" for cell in book.cells)
    ran = 0

    def tell(cell: "NotebookNode", cell_index: int, **_: object) -> None:
        nonlocal ran
        ran += 1
        progress(ran, n_code, f"cell {ran} of {n_code}")

    client = nbclient.NotebookClient(
        book,
        timeout=SECONDS_A_CELL,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        on_cell_executed=tell,
        store_widget_state=True,  # so that buttons are drawn where the file is opened
    )
    with (
        tempfile.TemporaryDirectory(prefix="inklens-") as private,
        tempfile.TemporaryFile() as told,  # by the kernel for itself; what cells say is in their output
        _quiet_debugger(),
    ):
        try:
            if os.name != "nt":  # sockets that only this user reaches, not open ports
                manager = client.create_kernel_manager()
                manager.transport, manager.ip = "ipc", str(Path(private) / "kernel")
            client.execute(stderr=told)
        except CellExecutionError as error:
            raise _failed(f"cell {ran} of the notebook failed", error.ename, error.evalue) from error
        except CellTimeoutError as error:
            raise LessonError(f"cell {ran + 1} of the notebook failed: {error}") from error
        except (DeadKernelError, RuntimeError, OSError) as error:  # nbclient has none of its own for a start
            atexit.unregister(client._cleanup_kernel)  # it would look for the kernel again
            started = isinstance(error, DeadKernelError)
            what = f"cell {ran + 1} of the notebook failed" if started else "the notebook's Python did not start"
            told.seek(0)
            said = _last_line(told.read().decode("utf-8", "replace")) or str(error)
            kind, _, text = said.partition(":")
            raise _failed(what, kind, text) from error
    for cell in book.cells:
        cell.metadata.pop("execution", None)  # when each cell ran differs from run to run


def _failed(what: str, kind: str, text: str) -> Exception:
    """Return the error of a cell, or of a kernel, that ended with another of that kind."""
    if tells_of_little_memory(kind, text):
        return MemoryError(f"{what}, for it found too little; give more, or write the notebook as it is, with --no-run")
    said = ": ".join(part for part in (kind, _last_line(text)) if part)  # of an import, the reason behind the advice
    return LessonError(f"{what}: {said}; --no-run writes it as it is")


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[-1].strip()


@contextlib.contextmanager
def _quiet_debugger() -> Iterator[None]:
    """Spare the kernel's warning about frozen modules, which only matters in a debugger."""
    before = os.environ.get("PYDEVD_DISABLE_FILE_VALIDATION")
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYDEVD_DISABLE_FILE_VALIDATION"]
        else:
            os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = before


def write_notebook(folder: str | os.PathLike[str], name: str, *, run: bool, progress: Progress) -> Path:
    """Write a lesson into a folder, run where it will stand; return its path. A notebook that is there is kept.

    Parameters
    ----------
    folder : path
        Made if it is missing.
    name : {"tutorial", "siblings"}
    run : bool
        Whether all cells run first, so that the notebook opens with everything they show.

    Raises
    ------
    OutputError
        There is a notebook of this name already, or nothing can be written here.
    LessonError
        A cell failed; nothing is written.
    """
    import nbformat

    place = Path(folder)
    path = place / f"{name}.ipynb"
    if path.exists():
        raise OutputError(
            f"{path} is there already, perhaps with your own work; move it, or name another folder with -o"
        )
    book = make_notebook(lesson_text(name))
    is_ours = not place.exists()
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {str(place)!r}: {error.strerror}") from error
    if run:
        try:
            run_notebook(book, place, progress)
        except BaseException:
            if is_ours:
                with contextlib.suppress(OSError):
                    place.rmdir()
            raise
    write_text(path, nbformat.writes(book) + "\n")
    return path
