"""A class's hand-ins: each computed again in a process of its own, then all compared with each other."""

import io
import os
import stat
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from PIL import Image

from inklens import __version__
from inklens.classroom import boxed
from inklens.classroom.answers import handed_model, model_card
from inklens.classroom.archive import read_bytes
from inklens.classroom.copies import Look, TrainingImages, copied_words, shared_pictures
from inklens.classroom.recheck import Recheck
from inklens.classroom.work import SUFFIX, ModelCard
from inklens.errors import DataError
from inklens.progress import Progress
from inklens.reader import DigitReader
from inklens.reprs import Card, Shown

SCHEMA_VERSION = 1
PROCESSES = 2  # at a time
JPEG_QUALITY = 80
MOST_NAMED = 3  # files in a note
UNPROVEN = (
    "Who held the pen, and whose words they are: a digit that somebody else wrote is computed as any other.",
    "When a guess was made: it is what the student says it was.",
    "That a picture is new: only this class's pictures and the 5,000 training digits in the package are compared.",
)


@dataclass(frozen=True, eq=False)
class Row:
    """One file of the class.

    Parameters
    ----------
    file : str
        Its name within the folder.
    reason : str
        Why it could not be checked; empty where it was.
    found : Recheck or None
        What came out.
    pictures : tuple of bytes
        Both pictures as JPEG, decoded and stored again.
    flags : tuple of str
        What a teacher should look at, and why.
    """

    file: str
    reason: str = ""
    found: Recheck | None = None
    pictures: tuple[bytes, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Whose work it is, as far as that is known."""
        return "" if self.found is None else self.found.work.name

    @property
    def differs(self) -> tuple[str, ...]:
        """What was handed in and comes out otherwise."""
        return () if self.found is None else self.found.differs

    @property
    def missing(self) -> tuple[str, ...]:
        """What the assignment asks for and is not there."""
        return () if self.found is None else self.found.missing

    @property
    def is_ok(self) -> bool:
        """Whether every number was found again and nothing is flagged; something may still be missing."""
        return not (self.reason or self.differs or self.flags)

    def to_json(self) -> dict[str, object]:
        """Return the entry of ``inklens class check --json``."""
        return {
            "file": self.file,
            "name": self.name,
            "ok": self.is_ok,
            "reason": self.reason or None,
            "differs": list(self.differs),
            "missing": list(self.missing),
            "flags": list(self.flags),
        }


@dataclass(frozen=True, eq=False, repr=False)
class ClassCheck(Shown):
    """What was found in a class's folder.

    Parameters
    ----------
    model : ModelCard
        The class's model.
    rows : tuple of Row
        By file name.
    others : tuple of str
        Files that are no hand-ins, and were not looked at.
    notes : tuple of str
        What concerns the whole class.
    """

    model: ModelCard
    rows: tuple[Row, ...]
    others: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def assignment(self) -> str:
        """What was asked, as most hand-ins say it."""
        said = [row.found.work.assignment for row in self.rows if row.found]
        return max(sorted(set(said)), key=said.count, default="Homework")

    def to_json(self) -> dict[str, object]:
        """Return the document of ``inklens class check --json``, but for where it was written."""
        return {
            "schema_version": SCHEMA_VERSION,
            "model": self.model.to_json(),
            "hand_ins": [row.to_json() for row in self.rows],
            "others": list(self.others),
            "notes": list(self.notes),
        }

    def _card(self) -> Card:
        n_ok = sum(row.is_ok for row in self.rows)
        facts = {row.file: "found again" if row.is_ok else "; ".join(_all(row)) for row in self.rows}
        return Card(f"ClassCheck: {len(self.rows)} hand-ins, {n_ok} of them found again in every number", facts)


def check_class(
    folder: str | os.PathLike[str],
    *,
    model: DigitReader | str | os.PathLike[str] | None = None,
    confined: bool = True,
    progress: Progress | None = None,
) -> ClassCheck:
    """Compute all hand-ins of a folder again and compare them with each other.

    Nothing handed in is executed or unpickled. Every hand-in is read in a process of its own, which can open no file
    and no connection, and may take only so much time and memory.

    Parameters
    ----------
    folder : path
        With the files ``*.inkwork``, or folders of them, as learning platforms pack them.
    model : DigitReader or path, optional
        The class's model; by default the reader that ships.
    confined : bool
        Refuse where the system has no limits for processes.
    progress : callable, optional
        Called with the number of hand-ins that are done, how many there are, and words.

    Raises
    ------
    DataError
        There is no such folder, or no hand-in in it.
    NotConfinedError
        The system has no limits for processes.
    ModelFileError
        The class's model cannot be read.
    """
    reader = _reader(model)
    paths, others = hand_ins_in(Path(folder))
    boxed.prepare()
    packed = handed_model(reader)
    check_one = _Checker(Path(folder), packed, confined)
    rows = []
    with ThreadPoolExecutor(PROCESSES) as pool:
        try:
            for row in pool.map(check_one, paths):
                rows.append(row)
                if progress is not None:
                    progress(len(rows), len(paths), "checking")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return ClassCheck(model_card(reader), tuple(_flagged(rows)), others, tuple(_notes(rows)))


@dataclass(frozen=True)
class _Checker:
    folder: Path
    model: bytes
    confined: bool

    def __call__(self, path: Path) -> Row:
        name = path.relative_to(self.folder).as_posix()
        name = "".join(char if char.isprintable() else "\ufffd" for char in name)
        try:
            found = boxed.recheck_boxed(read_bytes(path), self.model, confined=self.confined)
        except boxed.NotConfinedError:
            raise
        except DataError as error:
            return Row(name, str(error))
        pictures = tuple(_jpeg(seen.preview) for seen in found.digits)
        blank = np.zeros((1, 1), np.uint8)
        digits = tuple(replace(seen, preview=blank) for seen in found.digits)
        return Row(name, found=replace(found, digits=digits), pictures=pictures)


def hand_ins_in(folder: Path) -> tuple[list[Path], tuple[str, ...]]:
    """Return the hand-ins of a folder and of the folders in it, by name, and the names of what else lies there.

    Links are not followed.

    Raises
    ------
    DataError
        There is no such folder, or no hand-in in it.
    """
    try:
        entries = sorted(_entries(folder))
    except OSError as error:
        raise DataError(f"cannot look into {str(folder)!r}: {error.strerror}; name the folder of hand-ins") from error
    found = [path for path in entries if path.name.casefold().endswith(SUFFIX)]
    if not found:
        raise DataError(f"there is no file *{SUFFIX} in {str(folder)!r}; put the hand-ins into it")
    others = tuple(path.relative_to(folder).as_posix() for path in entries if path not in set(found))
    return found, others


def _entries(folder: Path) -> list[Path]:
    """Return what lies in a folder and one floor below; a folder counts as what lies in it."""
    entries = []
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        is_folder = stat.S_ISDIR(os.lstat(path).st_mode)
        if is_folder and not path.name.casefold().endswith(SUFFIX):
            entries += [inner for inner in path.iterdir() if inner.name.casefold().endswith(SUFFIX)]
        else:
            entries.append(path)
    return entries


def _reader(model: DigitReader | str | os.PathLike[str] | None) -> DigitReader:
    if model is None:
        return DigitReader.shipped()
    return model if isinstance(model, DigitReader) else DigitReader.load(model)


# ------------------------------------------------------------------------------------------------- flags


def _flagged(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with what is found by comparing them."""
    flags: dict[int, list[str]] = {i: [] for i in range(len(rows))}
    for i, row in enumerate(rows):
        if row.found is not None and row.found.foreign:
            flags[i].append(f"another model than the class's answered: {row.found.work.model.title}")
    _flag_pictures(rows, flags)
    _flag_training(rows, flags)
    _flag_words(rows, flags)
    return [replace(row, flags=tuple(flags[i])) for i, row in enumerate(rows)]


def _looks(rows: Sequence[Row]) -> list[tuple[int, int, Look]]:
    """Return row, number of the digit, and look of every picture that could be read."""
    return [
        (i, number, seen.look)
        for i, row in enumerate(rows)
        for number, seen in enumerate(row.found.digits if row.found else (), 1)
        if seen.look is not None
    ]


def _flag_pictures(rows: Sequence[Row], flags: dict[int, list[str]]) -> None:
    looks = _looks(rows)
    for one, other in shared_pictures([(i, look) for i, _, look in looks]):
        for (i, number, look), (j, of, its) in ((looks[one], looks[other]), (looks[other], looks[one])):
            how = "is the same file as" if look.sha256 == its.sha256 else "shows the same picture as"
            flags[i].append(f"digit {number}, photo: it {how} digit {of} of {_who(rows[j])}")


def _flag_training(rows: Sequence[Row], flags: dict[int, list[str]]) -> None:
    from inklens.datasets import load_dataset

    looks = _looks(rows)
    if not looks:
        return
    digits = load_dataset("embedded")
    known = TrainingImages(digits.images())
    for i, number, look in looks:
        found = known.find(look)
        if found is not None:
            flags[i].append(f"digit {number}, photo: it shows a training image, the {digits.y[found]} in row {found}")


def _flag_words(rows: Sequence[Row], flags: dict[int, list[str]]) -> None:
    texts = {i: "\n".join(seen.said.text for seen in row.found.digits) for i, row in enumerate(rows) if row.found}
    for i, j, share in copied_words(texts):
        for one, other in ((i, j), (j, i)):
            flags[one].append(f"explanation: {share:.0%} of the shorter text is also in that of {_who(rows[other])}")


def _who(row: Row) -> str:
    return f"{row.name} ({row.file})" if row.name else row.file


def _notes(rows: Sequence[Row]) -> list[str]:
    read = [row.found for row in rows if row.found]
    foreign = {found.work.model.sha256 for found in read if found.foreign}
    notes = []
    if len(read) > 1 and len(foreign) == 1 and all(found.foreign for found in read):
        notes.append("All hand-ins were answered by one other model; is it the class's? Name it with --model.")
    others = sorted({found.work.inklens for found in read} - {__version__})
    if others:
        files = [row.file for row in rows if row.found and row.found.work.inklens in others]
        notes.append(
            f"Another inklens ({', '.join(others[:5])}; this one is {__version__}) computed {some(files)}: where "
            "steps and frame differ there, its recipe may be the reason."
        )
    return notes


def some(files: Sequence[str]) -> str:
    """Return the first names, and how many more there are.

    >>> some(["a", "b", "c", "d"])
    'a, b, c and 1 more'
    """
    shown = files[:MOST_NAMED]
    return ", ".join(shown) + (f" and {len(files) - len(shown)} more" if len(files) > len(shown) else "")


def _all(row: Row) -> list[str]:
    return [row.reason, *row.differs, *row.flags] if row.reason else [*row.differs, *row.flags]


def _jpeg(levels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()
