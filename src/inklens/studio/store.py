"""What the studio keeps, in one folder: models, digits and data that were uploaded.

Names of files are made here and nowhere else: identifiers are parts of checksums or random, so no text of a request
becomes part of a path. A model's identifier is that of its content: what answered under a name can be told for ever.
"""

import hashlib
import json
import os
import re
import secrets
import stat
import unicodedata
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from inklens.errors import OutputError
from inklens.storage import atomic_file, remove, write_inside
from inklens.studio import limits
from inklens.studio.problems import Problem, not_found

ID = re.compile(r"[0-9a-f]{16}")
MAX_NAME = 80  # characters, and at most so many bytes:
MAX_NAME_BYTES = 200
FORBIDDEN = set('/\\:*?"<>|')
RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)
LOCK_SECONDS = 10.0  # that another studio on the same folder may take


def check_name(name: str) -> str:
    """Return a name for people, or refuse it: the one validator of all names.

    >>> check_name("  my model ")
    'my model'
    >>> check_name("../x")
    Traceback (most recent call last):
    ...
    inklens.studio.problems.Problem: expected a name of 1 to 80 letters, digits, spaces or signs, without / and \\ ...
    """
    plain = unicodedata.normalize("NFC", name).strip()
    hidden = any(unicodedata.category(char)[0] in "CZ" and char != " " for char in plain)
    too_long = len(plain) > MAX_NAME or len(plain.encode("utf-8", "replace")) > MAX_NAME_BYTES
    bad = not plain or too_long or hidden or FORBIDDEN & set(plain) or plain.startswith(".") or plain.endswith(".")
    if bad or RESERVED.fullmatch(plain):
        raise Problem(
            422,
            "name",
            f"expected a name of 1 to {MAX_NAME} letters, digits, spaces or signs, without / and \\ and the like, "
            "that no system reserves; choose another",
        )
    return plain


def identifier(content: bytes) -> str:
    """Return what a model of this content is called."""
    return hashlib.sha256(content).hexdigest()[:16]


def now() -> str:
    """Return the time as it is written down, to the millisecond: two that are kept in one second stay in order."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class Shelf:
    """Entries of one kind: each a JSON file, with files of the same identifier beside it."""

    folder: Path
    what: str

    def path(self, entry: str, suffix: str) -> Path:
        """Return where a file of an entry lies."""
        if not ID.fullmatch(entry):
            raise not_found(self.what)
        return self.folder / f"{entry}{suffix}"

    def entries(self) -> list[dict[str, object]]:
        """Return what is known of each, oldest first."""
        found = [self._read(path) for path in self.folder.glob("*.json") if ID.fullmatch(path.stem)]
        return sorted((entry for entry in found if entry), key=lambda entry: (str(entry["created"]), str(entry["id"])))

    def entry(self, entry: str) -> dict[str, object]:
        """Return what is known of one."""
        found = self._read(self.path(entry, ".json"))
        if found is None:
            raise not_found(self.what)
        return found

    def put(self, entry: str, known: Mapping[str, object], files: Mapping[str, bytes]) -> dict[str, object]:
        """Write an entry: its files first, so that what is listed is whole."""
        for suffix, data in files.items():
            write_inside(self.path(entry, suffix), data)
        document = {**known, "id": entry}
        write_inside(self.path(entry, ".json"), json.dumps(document))
        return document

    def drop(self, entry: str) -> None:
        """Remove an entry with its files; what is listed goes first."""
        self.entry(entry)
        remove(self.path(entry, ".json"))
        for path in self.folder.glob(f"{entry}.*"):
            remove(path)

    def read(self, entry: str, suffix: str) -> bytes | None:
        """Return a file's bytes, or None where there is none."""
        return read_plain(self.path(entry, suffix))

    def _read(self, path: Path) -> dict[str, object] | None:
        data = read_plain(path)
        try:
            found = None if data is None else json.loads(data)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) and found.get("id") == path.stem and "created" in found else None


def read_plain(path: Path) -> bytes | None:
    """Return the bytes of a plain file with one name: links that somebody put there are not followed."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        handle = os.open(path, flags)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        there = os.fstat(file.fileno())
        return file.read() if stat.S_ISREG(there.st_mode) and there.st_nlink == 1 else None


class Store:
    """The folder of a studio."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models = Shelf(folder / "models", "model")
        self.digits = Shelf(folder / "digits", "digit")
        self.datasets = Shelf(folder / "datasets", "data set")
        self.pages = folder / "page"

    def prepare(self) -> None:
        """Make the folders, for this user alone, and remove what a killed studio left half-written."""
        try:
            for shelf in (self.models, self.digits, self.datasets):
                shelf.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                for left in shelf.folder.glob(".*.part"):
                    left.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"cannot keep anything in {str(self.folder)!r}: {error.strerror}; name another with --folder"
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let one studio at a time change the folder; the lock goes with the process that holds it."""
        from filelock import FileLock, Timeout

        try:
            with FileLock(self.folder / ".lock", timeout=LOCK_SECONDS):
                yield
        except Timeout as error:
            raise Problem(503, "locked", "another studio is writing into this folder; try again") from error

    def check_room(self, n_bytes: int) -> None:
        """Refuse what would make the folder larger than it may be."""
        used = sum(path.lstat().st_size for path in self.folder.rglob("*"))
        if used + n_bytes > limits.MAX_FOLDER_BYTES:
            raise Problem(
                507, "folder-full", f"the studio keeps {limits.MAX_FOLDER_BYTES // limits.MB:,} MB; delete something"
            )

    def add_model(self, content: bytes, known: Mapping[str, object]) -> dict[str, object]:
        """Keep a model file; the same content is the same model, and keeps its name."""
        entry = identifier(content)
        self.check_room(len(content))
        with self.locked():
            there = self.models._read(self.models.path(entry, ".json"))
            kept = {} if there is None else {"name": there["name"], "created": there["created"]}
            return self.models.put(
                entry, {"created": now(), **known, **kept, "bytes": len(content)}, {".inklens": content}
            )

    def add_digit(self, pixels: bytes, known: Mapping[str, object]) -> dict[str, object]:
        """Keep a digit."""
        self.check_room(len(pixels))
        with self.locked():
            return self.digits.put(secrets.token_hex(8), {"created": now(), **known}, {".ink": pixels})

    def write_file(self, entry: str, files: Mapping[str, bytes]) -> Path:
        """Write a file of an upload; return where the first one lies."""
        for suffix, data in files.items():
            write_inside(self.datasets.path(entry, suffix), data)
        return self.datasets.path(entry, next(iter(files)))

    def keep_pages(self, contents: Mapping[Path, bytes]) -> None:
        """Keep the page's joined modules in place of older ones."""
        for old in self.pages.glob("*.js"):
            remove(old)
        for path, content in contents.items():
            write_inside(path, content)

    def drop(self, shelf: Shelf, entry: str) -> None:
        """Remove an entry."""
        with self.locked():
            shelf.drop(entry)

    async def receive(self, parts: AsyncIterator[bytes], *, suffix: str) -> tuple[str, Path]:
        """Write an upload into a file of its own as it comes; on any failure nothing is left."""
        entry = secrets.token_hex(8)
        path = self.datasets.path(entry, suffix)
        self.check_room(0)
        with atomic_file(path) as file:
            async for part in parts:
                file.write(part)
        return entry, path
