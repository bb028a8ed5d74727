"""Hand-ins as a stranger may write them: each hostile one is refused with its own reason, and takes no memory."""

import io
import json
import os
import struct
import tracemalloc
import zipfile
import zlib
from dataclasses import replace

import numpy as np
import pytest
from handed_in import as_handed_in, jpeg, packed, wobbly
from handwriting import png as raw_png
from hypothesis import given, settings
from hypothesis import strategies as st

from inklens import DigitReader
from inklens.classroom.archive import ENTRY, MAX_MEMBERS, open_hand_in, read_bytes, read_work
from inklens.classroom.recheck import recheck
from inklens.errors import DataError

READER = DigitReader(np.random.default_rng(0).normal(0, 0.1, (10, 784)), np.zeros(10), tuple("0123456789"), (28, 28))


@pytest.fixture(scope="module")
def honest():
    rng = np.random.default_rng(4)
    return as_handed_in(READER, [jpeg(wobbly("4", rng)), jpeg(wobbly("9", rng))])[1]


def zipped(members, *, change=lambda info: None, compression=zipfile.ZIP_DEFLATED, **extra):
    """Return a ZIP of members as Python's own library writes it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in [*members.items(), *extra.get("more", [])]:
            info = zipfile.ZipInfo(name)
            info.compress_type = compression
            change(info)
            archive.writestr(info, data)
        archive.comment = extra.get("comment", b"")
    return buffer.getvalue()


def directory_at(data):
    return struct.unpack_from("<L", data, len(data) - 6)[0]


def poked(data, offset, fmt, value, *, member=0, local=False):
    """Change a field of a member's entry in the directory, or of its local header."""
    data, at = bytearray(data), directory_at(data)
    for _ in range(member):
        at += ENTRY.size + sum(struct.unpack_from("<3H", data, at + 28))
    start = struct.unpack_from("<L", data, at + 42)[0] if local else at
    struct.pack_into(fmt, data, start + offset, value)
    return bytes(data)


def json_members(members, text):
    return {**members, "work.json": text if isinstance(text, bytes) else text.encode()}


def altered_json(members, change):
    work = json.loads(members["work.json"])
    change(work)
    return json_members(members, json.dumps(work))


def link(info):
    info.create_system = 3
    info.external_attr = 0o120777 << 16 if info.filename == "photo-1.jpg" else 0o100644 << 16


def without(members, name):
    return {key: value for key, value in members.items() if key != name}


def bomb(size):
    """Return `size` zero bytes deflated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(bytes(size)) + packer.flush()


def lying(members, *, said):
    """Return an archive whose page unpacks to 50 MB, and says something smaller."""
    data = zipped({**members, "page.html": b"x" * said})
    n = len(members) - 1
    stream = bomb(50_000_000)
    start, at = struct.unpack_from("<L", entry_of(data, n), 42)[0], directory_at(data)
    local = bytearray(data[start : start + 30 + len("page.html")])
    struct.pack_into("<L", local, 18, len(stream))
    directory = bytearray(data[at:-22])
    last = len(directory) - len(entry_of(data, n))
    struct.pack_into("<L", directory, last + 20, len(stream))
    body = data[:start] + bytes(local) + stream
    end = bytearray(data[-22:])
    struct.pack_into("<L", end, 16, len(body))
    return body + bytes(directory) + bytes(end)


def entry_of(data, member):
    at = directory_at(data)
    for _ in range(member):
        at += ENTRY.size + sum(struct.unpack_from("<3H", data, at + 28))
    return data[at : at + ENTRY.size + sum(struct.unpack_from("<3H", data, at + 28))]


def nested(depth):
    return "[" * depth + "]" * depth


HOSTILE = {
    # what is no hand-in at all
    "no zip": (lambda m: b"%PDF-1.7 and more", "no ZIP archive"),
    "one byte": (lambda m: b"P", "no ZIP archive"),
    "two bytes": (lambda m: b"PK", "cut off"),
    "an empty zip": (lambda m: zipped({}), "'work.json' is missing"),
    "truncated": (lambda m: packed(m)[:-30], "cut off"),
    "half": (lambda m: packed(m)[: len(packed(m)) // 2], "cut off"),
    "trailing data": (lambda m: packed(m) + b"more", "behind its end"),
    "a program before it": (lambda m: b"MZ" + packed(m), "no ZIP archive"),
    "a zip before it": (lambda m: zipped({"a": b"b"}) + packed(m), "not where"),
    "comment": (lambda m: zipped(m, comment=b"hello"), "comment"),
    "two archives' ends": (lambda m: packed(m) + packed(m)[-22:], "not where"),
    # names
    "parent folder": (lambda m: zipped({**m, "../../evil.txt": b"x"}), "leads out"),
    "absolute path": (lambda m: zipped({**m, "/etc/passwd": b"x"}), "leads out"),
    "drive": (lambda m: zipped({**m, "C:evil.exe": b"x"}), "leads out"),
    "link": (lambda m: zipped(m, change=link), "is a link"),
    "same name twice": (lambda m: packed_twice(m), "twice"),
    "wrong case": (lambda m: zipped({**without(m, "work.json"), "WORK.json": m["work.json"]}), "'WORK.json'"),
    "folder": (lambda m: zipped({"steps/": b"", **m}), "'steps/'"),
    "extra member": (lambda m: zipped({**m, "setup.py": b"import os"}), "'setup.py'"),
    "extra photo": (lambda m: packed({**m, "photo-1.png": b"x"}), "does not know it"),
    "extra step": (lambda m: packed({**m, "steps/1-9.png": b"x"}), "does not know it"),
    "missing photo": (lambda m: packed(without(m, "photo-1.jpg")), "'photo-1.jpg' is missing"),
    "missing frame": (lambda m: packed(without(m, "frames/2.png")), "'frames/2.png' is missing"),
    "missing work": (lambda m: packed(without(m, "work.json")), "'work.json' is missing"),
    "missing model": (lambda m: packed(without(m, "model.inklens")), "'model.inklens' is missing"),
    "another order": (lambda m: packed(dict(reversed(m.items()))), "order"),
    "ten thousand members": (lambda m: zipped({f"{i}": b"" for i in range(10_000)}), "10,000 members"),
    "a name of control characters": (lambda m: zipped({**m, "\x1b[2J": b"x"}), "\ufffd[2J"),
    # bombs
    "high ratio": (lambda m: zipped({**m, "page.html": bytes(2_900_000)}), "ZIP bomb"),
    "large member": (lambda m: zipped({**m, "page.html": bytes(50_000_000)}), "more than the 3,000,000"),
    "lying size": (lambda m: lying(m, said=2_000), "more than the archive says"),
    "size of 4 GB": (lambda m: poked(packed(m), 24, "<L", 0xFFFFFFFE), "more than the"),
    "zip64": (lambda m: poked(packed(m), 24, "<L", 0xFFFFFFFF), "beyond 4 GB"),
    "zip64 count": (lambda m: packed(m)[:-14] + b"\xff\xff\xff\xff" + packed(m)[-10:], "65,535 members"),
    "overlapping members": (lambda m: poked(packed(m), 42, "<L", 0, member=1), "overlaps"),
    "offset beyond the end": (lambda m: poked(packed(m), 42, "<L", 1 << 30, member=1), "overlaps"),
    # forms
    "encrypted": (lambda m: poked(packed(m), 8, "<H", 1), "encrypted"),
    "unknown compression": (lambda m: poked(packed(m), 10, "<H", 99), "method"),
    "bzip2": (lambda m: zipped(m, compression=zipfile.ZIP_BZIP2), "method"),
    "sizes that follow": (lambda m: poked(packed(m), 8, "<H", 8), "flags 0x8"),
    "another local name": (lambda m: poked(packed(m), 30, "<c", b"W", local=True), "another member in its own header"),
    "another local size": (lambda m: poked(packed(m), 22, "<L", 3, local=True), "another member in its own header"),
    "another local method": (lambda m: poked(packed(m), 8, "<H", 0, local=True), "another member in its own header"),
    "wrong checksum": (lambda m: poked(poked(packed(m), 16, "<L", 7), 14, "<L", 7, local=True), "checksum"),
    "extra field": (lambda m: zipped(m, change=lambda i: setattr(i, "extra", b"UT\x05\0\x03abcd")), "extra field"),
    "entry comment": (lambda m: zipped(m, change=lambda i: setattr(i, "comment", b"x")), "extra field or a comment"),
    "stored with two sizes": (lambda m: poked(packed(m), 24, "<L", 300, member=2), "two different sizes"),
    # work.json
    "json: deep": (lambda m: packed(json_members(m, nested(40_000))), "deep"),
    "json: huge number": (lambda m: packed(json_members(m, "[" + "9" * 90_000 + "]")), "characters"),
    "json: NaN": (lambda m: packed(json_members(m, '{"schema": NaN}')), "NaN"),
    "json: same name twice": (lambda m: packed(json_members(m, '{"a": 1, "a": 2}')), "twice"),
    "json: a list": (lambda m: packed(json_members(m, "[]")), "expected an object"),
    "json: no UTF-8": (lambda m: packed(json_members(m, b"\xff\xfe")), "UTF-8"),
    "json: infinity": (lambda m: packed(altered_json(m, lambda w: w["digits"][0]["z"].update({"4": 1e400}))), "JSON"),
    "json: newer schema": (lambda m: packed(altered_json(m, lambda w: w.update(schema="inklens-work/9"))), "schema"),
    "json: a path for a photo": (lambda m: packed(altered_json(m, path_for_photo)), "photo-1.jpg"),
    "json: one digit": (lambda m: packed(altered_json(m, lambda w: w.update(digits=[None, None]))), "one is missing"),
    "json: unknown field": (lambda m: packed(altered_json(m, lambda w: w.update(run="x"))), "not known"),
}  # fmt: skip


def path_for_photo(work):
    work["digits"][0]["file"] = "../../../etc/passwd"


def packed_twice(members):
    with pytest.warns(UserWarning, match="Duplicate"):
        return zipped(members, more=[("photo-1.jpg", b"another")])


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_archive_is_refused_with_its_reason(case, honest):
    make, words = HOSTILE[case]
    data = make(honest)
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as refused:
            open_hand_in(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    said = str(refused.value)
    assert words in said
    assert said.isprintable()
    assert len(said) < 400
    assert peak < 20e6


def test_an_honest_one_is_read_whole(honest):
    found = open_hand_in(packed(honest))
    assert found.members == honest
    assert found.work.name == "Ada"
    assert len(honest) <= MAX_MEMBERS


@pytest.fixture(scope="module")
def small(honest):
    """An honest archive, packed once."""
    return packed(honest)


@settings(max_examples=60)
@given(at=st.integers(0, 10**9), value=st.integers(1, 255))
def test_no_byte_of_an_archive_can_be_changed_and_be_read_otherwise(at, value, small, honest):
    """Dates, versions and rights may change; nothing here looks at them."""
    data = bytearray(small)
    data[at % len(data)] ^= value
    try:
        found = open_hand_in(bytes(data))
    except DataError:
        return
    assert found.members == honest


FILES = {
    "link": (lambda path: path.symlink_to("/etc/passwd"), "a link"),
    "folder": (lambda path: path.mkdir(), "a folder"),
    "pipe": (lambda path: os.mkfifo(path), "a pipe"),
    "empty": (lambda path: path.touch(), "empty"),
    "large": (lambda path: path.write_bytes(bytes(2_000_001)), "more than the 2,000,000"),
    "gone": (lambda path: None, "cannot be read"),
}


@pytest.mark.parametrize("case", FILES)
def test_what_is_no_plain_file_of_fitting_size_is_refused(case, tmp_path):
    make, words = FILES[case]
    make(tmp_path / "x.inkwork")
    with pytest.raises(DataError, match=words):
        read_work(tmp_path / "x.inkwork")


def test_a_plain_file_is_read(honest, tmp_path):
    (tmp_path / "x.inkwork").write_bytes(packed(honest))
    assert read_bytes(tmp_path / "x.inkwork") == packed(honest)
    assert read_work(tmp_path / "x.inkwork").name == "Ada"


# ------------------------------------------------------------------------------------------------- what members hold


def pixel_bomb():
    return raw_png(20_000, 20_000, 1, 0, b"\0" * 1000)


def test_a_photo_that_bursts_is_said_and_its_pixels_are_never_made(honest):
    found = recheck(packed({**honest, "photo-1.jpg": pixel_bomb()}), READER)
    assert any(line.startswith("digit 1, photo: it cannot be read") for line in found.differs)


def test_a_step_that_bursts_is_said(honest):
    found = recheck(packed({**honest, "steps/1-1.png": pixel_bomb()}), READER)
    assert any(line.startswith("digit 1, steps: the picture of step 1 cannot be read") for line in found.differs)


@pytest.mark.parametrize(
    "model",
    [b"", b"\x80\x04cposix\nsystem\n.", struct.pack("<Q", 1 << 60) + b"{}", struct.pack("<Q", 90_000) + b"[" * 90_000],
    ids=["empty", "pickle", "long header", "deep header"],
)
def test_a_model_that_is_none_is_the_reason(model, honest):
    with pytest.raises(DataError, match=r"^model.inklens: "):
        recheck(packed({**honest, "model.inklens": model}), READER)


def test_a_model_of_other_pictures_is_the_reason(honest):
    other = replace(READER, coef=np.ones((10, 16)), image_shape=(4, 4)).to_bytes()
    with pytest.raises(DataError, match="28 x 28"):
        recheck(packed({**honest, "model.inklens": other}), READER)
