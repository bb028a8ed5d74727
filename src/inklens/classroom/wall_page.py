"""The class's wall as a page: one file, to project, to read on a phone and to print."""

import base64
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inklens import __version__
from inklens.classroom.answers import png
from inklens.classroom.drawn import SIDE
from inklens.classroom.wall import BINS, Wall
from inklens.pages import render
from inklens.storage import write_text

SHOWN_DIGITS = 1_200  # of the grid; more make a page that no projector shows
SHOWN_OF_A_KIND = 8  # digits beside a kind of mistake
FULL_INK = 255


@dataclass(frozen=True)
class Tile:
    """One digit of the grid."""

    image: str
    meant: str
    read: str
    who: str
    probability: float

    @property
    def is_right(self) -> bool:
        """Whether it was read as it was meant."""
        return self.meant == self.read


def wall_page(wall: Wall, *, names: bool = False) -> str:
    """Return the page; students are numbers unless `names` are wanted."""
    shown = wall.drawn.shown(names=names)
    tiles = [_tile(wall, i, shown) for i in range(len(wall.labels))]
    kept = tiles[:SHOWN_DIGITS]
    rows = [(name, [tile for tile in kept if tile.meant == name]) for name in wall.classes]
    context = {
        "version": __version__,
        "title": "The class's wall",
        "heading": "The class's wall",
        "description": f"What {_counted(len(shown), 'student')} drew, and what {wall.title} reads.",
        "wall": wall,
        "n_students": len(shown),
        "rows": [(name, row) for name, row in rows if row],
        "left_out": len(tiles) - len(kept),
        "hardest": [tiles[i] for i in wall.hardest()],
        "confused": [(kind, [tiles[i] for i in kind.which[:SHOWN_OF_A_KIND]]) for kind in wall.confused()],
        "largest": int(_off_diagonal(wall.confusion).max(initial=1)),
        "bars": _bars(wall.guesses.by_student),
        "names": names,
    }
    return render("classroom/wall.html", chapters=(), context=context, package="inklens.classroom")


def write_wall(wall: Wall, out: str | Path, *, names: bool = False) -> None:
    """Write the page into a file.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    write_text(Path(out), wall_page(wall, names=names))


def _tile(wall: Wall, i: int, shown: dict[str, str]) -> Tile:
    digit = wall.drawn.digits[i]
    levels = FULL_INK - np.frombuffer(digit.pixels, np.uint8).reshape(SIDE, SIDE)
    image = "data:image/png;base64," + base64.b64encode(png(levels)).decode()
    return Tile(image, digit.label, str(wall.answers[i]), shown[digit.student], float(wall.probability[i]))


def _off_diagonal(confusion: np.ndarray) -> np.ndarray:
    return confusion * (1 - np.eye(len(confusion), dtype=int))


def _bars(counts: tuple[int, ...]) -> list[dict[str, object]]:
    """Return the histogram of guesses: a label, a count and a height from 0 to 100 for each bar."""
    most = max([*counts, 1])
    edges = [round(100 * k / BINS) for k in range(BINS + 1)]
    return [
        {"label": f"{low} to {high}%", "n": n, "height": round(100 * n / most)}
        for low, high, n in zip(edges[:-1], edges[1:], counts, strict=True)
    ]


def _counted(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
