"""A report's folder: the names of its files, and how it is replaced as a whole, or left as it was.

The next writer puts right what a killed one has left.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from inklens.errors import OutputError
from inklens.storage import PART, abandoned, temporary_folder, write_text

if TYPE_CHECKING:
    from inklens.reader import DigitReader

OLD = ".old"  # where an older report waits while a new one takes its name
PAGE, NUMBERS = "index.html", "numbers.json"  # both together: what tells a report from somebody's folder
PREDICTIONS, MODEL, FIGURES = "predictions.csv", "model.inklens", "figures"
OWN = (PAGE, NUMBERS, PREDICTIONS, MODEL, FIGURES, "picture.*")  # what reports hold


def write_report(
    folder: Path, *, page: str, numbers: Mapping[str, object], predictions: str, reader: "DigitReader"
) -> None:
    """Write what every report holds but its figures: the page last, so that what it names is there."""
    write_text(folder / NUMBERS, json.dumps(numbers, indent=1, allow_nan=False, ensure_ascii=False))
    write_text(folder / PREDICTIONS, predictions)
    reader.save(folder / MODEL)
    write_text(folder / PAGE, page)


@contextmanager
def replaced_folder(out: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield an empty folder that takes the name `out` when the block ends without an error.

    Files that are not a report's own, such as those that its commands have made, move from an older report to the new
    one. On any failure, Ctrl-C included, the new folder is removed and an older report stays as it was.

    Raises
    ------
    OutputError
        `out` is something other than a report or an empty folder, or cannot be written.
    """
    building, handle = None, None
    try:
        out = Path(os.path.realpath(out))  # a link stays one
        _check_replaceable(out)
        out.parent.mkdir(parents=True, exist_ok=True)
        _recover(out)
        building, handle = temporary_folder(out, PART)
        yield building
        building.chmod(0o755)
        _check_replaceable(out)
        _swap(building, out)
    except OutputError as error:
        unfinished, asked_for = (repr(os.fspath(place))[1:-1] for place in (building or out, out))
        raise OutputError(str(error).replace(unfinished, asked_for)) from error
    except OSError as error:
        if error.errno is None:
            raise
        raise OutputError(
            f"cannot write {str(out)!r}: {error.strerror}; choose a folder that you may write to, with room on its disk"
        ) from error
    finally:
        if building is not None and handle is not None:
            shutil.rmtree(building, ignore_errors=True)
            os.close(handle)


def _recover(out: Path) -> None:
    """Remove what writers of this report have left that were killed; an older report that one had moved comes back."""
    for half_done in abandoned(out, PART):
        shutil.rmtree(half_done, ignore_errors=True)
    for aside in abandoned(out, OLD):
        old = aside / "report"
        if not out.exists() and old.exists():
            old.rename(out)
        elif old.exists():
            _keep_others(old, out)
        shutil.rmtree(aside, ignore_errors=True)


def _check_replaceable(out: Path) -> None:
    if os.path.lexists(out) and not out.is_dir():
        raise OutputError(f"{str(out)!r} is not a folder; choose another place for the report")
    try:
        names = {path.name for path in out.iterdir()} if out.exists() else set()
    except OSError as error:
        raise OutputError(f"cannot look into {str(out)!r}: {error.strerror}; choose another folder") from error
    if names and not {PAGE, NUMBERS} <= names:
        raise OutputError(
            f"{str(out)!r} holds other files ({sorted(names)[0]!r}) and would be replaced; "
            "choose a new folder, an empty one, or one with an older report"
        )


def _swap(new: Path, out: Path) -> None:
    """Rename `new` to `out`; an older folder is moved aside first, and put back if that fails.

    It is removed last, when nothing of somebody else's is in it any more.
    """
    if not out.exists():
        new.rename(out)
        return
    aside, handle = temporary_folder(out, OLD)
    try:
        old = aside / "report"
        out.rename(old)
        try:
            new.rename(out)
        except BaseException:
            old.rename(out)
            aside.rmdir()
            raise
        _keep_others(old, out)
        shutil.rmtree(aside, ignore_errors=True)
    finally:
        os.close(handle)


def _keep_others(old: Path, new: Path) -> None:
    """Move what is not a report's own, and has no namesake in the new one."""
    for path in old.iterdir():
        if not any(path.match(name) for name in OWN) and not (new / path.name).exists():
            path.rename(new / path.name)
