"""What a homework still lacks, in plain words."""

from dataclasses import dataclass

from inklens.classroom.answers import ink_changed
from inklens.classroom.work import CLAIMS, DELIVERABLES, DigitWork, Work
from inklens.reprs import percent

FEWEST_WORDS = 5  # of an explanation
LEAST_CHANGE = 2.0  # full pixels of ink by which digit 2 differs from digit 1; a short stroke of a pen takes some ten


@dataclass(frozen=True)
class Gap:
    """One thing that is missing: of which digit (None: of neither), of which part, and what to do about it."""

    digit: int | None
    part: str
    what: str
    remedy: str

    @property
    def words(self) -> str:
        """What the student is told; a teacher, who cannot do it, is told `what` alone."""
        return f"{self.what}; {self.remedy}"


@dataclass(frozen=True)
class Check:
    """Which deliverables are there, by digit and part, and what is missing."""

    done: dict[int, dict[str, bool]]
    missing: tuple[Gap, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing

    def to_json(self) -> dict[str, object]:
        """Return the document of ``inklens homework check --json``, but for the folder."""
        return {
            "schema_version": 1,
            "complete": self.complete,
            "done": {str(number): parts for number, parts in self.done.items()},
            "missing": [{"digit": gap.digit, "part": gap.part, "words": gap.words} for gap in self.missing],
        }


def check(work: Work) -> Check:
    """Say what a homework lacks: of seven deliverables for each digit, and of what the two have to be."""
    gaps = [] if work.name else [Gap(None, "name", "your name is missing", "say it with --name")]
    for number, digit in enumerate(work.digits, 1):
        gaps += _of_digit(number, digit)
    gaps += _of_both(work)
    of_parts = {(gap.digit, gap.part) for gap in gaps}
    done = {
        number: {part: digit is not None and (number, part) not in of_parts for part in DELIVERABLES}
        for number, digit in enumerate(work.digits, 1)
    }
    return Check(done, tuple(gaps))


def _of_digit(number: int, digit: DigitWork | None) -> list[Gap]:
    if digit is None:
        return [Gap(number, "photo", f"digit {number}: no picture yet", "add a photo or a drawing")]
    gaps = []
    if digit.meant is None:
        gaps.append(Gap(number, "meant", f"digit {number}: what it is meant to be is missing", "say it with --meant"))
    if digit.guess is None:
        what = f"digit {number}: the guess, made before the answer, is missing"
        gaps.append(Gap(number, "guess", what, "say what you expected, with --guess"))
    if len(digit.text.split()) < FEWEST_WORDS:
        how = "is missing" if not digit.text else f"has fewer than {FEWEST_WORDS} words"
        remedy = "write a few sentences under its heading in answers.md"
        gaps.append(Gap(number, "explanation", f"digit {number}: the explanation {how}", remedy))
    return gaps


def _of_both(work: Work) -> list[Gap]:
    """Digit 2 is the first, slightly modified, and does what the first did not."""
    first, second = work.digits
    if first is None or second is None:
        return []
    if first.sha256 == second.sha256 or ink_changed(first.frame, second.frame) < LEAST_CHANGE:
        what = "digit 2: it is the same picture as digit 1"
        return [Gap(2, "change", what, "change the digit and take a new one")]
    if first.meant is None or second.meant is None:
        return []
    if first.meant != second.meant:
        what = f"digit 2: it is meant to be {second.meant} and digit 1 {first.meant}"
        return [Gap(2, "meant", what, "it has to be the same digit, modified")]
    what = f"digit 2: {_unfulfilled(second)}"
    return [] if second.outcome == second.claim else [Gap(2, "claim", what, "change it a little more")]


def _unfulfilled(digit: DigitWork) -> str:
    sure = percent(digit.probabilities[digit.label])
    if digit.claim == CLAIMS[1]:
        return f"it is to be misread, and the model still reads it as {digit.label} ({sure})"
    return f"it is to be read right, and the model reads it as {digit.label} ({sure})"
