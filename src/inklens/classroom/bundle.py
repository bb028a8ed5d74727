"""The ZIP of a hand-in: members in a fixed order, with a fixed date, so that the same content gives the same bytes."""

import io
import zipfile
from collections.abc import Mapping

from inklens.classroom.work import MAX_BYTES
from inklens.errors import DataError

DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a ZIP can tell
PACKED_ALREADY = (".png", ".jpg", ".webp", ".gif")
PLAIN_FILE = 0o100644 << 16  # upper half of a member's attributes: a file, and no link
UNIX = 3
LEVEL = 9


def pack(members: Mapping[str, bytes]) -> bytes:
    """Return an archive of these members, in this order.

    Raises
    ------
    DataError
        It is larger than a hand-in may be.

    Examples
    --------
    >>> pack({"work.json": b"{}"}) == pack({"work.json": b"{}"})
    True
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(_entry(name), data, compresslevel=LEVEL)
    if buffer.tell() > MAX_BYTES:
        raise DataError(
            f"the hand-in has {buffer.tell():,} bytes, more than the {MAX_BYTES:,} that it may have; "
            "take smaller photos, or a smaller model"
        )
    return buffer.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, DATE)
    entry.create_system = UNIX
    entry.external_attr = PLAIN_FILE
    entry.compress_type = zipfile.ZIP_STORED if name.endswith(PACKED_ALREADY) else zipfile.ZIP_DEFLATED
    return entry
