"""A hand-in read as the work of a stranger: nothing is unpacked to disk, and nothing inflated before its size is known.

The ZIP is read here, and not by a library, because a library forgives. Of all that the format allows only that is
taken what `bundle.pack` writes: the local headers lie one after the other from the first byte, each is what the
directory says of it, the directory follows, and the file ends with it. So there is no room for members that overlap,
that hide, or that two programs would read differently. Every refusal is a `DataError` with one reason.
"""

import os
import stat
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from inklens.addresses import read_some
from inklens.classroom.work import (
    MAX_BYTES,
    MAX_JSON_BYTES,
    MAX_MODEL_BYTES,
    MAX_PHOTO_BYTES,
    MAX_STEPS,
    PHOTO_KINDS,
    Work,
    frame_member,
    step_member,
)
from inklens.errors import DataError

KB = 1_000
MAX_PICTURE_BYTES = 200 * KB  # of a frame or a step: 280 x 280 grey levels have 78 kB unpacked
MAX_PAGE_BYTES = 3_000 * KB  # its pictures are written in base64
MAX_RATIO = 60  # of a member; text of numbers packs about 4 times, rows of zeros 30 times
RATIO_FROM = 100 * KB  # below, no ratio does harm

# name -> bytes that it may have once unpacked
MEMBERS: Mapping[str, int] = {
    "work.json": MAX_JSON_BYTES,
    "model.inklens": MAX_MODEL_BYTES,
    **{f"photo-{n}.{suffix}": MAX_PHOTO_BYTES for n in (1, 2) for suffix in PHOTO_KINDS.values()},
    **{frame_member(n): MAX_PICTURE_BYTES for n in (1, 2)},
    **{step_member(n, i): MAX_PICTURE_BYTES for n in (1, 2) for i in range(1, MAX_STEPS + 1)},
    "page.html": MAX_PAGE_BYTES,
}
MAX_MEMBERS = 2 + 2 + 2 + 2 * MAX_STEPS + 1  # one photo a digit

# APPNOTE 6.3: 4.3.16 end of the directory, 4.3.12 its entries, 4.3.7 local headers
END = struct.Struct("<4s4H2LH")
ENTRY = struct.Struct("<4s6H3L5H2L")
LOCAL = struct.Struct("<4s5H3L2H")
STORED, DEFLATED = 0, 8
ENCRYPTED, SIZES_FOLLOW, UTF8 = 1 << 0, 1 << 3, 1 << 11
IN_ANOTHER_PLACE = 0xFFFFFFFF  # a size that ZIP64 keeps elsewhere
AGAIN = "hand in the file as inklens homework hand-in wrote it"


@dataclass(frozen=True, eq=False)
class HandIn:
    """What a hand-in holds: its work, and its members by name, none of them decoded yet."""

    work: Work
    members: Mapping[str, bytes]


@dataclass(frozen=True)
class _Member:
    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a hand-in; what is no plain file is refused without waiting for it.

    Raises
    ------
    DataError
        It is no plain file, empty, too large, or cannot be read.
    """
    try:
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            raise DataError("it is a link; put the file itself into the folder")
        if not stat.S_ISREG(found.st_mode):
            raise DataError(f"it is {_kind(found.st_mode)} and no file; {AGAIN}")
        with Path(path).open("rb") as file:
            data = read_some(file, MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"it cannot be read: {error.strerror}") from error
    if not data:
        raise DataError(f"the file is empty; {AGAIN}")
    if len(data) > MAX_BYTES:
        raise DataError(f"the file has more than the {MAX_BYTES:,} bytes of a hand-in; {AGAIN}")
    return data


def read_work(path: str | os.PathLike[str]) -> Work:
    """Return the work that a hand-in holds; as `open_hand_in`."""
    return open_hand_in(read_bytes(path)).work


def open_hand_in(data: bytes) -> HandIn:
    """Return a hand-in of bytes.

    Raises
    ------
    DataError
        With the one reason why it is refused.

    Examples
    --------
    >>> open_hand_in(b"%PDF-1.7")
    Traceback (most recent call last):
    ...
    inklens.errors.DataError: it is no ZIP archive; hand in the file as inklens homework hand-in wrote it
    """
    members = _directory(data)
    _check_places(data, members)
    unpacked = {member.name: _unpacked(data, member) for member in members}
    work = Work.from_bytes(unpacked["work.json"])
    _check_list(work, list(unpacked))
    return HandIn(work, unpacked)


# ------------------------------------------------------------------------------------------------- the directory


def _directory(data: bytes) -> list[_Member]:
    """Return the members that the directory lists, each a name that a hand-in may have, once."""
    end = len(data) - END.size
    if not data.startswith(b"PK"):
        raise DataError(f"it is no ZIP archive; {AGAIN}")
    if end < 0 or data[end : end + 4] != b"PK\5\6":
        raise DataError(_no_end(data))
    _, disk, first_disk, here, n_members, n_bytes, start, comment = END.unpack_from(data, end)
    if comment or disk or first_disk or here != n_members:
        raise DataError(f"the archive has a comment, or is one part of several; {AGAIN}")
    if n_members > MAX_MEMBERS:
        raise DataError(f"the archive has {n_members:,} members, more than the {MAX_MEMBERS} of a hand-in; {AGAIN}")
    if start + n_bytes != end:
        raise DataError(f"the archive's directory is not where the archive says it is; {AGAIN}")
    members, at = [], start
    for _ in range(n_members):
        member, at = _entry(data, at, end)
        members.append(member)
    if at != end:
        raise DataError(f"the archive's directory has more in it than members; {AGAIN}")
    _check_names([member.name for member in members])
    return members


def _no_end(data: bytes) -> str:
    """Say why there is no end of the directory at the end of the file."""
    if b"PK\5\6" in data[-(1 << 17) :]:
        return f"the archive has a comment, or something behind its end; {AGAIN}"
    return "the archive is cut off; copy or upload it again"


def _entry(data: bytes, at: int, end: int) -> tuple[_Member, int]:
    """Return one member of the directory, and where the next begins."""
    if at + ENTRY.size > end or data[at : at + 4] != b"PK\1\2":
        raise DataError(f"the archive's directory is damaged; {AGAIN}")
    (_, _, _, flags, method, _, _, crc, packed, size, n_name, n_extra, n_comment, disk, _, looks, offset) = (
        ENTRY.unpack_from(data, at)
    )
    name = _name(data[at + ENTRY.size : at + ENTRY.size + n_name])
    if IN_ANOTHER_PLACE in (packed, size, offset):
        raise DataError(f"{name!r} is in the form of archives beyond 4 GB; {AGAIN}")
    if n_extra or n_comment or disk:
        raise DataError(f"{name!r} has an extra field or a comment, as another program writes them; {AGAIN}")
    mode = looks >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise DataError(f"{name!r} is {_kind(mode)} and no file; {AGAIN}")
    member = _Member(name, flags, method, crc, packed, size, offset)
    _check_form(member)
    return member, at + ENTRY.size + n_name


def _name(raw: bytes) -> str:
    """Return a member's name, printable whatever it is."""
    text = raw[:80].decode("ascii", "replace")
    return "".join(char if char.isprintable() else "\ufffd" for char in text)


def _kind(mode: int) -> str:
    kinds = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _check_form(member: _Member) -> None:
    """Refuse a member by what the directory says of it."""
    name = member.name
    if name not in MEMBERS:
        where = " that leads out of its folder" if ".." in name or name.startswith(("/", "\\")) or ":" in name else ""
        raise DataError(f"the archive has a member {name!r}{where}, which a hand-in has not; {AGAIN}")
    if member.flags & ENCRYPTED:
        raise DataError(f"{name!r} is encrypted; hand it in without a password")
    if member.flags & ~UTF8:
        raise DataError(f"{name!r} is written as another program does it (flags {member.flags:#x}); {AGAIN}")
    if member.method not in (STORED, DEFLATED):
        raise DataError(f"{name!r} is packed by a method that is not taken ({member.method}); {AGAIN}")
    if member.size > MEMBERS[name]:
        raise DataError(f"{name!r} unpacks to {member.size:,} bytes, more than the {MEMBERS[name]:,} that it may have")
    if member.size > max(RATIO_FROM, MAX_RATIO * member.packed):
        raise DataError(f"{name!r} is packed more than {MAX_RATIO} times, which only a ZIP bomb is; {AGAIN}")
    if member.method == STORED and member.size != member.packed:
        raise DataError(f"{name!r} is stored with two different sizes; {AGAIN}")


def _check_names(names: list[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"the archive has the member {twice!r} twice; {AGAIN}")
    if "work.json" not in names:
        raise DataError(f"'work.json' is missing; {AGAIN}")


# ------------------------------------------------------------------------------------------------- the members


def _check_places(data: bytes, members: list[_Member]) -> None:
    """Let every member begin where the one before it ends, as its own header says too; the directory follows."""
    at = 0
    for member in members:
        if member.offset != at:
            raise DataError(f"{member.name!r} overlaps another member, or something lies before it; {AGAIN}")
        at += LOCAL.size + len(member.name) + member.packed
        _check_local(data, member)
    start = END.unpack_from(data, len(data) - END.size)[6]
    if at != start:
        raise DataError(f"something lies between the archive's members and its directory; {AGAIN}")


def _check_local(data: bytes, member: _Member) -> None:
    if member.offset + LOCAL.size > len(data):
        raise DataError("the archive is cut off; copy or upload it again")
    sign, _, flags, method, _, _, crc, packed, size, n_name, n_extra = LOCAL.unpack_from(data, member.offset)
    start = member.offset + LOCAL.size
    said = (sign, flags, method, crc, packed, size, n_extra, data[start : start + n_name])
    expected = (b"PK\3\4", member.flags, member.method, member.crc, member.packed, member.size, 0, member.name.encode())
    if said != expected:
        raise DataError(f"{member.name!r} is another member in its own header than in the directory; {AGAIN}")


def _unpacked(data: bytes, member: _Member) -> bytes:
    """Return a member's bytes: of the size and with the checksum that were said."""
    start = member.offset + LOCAL.size + len(member.name)
    packed = data[start : start + member.packed]
    unpacked = packed if member.method == STORED else _inflated(packed, member)
    if len(unpacked) != member.size or zlib.crc32(unpacked) != member.crc:
        raise DataError(f"{member.name!r} is damaged: its size or checksum does not fit; copy or upload it again")
    return unpacked


def _inflated(packed: bytes, member: _Member) -> bytes:
    """Return no more than was said, and refuse what has more."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        unpacked = inflater.decompress(packed, member.size + 1)
    except zlib.error as error:
        raise DataError(f"{member.name!r} is damaged and does not unpack; copy or upload it again") from error
    if len(unpacked) > member.size:
        raise DataError(f"{member.name!r} unpacks to more than the archive says; {AGAIN}")
    if not inflater.eof or inflater.unused_data:
        raise DataError(f"{member.name!r} is damaged: it is cut off, or something follows it; copy or upload it again")
    return unpacked


def _check_list(work: Work, names: list[str]) -> None:
    """Require the members that the work speaks of, in their order."""
    wanted = work.members
    if None in work.digits:
        raise DataError("a hand-in has two digits, and one is missing; finish it and hand it in again")
    missing = next((name for name in wanted if name not in names), None)
    if missing is not None:
        raise DataError(f"{missing!r} is missing; {AGAIN}")
    extra = next((name for name in names if name not in wanted), None)
    if extra is not None:
        raise DataError(f"{extra!r} is in the archive, and work.json does not know it; {AGAIN}")
    if names != wanted:
        raise DataError(f"the members are not in their order; {AGAIN}")
