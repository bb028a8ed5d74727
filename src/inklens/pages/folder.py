"""A folder that is replaced as a whole, or left as it was."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inklens.errors import OutputError

MARKER = "numbers.json"  # with index.html: what tells a report from somebody's folder


@contextmanager
def replaced_folder(out: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield an empty folder that takes the name `out` when the block ends without an error.

    On any failure, Ctrl-C included, the new folder is removed and an older report stays as it was.

    Raises
    ------
    OutputError
        `out` is something other than a report or an empty folder, or cannot be written.
    """
    out = Path(out).absolute()
    _check_replaceable(out)
    building = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name[:40]}.", suffix=".part"))
        yield building
        building.chmod(0o755)
        _check_replaceable(out)
        _swap(building, out)
    except OSError as error:
        if isinstance(error, OutputError) or error.errno is None:
            raise
        raise OutputError(
            f"cannot write {str(out)!r}: {error.strerror}; choose a folder that you may write to, with room on its disk"
        ) from error
    finally:
        if building is not None:
            shutil.rmtree(building, ignore_errors=True)


def _check_replaceable(out: Path) -> None:
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise OutputError(f"{str(out)!r} is not a folder; choose another place for the report")
    try:
        names = {path.name for path in out.iterdir()} if out.exists() else set()
    except OSError as error:
        raise OutputError(f"cannot look into {str(out)!r}: {error.strerror}; choose another folder") from error
    if names and not {MARKER, "index.html"} <= names:
        raise OutputError(
            f"{str(out)!r} holds other files ({sorted(names)[0]!r}) and would be replaced; "
            "choose a new folder, an empty one, or one with an older report"
        )


def _swap(new: Path, out: Path) -> None:
    """Rename `new` to `out`; an older folder is moved aside first and put back if that fails."""
    aside = None
    if out.exists():
        aside = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name[:40]}.", suffix=".old"))
        out.rename(aside / "report")
    try:
        new.rename(out)
    except BaseException:
        if aside is not None:
            (aside / "report").rename(out)
        raise
    finally:
        if aside is not None:
            shutil.rmtree(aside, ignore_errors=True)
