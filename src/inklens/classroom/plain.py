"""Files in the folders of students and teachers: plain ones, of a size that is known before they are read."""

from pathlib import Path

from inklens.datasets.unpack import open_regular
from inklens.errors import DataError


def read_plain(path: Path, most: int, remedy: str) -> bytes:
    """Return a file's bytes; what could be waited for, or is larger than `most` bytes, is refused.

    Raises
    ------
    DataError
        It cannot be opened or read, is no plain file, or is too large; the text ends with the remedy.
    """
    with open_regular(path, remedy=remedy) as file:
        try:
            data = file.read(most + 1) or b""  # None: a file of the kernel that would be waited for
        except OSError as error:
            raise DataError(f"cannot read {str(path)!r}: {error.strerror or error}; {remedy}") from error
    if len(data) > most:
        raise DataError(f"{str(path)!r} has more than {most:,} bytes; {remedy}")
    return data
