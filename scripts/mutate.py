"""Damage small files of one kind a million times: each is read or refused by the one error, whatever was done to it.

    python scripts/mutate.py pictures 1000000
    python scripts/mutate.py idx 1000000 --from 250000   # goes on where another run ended
    python scripts/mutate.py models 1000000
    python scripts/mutate.py checkpoints 20000
    python scripts/mutate.py decisions 20000     # tables of labels, as inklens labels writes them
    python scripts/mutate.py collections 20000   # folders of pictures, as inklens collect keeps them
    python scripts/mutate.py homework 20000      # .inkwork files
    python scripts/mutate.py folders 2000        # folders of students, as inklens homework keeps them
    python scripts/mutate.py grades 20000        # tables of points, as inklens class check writes them
    python scripts/mutate.py drawn 20000         # digits of a class: .json and .npz

Every number stands for one damaged file, always the same: what is found is repeated by its number. The work is done in
a child, so that a signal costs one file; half of the files get checksums that fit, or no damage would come far.
Prints what was done as JSON: files, read and refused, by reason, the slowest, the memory at the most, and findings.
"""

import argparse
import io
import json
import mmap
import os
import re
import resource
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))
SLOW_SECONDS = 1.0  # of processor time, for a file of a few kilobytes
PAGE = struct.Struct("<q")
MARK = re.compile("([,;\r\n]+)")  # between the fields of a table
WORD = re.compile(r'("(?:[^"\\]|\\.)*"|[-+.\w]+)')  # a text or a number of JSON
WORDS = (
    '"a"',
    '""',
    '"coef"',
    '"\\u001b"',
    '"\\ud800"',
    "null",
    "true",
    "-1",
    "0",
    "3",
    "1e308",
    "1e-320",
    "[]",
    "{}",
    "[[1]]",
)
FIELDS = (  # of tables, and names of folders
    *("", " ", "3", "3.0", "03", "+3", "-0.0", "nan", "None", "1e400", "9" * 300, "9" * 5000, "\u0663", "drop", "Drop"),
    *(
        "a b",
        '"',
        '""',
        '"\n"',
        ";",
        "\t",
        "\0",
        "\x1b[2J",
        "\u202e",
        "..",
        ".hidden",
        "train",
        "test",
        "=1+1",
        "x" * 201,
    ),
)
INTERESTING = (0, 1, 2, 4, 7, 8, 16, 32, 64, 127, 128, 254, 255)


def damaged(data: bytes, rng: Random) -> bytes:
    """Change some bytes or numbers, most of them near the start; or move, drop, repeat or cut a piece."""
    out, choice = bytearray(data), rng.random()
    if choice < 0.7:
        reach = min(len(out), 250) if choice < 0.45 else len(out)
        for _ in range(rng.randint(1, 8)):
            at, width = rng.randrange(reach), rng.choice((1, 1, 1, 2, 4))
            value = rng.randrange(256) if rng.random() < 0.6 else rng.choice(INTERESTING)
            out[at : at + width] = bytes([value]) * width
        return bytes(out)
    a, b = sorted((rng.randrange(len(out)), rng.randrange(len(out))))
    b = min(b, a + rng.choice((1, 4, 30, len(out))))
    if choice < 0.78:
        return bytes(out[:a] + out[b:])
    if choice < 0.9:
        return bytes(out[:b] + out[a:])
    return bytes(out[: max(b, 1)])


def pictures() -> tuple[list[bytes], Callable[[bytes, Random], bytes], Callable[[bytes], bool]]:
    """Return small pictures of every kind, what damages one so that its checksums fit, and what reads it."""
    from test_photos_hostile import small_files

    from inklens.photos import decode
    from inklens.tasks.reading import load_reader

    reader = load_reader(None)

    def read(data: bytes) -> bool:
        picture = decode(data)
        assert np.isfinite(picture.gray).all()
        assert 0 <= picture.gray.min() <= picture.gray.max() <= 1
        if zlib.crc32(data) % 64 == 0:
            assert all(reading.label in reader.classes for reading in reader.read(data, many=None))
        return True

    return list(small_files().values()), _with_png_checksums, read


def _with_png_checksums(data: bytes, rng: Random) -> bytes:
    """Damage a file; if it is a PNG, write the checksums of its chunks anew."""
    data = damaged(data, rng)
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    out, at = bytearray(data), 8
    while at + 12 <= len(out):
        length = int.from_bytes(out[at : at + 4], "big")
        if at + 12 + length > len(out):
            break
        out[at + 8 + length : at + 12 + length] = struct.pack(">I", zlib.crc32(out[at + 4 : at + 8 + length]))
        at += 12 + length
    return bytes(out)


def idx() -> tuple[list[bytes], Callable[[bytes, Random], bytes], Callable[[bytes], bool]]:
    """Return small IDX files of every type, packed and not, what damages one and packs it, and what reads it."""
    import gzip
    import tempfile

    from datasets_makers import idx_bytes

    from inklens.datasets.sources.idx import TYPES, read_idx

    seeds = [idx_bytes(np.arange(2 * 3 * 4).reshape(2, 3, 4).astype(kind), code) for code, kind in TYPES.items()]
    seeds += [idx_bytes(np.arange(6, dtype=np.uint8)), gzip.compress(seeds[0], mtime=0)]
    folder = "/dev/shm" if Path("/dev/shm").is_dir() else None
    place = Path(tempfile.mkstemp(dir=folder)[1])

    def packed(data: bytes, rng: Random) -> bytes:
        return gzip.compress(damaged(data, rng), 1, mtime=0)

    def read(data: bytes) -> bool:
        place.write_bytes(data)
        array = read_idx(place)
        assert array.nbytes <= 1100 * len(data)
        return True

    return seeds, packed, read


def models() -> tuple[list[bytes], Callable[[bytes, Random], bytes], Callable[[bytes], bool]]:
    """Return the model files of the tests, and a small one; what damages one and signs it; and what reads it."""
    from inklens.exports import weights
    from inklens.reader import DigitReader

    rng = np.random.default_rng(0)
    names = tuple("abc")
    small = DigitReader(rng.normal(size=(3, 12)), rng.normal(size=3), names, (3, 4), provenance={"C": 1.0})
    golden = sorted((TESTS / "golden").glob("*.inklens"))
    seeds = [small.to_bytes(), *(path.read_bytes() for path in golden[:2]), weights.weights_text(small).encode()]

    def read(data: bytes) -> bool:
        reader = DigitReader.from_bytes(data)
        assert np.isfinite(reader.coef).all()
        assert len(set(reader.classes)) == len(reader.classes) > 1
        return True

    return seeds, _signed, read


def _signed(data: bytes, rng: Random) -> bytes:
    """Damage words of a model's header, or numbers, and sign what came of it."""
    from inklens.exports import weights
    from inklens.model import file as model_file

    tensors, header = ({}, json.loads(data)) if data[:1] == b"{" else model_file.unpack(data)
    header.pop("sha256", None)
    if tensors and rng.random() < 0.3:
        name = rng.choice(sorted(tensors))
        changed = np.frombuffer(damaged(tensors[name].tobytes(), rng), np.uint8)
        kind = rng.choice((tensors[name].dtype, np.dtype("f4"), np.dtype("u1")))
        whole = changed[: changed.size // kind.itemsize * kind.itemsize].view(kind)
        fits = whole.size == tensors[name].size
        tensors = {**tensors, name: whole.reshape(tensors[name].shape) if fits else whole}
    else:
        try:
            header = json.loads(_reworded(json.dumps(header), rng))
        except ValueError:
            return damaged(data, rng)
    if tensors:
        return model_file.pack(tensors, header)
    return json.dumps({**header, "sha256": weights._digest(header)}).encode()


def _reworded(text: str, rng: Random) -> str:
    """Put other words in the place of some words of a JSON document."""
    words = WORD.split(text)
    for _ in range(rng.randint(1, 3)):
        words[2 * rng.randrange(len(words) // 2) + 1] = rng.choice(WORDS)
    return "".join(words)


def _refielded(table: bytes, rng: Random) -> bytes:
    """Put other fields in the place of some fields of a table."""
    fields = MARK.split(table.decode())
    for _ in range(rng.randint(1, 3)):
        fields[2 * rng.randrange(len(fields) // 2)] = rng.choice((*FIELDS, *fields[::2]))
    return "".join(fields).encode("utf-8", "surrogatepass")


def _place(name: str) -> Path:
    """Return a path in memory, for what is read by path alone."""
    import tempfile

    return Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)) / name


def checkpoints() -> tuple[list[bytes], Callable[[bytes, Random], bytes], Callable[[bytes], bool]]:
    """Return checkpoints of small fits, what damages one and signs it, and what goes on from it."""
    from types import SimpleNamespace

    from inklens.linear.driver import solve
    from inklens.linear.rows.rows import Rows
    from inklens.model.records import DataRecord, FitRecord
    from inklens.tasks.checkpoints import SUFFIX, Checkpoint, Question

    rng = np.random.default_rng(0)
    rows, codes, place = Rows.of(rng.normal(size=(30, 4))), np.arange(30) % 3, _place("m.inklens")
    question = Question(DataRecord(checksum="ab", train=30, test=9, seed=9), FitRecord(1.0), "pixels", ("a", "b", "c"))
    checkpoint = Checkpoint.beside(place, question)
    seeds = []
    for n_passes, seconds in ((0, 0.0), (7, 1.5)):
        point = SimpleNamespace(coef=rng.normal(size=(3, 4)), intercept=rng.normal(size=3), n_passes=n_passes)
        point.seconds = seconds
        checkpoint.write(point)
        seeds.append(Path(f"{place}{SUFFIX}").read_bytes())

    def read(data: bytes) -> bool:
        Path(f"{place}{SUFFIX}").write_bytes(data)
        point = checkpoint.resume()
        assert point.coef.shape[0] == 3
        assert np.isfinite(point.coef).all()
        assert min(point.passes, point.seconds) >= 0.0
        if point.coef.shape == (3, 4) and zlib.crc32(data) % 16 == 0:
            solution = solve(question.asked.problem(rows, codes, 3), tol=1e-3, start=(point.coef, point.intercept))
            assert np.isfinite(solution.coef).all()
            assert 0.0 <= solution.lower_bound <= solution.objective
        return True

    return seeds, _signed, read


def decisions() -> tuple[list[bytes], Callable[[bytes, Random], bytes], Callable[[bytes], bool]]:
    """Return tables of labels, what changes their fields, and what reads one."""
    from inklens.datasets.dataset import Dataset
    from inklens.datasets.relabel import MAX_CHANGES, Relabelling, read_relabel, write_relabel

    place = _place("doubts.csv")
    y = np.array(["0", "1", "07", "\u0663", "a b"] * 4)
    dataset = Dataset(np.arange(80, dtype=np.uint8).reshape(20, 4), y, (2, 2), "made", "made", "none")
    seeds = []
    for decided in (Relabelling({}), Relabelling({1: "07", 6: "\u0663"}, frozenset({3, 4}))):
        write_relabel(place, dataset, {0: "1", 5: "a b"}, decided=decided)
        seeds.append(place.read_bytes())

    def read(data: bytes) -> bool:
        place.write_bytes(data)
        found = read_relabel(place, dataset)
        assert len(found) <= MAX_CHANGES
        assert {*found.labels, *found.dropped} <= set(range(len(y)))
        assert set(found.labels.values()) <= set(dataset.classes)
        return True

    return seeds, _refielded, read


def collections() -> tuple[list[bytes], Callable[[bytes, Random], bytes], Callable[[bytes], bool]]:
    """Return folders of digits, each as a list of names and files; what damages some of both; and what loads one."""
    import shutil

    from PIL import Image

    from inklens import load_dataset
    from inklens.errors import DataError

    place, files = _place("mine"), []
    for kind, side in (("PNG", 8), ("PNG", 12), ("BMP", 8), ("GIF", 8)):
        buffer = io.BytesIO()
        Image.fromarray(np.arange(side * side, dtype=np.uint8).reshape(side, side)).save(buffer, kind)
        files.append((f"1.{kind.lower()}", buffer.getvalue().hex()))
    trees = [[(f"{label}/{name}", data) for label in "37" for name, data in files[:n]] for n in (1, 4)]
    seeds = [json.dumps(tree).encode() for tree in trees]

    def changed(data: bytes, rng: Random) -> bytes:
        """Rename, repeat, or damage some files."""
        tree = json.loads(data)
        for _ in range(rng.randint(1, 4)):
            path, content = rng.choice(tree)
            folder, _, name = path.rpartition("/")
            folder = rng.choice((folder, *FIELDS)) if rng.random() < 0.6 else folder
            if rng.random() < 0.5:
                content = _with_png_checksums(bytes.fromhex(content), rng).hex()
            tree.append((f"{folder}/{rng.randrange(9)}{name}", content))
        return json.dumps(tree).encode()

    def read(data: bytes) -> bool:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        names = set()
        try:
            for path, content in json.loads(data):
                file = place / path.replace("..", "").lstrip("/")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(bytes.fromhex(content))
                names.add(file.relative_to(place).parts[0])
        except (ValueError, TypeError, AttributeError, OSError) as error:
            raise DataError("such a tree cannot be made") from error
        found = load_dataset(f"folder:{place}")
        assert len(found.classes) <= len(names)
        assert found.X.dtype == np.uint8
        return True

    return seeds, changed, read


def homework() -> tuple[list[bytes], Callable[[bytes, Random], bytes], Callable[[bytes], bool]]:
    """Return a hand-in, what damages a member and packs it again, and what opens and checks one."""
    import zipfile

    from handed_in import as_handed_in, jpeg, packed, wobbly

    from inklens import DigitReader
    from inklens.classroom.archive import open_hand_in
    from inklens.classroom.recheck import recheck

    rng = np.random.default_rng(0)
    reader = DigitReader.shipped()
    seeds = [packed(as_handed_in(reader, [jpeg(wobbly(label, rng)) for label in "49"])[1])]

    def changed(data: bytes, rng: Random) -> bytes:
        """Damage words of work.json, or a member, and pack all again."""
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        name = "work.json" if rng.random() < 0.7 else rng.choice(sorted(members))
        if name == "work.json":
            members[name] = _reworded(members[name].decode(), rng).encode("utf-8", "surrogatepass")
        else:
            members[name] = damaged(members[name], rng)
        return packed(members)

    def read(data: bytes) -> bool:
        opened = open_hand_in(data)
        assert opened.work.digits
        if zlib.crc32(data) % 64 == 0:
            recheck(data, reader)
        return True

    return seeds, changed, read


def folders() -> tuple[list[bytes], Callable[[bytes, Random], bytes], Callable[[bytes], bool]]:
    """Return a student's folder as names and files in JSON, what damages one of its files, and what goes on with it."""
    import shutil

    from handed_in import jpeg, wobbly

    from inklens.classroom import Homework

    place, rng = _place("mine"), np.random.default_rng(0)
    work = Homework(place, name="Ada")
    for number, label in enumerate("49", 1):
        work.put(number, jpeg(wobbly(label, rng)), meant="4", guess=label)
    work.explain(1, "It has a bar.")
    tree = {str(path.relative_to(place)): path.read_bytes().hex() for path in place.rglob("*") if path.is_file()}

    def changed(data: bytes, rng: Random) -> bytes:
        """Damage words of work.json, blanks of answers.md, or any file; or leave one out."""
        tree = json.loads(data)
        name = "work.json" if rng.random() < 0.6 else rng.choice(["answers.md", *sorted(tree)])
        if name == "work.json":
            text = _reworded(bytes.fromhex(tree[name]).decode(), rng)
            tree[name] = text.encode("utf-8", "surrogatepass").hex()
        elif rng.random() < 0.1:
            del tree[name]
        elif name == "answers.md" and rng.random() < 0.5:
            lines = bytes.fromhex(tree[name]).split(b"\n")
            lines[rng.randrange(len(lines))] += (
                rng.choice((b" ", b"#", b"\t", b"\x1b")) * rng.choice((1, 9, 150_000)) + b"x"
            )
            tree[name] = b"\n".join(lines).hex()
        else:
            tree[name] = damaged(bytes.fromhex(tree[name]), rng).hex()
        return json.dumps(tree).encode()

    def read(data: bytes) -> bool:
        try:
            tree = {str(name): bytes.fromhex(content) for name, content in json.loads(data).items()}
        except (ValueError, TypeError, AttributeError):  # damaged outside of the files
            return False
        shutil.rmtree(place, ignore_errors=True)
        for name in sorted(tree.keys() & set(work.work.members) | tree.keys() & {"answers.md"}):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(tree[name])
        again = Homework(place)
        assert all(digit is None or digit.label in again.reader.classes for digit in again.work.digits)
        if zlib.crc32(data) % 16 == 0:
            again.check()
            assert Homework(place).work == again.work
        return True

    return [json.dumps(tree).encode()], changed, read


def grades() -> tuple[list[bytes], Callable[[bytes, Random], bytes], Callable[[bytes], bool]]:
    """Return tables of points, what changes their fields, and what reads one."""
    from inklens.classroom.grades import COLUMNS, MOST_POINTS, read_table

    place, rows = _place("grades.csv"), [COLUMNS]
    for name in ("ada.inkwork", "'=bo.inkwork", "cem \u0663.inkwork"):
        rows.append([name, "Ada", *("2", "1.5", "", "0", "1", "2", "2"), 'a "comment", here', "8.5", "said"])
    seeds = [
        "\r\n".join(mark.join(f'"{c.replace(chr(34), chr(34) * 2)}"' for c in row) for row in rows) for mark in ",;"
    ]

    def read(data: bytes) -> bool:
        place.write_bytes(data)
        for grade in read_table(place)[1].values():
            assert all(0.0 <= points <= MOST_POINTS for points in grade.points.values())
        return True

    return [seed.encode() for seed in seeds], _refielded, read


def drawn() -> tuple[list[bytes], Callable[[bytes, Random], bytes], Callable[[bytes], bool]]:
    """Return files of a class's digits, what changes words or arrays of one, and what reads it."""
    from inklens.classroom.drawn import MAX_LABEL, N_PIXELS, Drawn, arrays, document, read_json, read_npz

    digits = [Drawn(label, bytes(range(256)) * 3 + bytes(16), "a", "9", "Ada") for label in "47"]
    seeds = [document(digits).encode(), arrays(digits)]

    def changed(data: bytes, rng: Random) -> bytes:
        """Put other words into JSON; give an array of an archive other bytes, shape or type."""
        if data[:1] == b"{":
            return _reworded(data.decode(), rng).encode("utf-8", "surrogatepass")
        packed = io.BytesIO()
        with np.load(io.BytesIO(data)) as found:
            members = dict(found)
        name = rng.choice(sorted(members))
        array = np.frombuffer(damaged(members[name].tobytes(), rng), np.uint8)
        kind = np.dtype(rng.choice(("u1", "<U1", ">U2", "S1", "f8", "M8[s]", "?")))
        array = array[: array.size // kind.itemsize * kind.itemsize].view(kind)
        sides = rng.choice(((-1,), (-1, 1), (2, -1), members[name].shape))
        try:
            members[name] = array.reshape(sides) if rng.random() < 0.9 else array[:1].reshape(())
        except (ValueError, IndexError):
            members[name] = array
        np.savez(packed, **members)
        return packed.getvalue()

    def read(data: bytes) -> bool:
        for digit in (read_json if data[:1] == b"{" else read_npz)(data):
            assert 0 < len(digit.label) <= MAX_LABEL
            assert digit.label.isprintable()
            assert len(digit.pixels) == N_PIXELS
        return True

    return seeds, changed, read


KINDS = {
    "pictures": pictures,
    "idx": idx,
    "models": models,
    "checkpoints": checkpoints,
    "decisions": decisions,
    "collections": collections,
    "homework": homework,
    "folders": folders,
    "grades": grades,
    "drawn": drawn,
}


def work(kind: str, first: int, last: int, place: mmap.mmap, out: io.TextIOWrapper) -> None:
    """Try the files of these numbers; the place holds the number at hand, for whoever sees this process die."""
    from inklens.errors import InklensError

    seeds, mended, read = KINDS[kind]()
    for data in seeds:
        assert read(data)
    counts: Counter[str] = Counter()
    findings, slowest = [], (0.0, -1)
    for number in range(first, last):
        place[:8] = PAGE.pack(number)
        rng = Random(number)
        data = seeds[number % len(seeds)]
        data = mended(data, rng) if rng.random() < 0.5 else damaged(data, rng)
        start = time.process_time()
        try:
            read(data)
            counts["read"] += 1
        except InklensError as error:
            counts[getattr(error, "code", "refused")] += 1
        except BaseException as error:
            findings.append([number, f"{type(error).__name__}: {error}"[:200]])
        taken = time.process_time() - start
        slowest = max(slowest, (taken, number))
        if taken > SLOW_SECONDS:
            findings.append([number, f"took {taken:.2f} s"])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    json.dump({"counts": counts, "findings": findings, "slowest": slowest, "peak_mb": peak}, out)


def main() -> None:
    """Work in children, each of some thousand files, and print the sum."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("files", type=int)
    parser.add_argument("--from", dest="first", type=int, default=0, metavar="N")
    parser.add_argument("--log", type=Path, default=None, help="a line of JSON after each part")
    options = parser.parse_args()
    total: dict = {"kind": options.kind, "files": 0, "counts": Counter(), "findings": [], "slowest": [0.0, -1]}
    total |= {"peak_mb": 0, "cpu_seconds": 0.0}
    place, at, end = mmap.mmap(-1, mmap.PAGESIZE), options.first, options.first + options.files
    while at < end:
        stop = min(at + 20_000, end)
        code, part = _in_child(options.kind, at, stop, place)
        if code:  # a signal: this file is the finding, and the part before it is lost to the counts
            (died,) = PAGE.unpack(place[:8])
            total["findings"].append([died, f"ended with {code}"])
            stop = died + 1
        else:
            total["counts"].update(part["counts"])
            total["findings"] += part["findings"]
            total["slowest"] = max(total["slowest"], part["slowest"])
            total["peak_mb"] = max(total["peak_mb"], part["peak_mb"])
        total["files"] += stop - at
        at = stop
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        total["cpu_seconds"] = round(used.ru_utime + used.ru_stime, 1)
        if options.log:
            options.log.write_text(json.dumps(total) + "\n")
    print(json.dumps(total))
    sys.exit(bool(total["findings"]))


def _in_child(kind: str, first: int, last: int, place: mmap.mmap) -> tuple[int, dict]:
    """Return the exit status of a child, and what it told."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        os.close(ours)
        status = 1
        try:
            with os.fdopen(theirs, "w") as out:
                work(kind, first, last, place, out)
            status = 0
        finally:
            os._exit(status)
    os.close(theirs)
    with os.fdopen(ours) as told:
        text = told.read()
    _, status = os.waitpid(child, 0)
    return status, json.loads(text) if status == 0 else {}


if __name__ == "__main__":
    main()
