"""Pictures that were found, and which names are those of pictures."""

from typing import NamedTuple

SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".avif", ".heic", ".heif", ".gif", ".bmp", ".tif", ".tiff")
LITTER = ("thumbs.db", "desktop.ini", "__macosx")  # of file managers; and every name that begins with a dot


class Found(NamedTuple):
    """A picture file, and what tells whether it has changed."""

    path: str  # absolute, or an address; bytes that are no UTF-8 are escaped
    size: int  # bytes
    modified: int  # nanoseconds since 1970; 0 where an address does not tell
    source: str  # what opens it


def is_picture(name: str) -> bool:
    """Tell by its ending whether a file in a folder is a picture.

    >>> is_picture("7.PNG"), is_picture("notes.txt")
    (True, False)
    """
    return name.lower().endswith(SUFFIXES)


def is_litter(name: str) -> bool:
    """Tell whether a name is hidden, or one that file managers leave behind."""
    return name.startswith(".") or name.lower() in LITTER
