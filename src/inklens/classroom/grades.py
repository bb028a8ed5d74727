"""What a teacher gets: an overview, a page a student, a table of points to fill in, tables for learning platforms.

Points and comments stand in ``grades.csv`` and nowhere else. It is edited in any program for tables; the next check
reads it first and keeps what is there. Nothing in the folder tells the time, so the same class gives the same bytes.
"""

import base64
import csv
import hashlib
import io
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from inklens import __version__
from inklens.classroom.answers import frame_of, png
from inklens.classroom.checking import UNPROVEN, ClassCheck, Row
from inklens.classroom.plain import read_plain
from inklens.classroom.recheck import DigitFound
from inklens.classroom.work import DELIVERABLES, DigitWork
from inklens.errors import DataError
from inklens.pages import render
from inklens.reprs import map_scale, map_tile
from inklens.storage import remove, write_inside

GRADES, OVERVIEW = "grades.csv", "index.html"
STUDENTS, FEEDBACK = "students", "feedback"  # pages for the teacher; the same to give back
MOST_POINTS = 2.0  # of a deliverable: one a digit
TOTAL = MOST_POINTS * len(DELIVERABLES)
MAX_TABLE_BYTES = 5_000_000
TYPED = (*DELIVERABLES, "comment")  # columns that are the teacher's
COLUMNS = ("file", "name", *TYPED, "points", "check")
NEARLY_WHITE = 1e-12  # stands for the exact zeros of bare paper, which a map of coefficients would draw black
STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
BYTE_ORDER_MARK = "\ufeff"  # without it spreadsheets take names with accents for another encoding
OURS, OURS_WITHIN = b'<meta name="generator" content="inklens', 1000  # what a page of ours has at its beginning
SHOWN_CLASSES = 4  # of a table of scores

# file names as the platforms give them to what they pack together
CANVAS_NAME = re.compile(r"(?:^|/)[^_/]+(?:_LATE)?_(?P<id>\d+)_\d+_[^/]*$")
MOODLE_NAME = re.compile(r"(?:^|/)(?P<name>[^/]+)_(?P<id>\d+)_assignsubmission_file")


@dataclass(frozen=True)
class Form:
    """How a program for tables separates columns, and with it numbers: semicolons go with a decimal comma."""

    delimiter: str = ","

    @property
    def decimal(self) -> str:
        """The decimal sign."""
        return "," if self.delimiter == ";" else "."


@dataclass(frozen=True)
class Grade:
    """What a teacher typed of one hand-in: points by deliverable, a comment."""

    points: Mapping[str, float] = field(default_factory=dict)
    comment: str = ""

    @property
    def total(self) -> float | None:
        """The sum; None where no points are typed yet."""
        return sum(self.points.values()) if self.points else None


OF_PLATFORMS = Form()
"""What Canvas and Moodle import."""


def write_grades(
    check: ClassCheck, out: str | os.PathLike[str], *, decimal_comma: bool | None = None
) -> dict[str, Grade]:
    """Write everything into the folder `out`, and return what the teacher has typed so far, by file.

    Parameters
    ----------
    check : ClassCheck
        What was found in a class's folder.
    out : path
        The folder.
    decimal_comma : bool, optional
        Whether ``grades.csv`` has semicolons between columns and a decimal comma; by default as the one that is there.

    Raises
    ------
    DataError
        ``grades.csv`` is there and cannot be read; nothing is written then.
    OutputError
        The folder cannot be written.
    """
    folder = Path(out)
    form, grades = read_table(folder / GRADES)
    if decimal_comma is not None:
        form = Form(";" if decimal_comma else ",")
    pages = _page_names([row.file for row in check.rows])
    links = _links(check, pages)
    for row in check.rows:
        grade = grades.get(row.file, Grade())
        write_inside(folder / STUDENTS / pages[row.file], _student_page(check, row, grade, links[row.file]))
        write_inside(folder / FEEDBACK / pages[row.file], _student_page(check, row, grade, None))
    for where in (STUDENTS, FEEDBACK):
        _remove_others(folder / where, set(pages.values()))
    write_inside(folder / OVERVIEW, _overview(check, grades, pages))
    write_inside(folder / "canvas.csv", canvas_table(check, grades))
    write_inside(folder / "moodle.csv", moodle_table(check, grades))
    write_inside(folder / GRADES, BYTE_ORDER_MARK + grades_table(check, grades, form))
    return grades


def _remove_others(folder: Path, kept: set[str]) -> None:
    """Remove the pages of hand-ins that are gone; files that somebody else put there stay."""
    for path in folder.glob("*.html"):
        if path.name not in kept and path.is_file() and _is_ours(path):
            remove(path)


def _is_ours(page: Path) -> bool:
    try:
        with page.open("rb") as file:
            return OURS in file.read(OURS_WITHIN)
    except OSError:  # not to be read, so somebody else's
        return False


# ------------------------------------------------------------------------------------------------- tables


def read_table(path: Path) -> tuple[Form, dict[str, Grade]]:
    """Return the form of ``grades.csv``, and what is typed there, by file; nothing where there is none yet.

    Columns may be separated by commas, semicolons or tabs, and numbers may have a decimal comma.

    Raises
    ------
    DataError
        It is no table with the columns that it needs, or points are no number from 0 to 2.
    """
    if not path.exists():
        return Form(), {}
    try:
        text = read_plain(path, MAX_TABLE_BYTES, "it is no table of points").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{str(path)!r} is no UTF-8 text; save it as CSV UTF-8 in your program for tables") from error
    form = Form(max(",;\t", key=text.partition("\n")[0].count))
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=form.delimiter, strict=True))
    except csv.Error as error:
        raise DataError(f"{str(path)!r} is no table: {error}; move it away, and check again for a new one") from error
    absent = [name for name in ("file", *TYPED) if rows and name not in rows[0]]
    if absent:
        raise DataError(f"{str(path)!r} has no column {absent[0]!r}; undo that, or move the file away")
    return form, {unquoted(row["file"] or ""): _grade(row, f"{path.name}, row {n}") for n, row in enumerate(rows, 2)}


def _grade(row: Mapping[str, str | None], where: str) -> Grade:
    points = {}
    for part in DELIVERABLES:
        typed = (row[part] or "").strip().replace(",", ".")
        if typed:
            points[part] = _points(typed, f"{where}, {part}")
    return Grade(points, unquoted((row["comment"] or "").strip()))


def _points(typed: str, where: str) -> float:
    try:
        points = float(typed)
    except ValueError:
        points = -1.0
    if not 0.0 <= points <= MOST_POINTS:
        raise DataError(f"{where}: expected 0 to {MOST_POINTS:g} points, got {typed[:20]!r}")
    return points


def grades_table(check: ClassCheck, grades: Mapping[str, Grade], form: Form = OF_PLATFORMS) -> str:
    """Return ``grades.csv``; what was typed of files that are gone stays at its end."""
    found = {row.file: row for row in check.rows}
    files = [*found, *sorted(file for file in grades if file not in found and grades[file] != Grade())]
    rows = (_typed_row(file, found.get(file), grades.get(file, Grade()), form) for file in files)
    return _table(COLUMNS, rows, form)


def _typed_row(file: str, row: Row | None, grade: Grade, form: Form) -> list[str]:
    points = [_plain(grade.points.get(part), form) for part in DELIVERABLES]
    said = "not in the folder" if row is None else verdict(row)
    return [file, "" if row is None else row.name, *points, grade.comment, _plain(grade.total, form), said]


def canvas_table(check: ClassCheck, grades: Mapping[str, Grade]) -> str:
    """Return a table as the grade book of Canvas imports it, with the student's number where the file name tells it."""
    heading = _one_line(check.assignment)
    rows = [["    Points Possible", "", "", "", "", f"{TOTAL:g}"]]
    for row in check.rows:
        known = CANVAS_NAME.search(row.file)
        total = grades.get(row.file, Grade()).total
        rows.append([row.name or row.file, known["id"] if known else "", "", "", "", _plain(total)])
    return _table(("Student", "ID", "SIS User ID", "SIS Login ID", "Section", heading), rows)


def moodle_table(check: ClassCheck, grades: Mapping[str, Grade]) -> str:
    """Return a table as an assignment's grading worksheet in Moodle has it."""
    rows = []
    for row in check.rows:
        known, grade = MOODLE_NAME.search(row.file), grades.get(row.file, Grade())
        identifier = f"Participant {known['id']}" if known else ""
        name = known["name"] if known else row.name or row.file
        rows.append([identifier, name, _plain(grade.total), f"{TOTAL:g}", grade.comment])
    return _table(("Identifier", "Full name", "Grade", "Maximum Grade", "Feedback comments"), rows)


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], form: Form = OF_PLATFORMS) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=form.delimiter, lineterminator="\r\n")
    writer.writerow([quoted(name) for name in columns])
    writer.writerows([quoted(cell) for cell in row] for row in rows)
    return buffer.getvalue()


def quoted(cell: str) -> str:
    """Return a cell that no program for tables takes for a formula.

    >>> quoted('=HYPERLINK("x")'), quoted("4.5"), unquoted(quoted("-Ada"))
    ('\\'=HYPERLINK("x")', '4.5', '-Ada')
    """
    return f"'{cell}" if cell.startswith(STARTS_A_FORMULA) or cell.startswith("'") else cell


def unquoted(cell: str) -> str:
    """Return what `quoted` was given."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith((*STARTS_A_FORMULA, "'")) else cell


def verdict(row: Row) -> str:
    """Return in one line what the check found."""
    if row.reason:
        return f"not checked: {row.reason}"
    said = [*row.flags, *row.differs, *row.missing]
    return "; ".join(said) if said else "every number was found again"


def _plain(points: float | None, form: Form = OF_PLATFORMS) -> str:
    return "" if points is None else f"{points:g}".replace(".", form.decimal)


def _one_line(text: str) -> str:
    return " ".join(text.split()) or "Homework"


# ------------------------------------------------------------------------------------------------- pages


@dataclass(frozen=True)
class Entry:
    """One student on the overview: the row, the page, the points so far, and each frame with what was said of it."""

    row: Row
    page: str
    total: str
    frames: list[tuple[str, DigitWork]]


@dataclass(frozen=True)
class Part:
    """One deliverable in the table of points: what was found of both digits, and what the teacher gave."""

    name: str
    found: tuple[str, ...]
    points: str


class DigitShown:
    """What a page shows of one digit."""

    def __init__(self, number: int, seen: DigitFound, picture: bytes) -> None:
        self.number, self.said, self.computed = number, seen.said, seen.computed
        self.photo = _address(picture, "jpeg")
        self.frame = _frame(seen)
        scale = map_scale(seen.evidence)
        values = np.where(seen.evidence == 0.0, NEARLY_WHITE, seen.evidence)
        self.evidence = _address(map_tile(values, "", scale=scale, alt="").png)

    @property
    def lines(self) -> list[tuple[str, float, float, float | None]]:
        """The likeliest classes: score and probability as handed in, probability as computed from the picture."""
        said = self.said
        likeliest = sorted(said.z, key=lambda name: -said.z[name])[:SHOWN_CLASSES]
        again = None if self.computed is None else self.computed.probabilities
        return [(c, said.z[c], said.probabilities[c], None if again is None else again[c]) for c in likeliest]

    @property
    def paragraphs(self) -> list[str]:
        """The student's words."""
        return [part.strip() for part in re.split(r"\n\s*\n", self.said.text) if part.strip()]


def _overview(check: ClassCheck, grades: Mapping[str, Grade], pages: Mapping[str, str]) -> str:
    rows = [
        Entry(
            row,
            f"{STUDENTS}/{pages[row.file]}",
            _plain(grades.get(row.file, Grade()).total),
            [(_frame(seen), seen.said) for seen in row.found.digits] if row.found else [],
        )
        for row in check.rows
    ]
    counts = {
        "hand-ins": len(check.rows),
        "without a question": sum(row.is_ok for row in check.rows),
        "with a question": sum(not row.is_ok and not row.reason for row in check.rows),
        "not readable": sum(bool(row.reason) for row in check.rows),
    }
    context = {
        **_common(f"{check.assignment}: the class", check.assignment, "What the class handed in, computed again."),
        "check": check,
        "suspects": [entry for entry in rows if not entry.row.is_ok],
        "others": [entry for entry in rows if entry.row.is_ok],
        "counts": counts,
        "unproven": UNPROVEN,
        "total": f"{TOTAL:g}",
    }
    return render("classroom/overview.html", chapters=(), context=context, package="inklens.classroom")


@dataclass(frozen=True)
class Links:
    """The students before and after one on the overview, each a name and a page; None at an end."""

    before: tuple[str, str] | None
    after: tuple[str, str] | None


def _links(check: ClassCheck, pages: Mapping[str, str]) -> dict[str, Links]:
    """Return for each hand-in what comes before and after it as the overview lists them."""
    listed = sorted(check.rows, key=lambda row: row.is_ok)
    ends = [None, *((row.name or row.file, pages[row.file]) for row in listed), None]
    return {row.file: Links(ends[i], ends[i + 2]) for i, row in enumerate(listed)}


def _student_page(check: ClassCheck, row: Row, grade: Grade, links: Links | None) -> str:
    """Return a student's page, with links for the teacher; one to give back has none, nor what concerns others."""
    found = row.found
    pairs = zip(found.digits, row.pictures, strict=True) if found else ()
    digits = [DigitShown(number, seen, picture) for number, (seen, picture) in enumerate(pairs, 1)]
    who = row.name or row.file
    context = {
        **_common(f"{who}: {check.assignment}", who, check.assignment),
        "row": row,
        "for_teacher": links is not None,
        "links": links,
        "digits": digits,
        "parts": [Part(name, _found(row, name), _plain(grade.points.get(name))) for name in DELIVERABLES],
        "grade": grade,
        "graded": "" if grade.total is None else f"{grade.total:g} of {TOTAL:g}",
        "most": f"{MOST_POINTS:g}",
        "unproven": UNPROVEN,
    }
    return render("classroom/student.html", chapters=(), context=context, package="inklens.classroom")


def _found(row: Row, part: str) -> tuple[str, ...]:
    """Return what was found of a deliverable of digits 1 and 2, in a word."""
    if row.found is None:
        return ("", "")
    words = []
    for number in (1, 2):
        differs = any(line.startswith(f"digit {number}, {part}:") for line in row.differs)
        lacks = any(line.startswith(f"digit {number}: the {part}") for line in row.missing)
        there = "there" if part == "explanation" else "as computed"
        words.append("differs" if differs else "missing" if lacks else there)
    return tuple(words)


def _common(title: str, heading: str, description: str) -> dict[str, object]:
    return {"title": title, "heading": heading, "description": description, "version": __version__}


def _frame(seen: DigitFound) -> str:
    return _address(png(frame_of(seen.said.frame)))


def _address(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _page_names(files: Sequence[str]) -> dict[str, str]:
    """Return a file name of letters, digits and hyphens for each hand-in, whatever that is called.

    >>> _page_names(["Ada L.inkwork", "ada l.inkwork"])["Ada L.inkwork"]
    'ada-l-ce31.html'
    """
    plain = {file: re.sub(r"[^a-z0-9]+", "-", file.casefold().removesuffix(".inkwork")).strip("-") for file in files}
    short = {file: name[:60] for file, name in plain.items()}
    seen = list(short.values())
    return {
        file: f"{name}.html" if name and seen.count(name) == 1 else f"{name or 'hand-in'}-{_mark(file)}.html"
        for file, name in short.items()
    }


def _mark(file: str) -> str:
    return hashlib.sha256(file.encode("utf-8", "surrogatepass")).hexdigest()[:4]
