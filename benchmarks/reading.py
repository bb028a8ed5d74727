"""Many small photos into a table on a Dask cluster of two processes, beside two plain processes.

python benchmarks/reading.py [PHOTOS]

Photos are digits of the package on made paper, 1,000 different ones and copies of these. Both sides are whole
commands, start and end included; the table is read again at the end to see that nothing is done twice.
"""

import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import _paper as paper
import numpy as np
from PIL import Image
from results import table, write_section

from inklens import load_dataset

PHOTOS = 20_000
DIFFERENT = 1_000
KINDS = ("tiny", "scan", "photo", "drawing")
TURNS = 1


def make_photos(folder: Path, count: int) -> None:
    """Write `count` photos into folders of 500."""
    digits, rng = load_dataset("embedded"), np.random.default_rng(3)
    first = []
    for number in range(count):
        place = folder / f"{number // 500:03d}" / f"{number:06d}.png"
        place.parent.mkdir(exist_ok=True)
        if number < DIFFERENT:
            Image.fromarray(paper.photo(digits.images(5 * number), rng, KINDS[number % len(KINDS)])).save(place)
            first.append(place)
        else:
            shutil.copy(first[number % DIFFERENT], place)


def run(*words: str) -> tuple[float, float, dict]:
    """Run a command; return wall seconds, CPU seconds of all its processes, and what it printed as JSON."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "inklens", "read", "--json", *words], stdout=subprocess.PIPE, check=True
    )
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, json.loads(done.stdout)


def texts_of(folder: Path) -> dict[str, str]:
    """Return what the table says of every photo."""
    from pyarrow.parquet import read_table

    columns = read_table(folder, columns=["path", "text"]).to_pydict()
    return dict(zip(columns["path"], columns["text"], strict=True))


def measured(folder: Path, answers: Path) -> Iterator[list]:
    """Yield the rows of the report; both sides have to say the same."""
    photos = sorted(map(str, folder.glob("*/*.png")))
    for _ in range(TURNS):
        wall, cpu, said = run("--jobs", "2", *photos)
        yield ["two plain processes (`--jobs 2`)", f"{wall:.1f}", f"{cpu:.1f}", f"{len(photos) / wall:.1f}"]
        shutil.rmtree(answers, ignore_errors=True)
        wall, cpu, summary = run(str(folder), "--dask", "local:2", "-o", str(answers))
        yield ["`--dask local:2`", f"{wall:.1f}", f"{cpu:.1f}", f"{len(photos) / wall:.1f}"]
        assert summary["read_now"] == len(photos)
        assert texts_of(answers) == {image["path"]: image["text"] for image in said["images"]}
    wall, cpu, summary = run(str(folder), "--dask", "local:2", "-o", str(answers))
    assert summary["read_now"] == 0
    yield ["the same command again", f"{wall:.1f}", f"{cpu:.1f}", ""]


def main(count: int = PHOTOS) -> None:
    """Make the photos, measure, and write the section."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "photos"
        folder.mkdir()
        make_photos(folder, count)
        rows = list(measured(folder, Path(place) / "answers.parquet"))
    body = table([f"{count:,} photos", "wall s", "CPU s", "photos/s"], rows)
    body += "\n\nBoth sides gave the same texts. Whole commands, one after the other; the last finds every photo done."
    if count == PHOTOS:
        write_section("Many photos into a table", body)
    print(body)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
