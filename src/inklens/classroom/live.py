"""A class that draws on its own phones: who is in, what was drawn, and what the wall is told, without HTTP."""

import asyncio
import base64
import hmac
import json
import secrets
import time
from array import array
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from inklens.classroom.drawn import MAX_LABEL, MAX_NAME, N_PIXELS, Drawn
from inklens.reprs import listed
from inklens.studio.guard import Quota, busy
from inklens.studio.problems import Problem

# Limits of a class on the local network; each is said in the answer that it brings
MAX_STUDENTS = 300  # phones that joined
MAX_LIVE_DIGITS = 5_000  # kept: 17 a student; a page of more shows nothing any more
MAX_STREAMS = 8  # walls that are looked at
DRAWINGS_PER_SECOND, DRAWINGS_AT_ONCE = 1.0, 5  # of one student
JOINS_PER_SECOND, JOINS_AT_ONCE = 1.0, 60  # from one address: a school may stand behind one
WRONG_PER_SECOND, WRONG_AT_ONCE = 0.1, 10  # tokens from one address; then it waits, whatever it sends
MAX_CLIENTS = 2_000  # of which rates are remembered
HEARTBEAT_SECONDS = 15.0
FULL_INK = 255

ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"  # without what is taken for each other: 0 o, 1 l i
TOKEN_LENGTH = 8  # 31^8 = 8.5e11: at 0.1 guesses a second from each of 2,000 addresses, 60 years to half of them


def new_token() -> str:
    """Return a token that is typed easily."""
    return "".join(secrets.choice(ALPHABET) for _ in range(TOKEN_LENGTH))


def is_token(given: str, token: str) -> bool:
    """Whether a token is the right one, in a time that tells nothing of how much of it was.

    >>> is_token("abc", "abd"), is_token("é", "abc"), is_token("abc", "abc")
    (False, False, True)
    """
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


class Rates:
    """How often each of many clients may do something: a bucket each, which fills at a rate.

    >>> rates = Rates(per_second=1.0, at_once=2, now=lambda: 0.0)
    >>> [rates.take("a") for _ in range(3)], rates.take("b")
    ([True, True, False], True)
    """

    def __init__(self, *, per_second: float, at_once: int, now: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._most, self._now = per_second, at_once, now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what is left, and when that was

    def take(self, client: str) -> bool:
        """Take one, if one is left."""
        left = self.left(client)
        if left < 1:
            return False
        self._left[client] = (left - 1, self._now())
        self._left.move_to_end(client)
        if len(self._left) > MAX_CLIENTS:
            self._left.popitem(last=False)
        return True

    def left(self, client: str) -> float:
        """Return how many are left now."""
        left, since = self._left.get(client, (float(self._most), self._now()))
        return min(self._most, left + self._rate * (self._now() - since))


def too_often(what: str) -> Problem:
    """Return the answer to who asks too often."""
    return Problem(429, "too-often", f"{what}; wait a moment")


@dataclass
class Student:
    """One phone: a number that means nothing elsewhere, and a name if one was given."""

    id: str
    name: str = ""
    n_digits: int = 0


@dataclass(frozen=True)
class Shown:
    """A digit on the wall."""

    number: int
    student: Student = field(repr=False)
    drawn: Drawn = field(repr=False)
    answer: str
    probability: float  # of what was meant


class LiveClass:
    """What is going on in the class.

    Parameters
    ----------
    classes : tuple of str
        What the model tells apart.
    names : bool
        Whether the wall shows names.
    """

    def __init__(self, classes: tuple[str, ...], *, names: bool = False) -> None:
        self.classes, self.names = classes, names
        self.token, self.teachers_token = new_token(), new_token()
        self._teacher_key = secrets.token_urlsafe(24)
        self._students: dict[str, Student] = {}
        self.digits: dict[int, Shown] = {}
        self._n = 0
        self._events: list[bytes] = []
        self._changed, self.closing = asyncio.Event(), asyncio.Event()
        self.streams = Quota(MAX_STREAMS)
        self.joins = Rates(per_second=JOINS_PER_SECOND, at_once=JOINS_AT_ONCE)
        self.wrong = Rates(per_second=WRONG_PER_SECOND, at_once=WRONG_AT_ONCE)
        self.drawings = Rates(per_second=DRAWINGS_PER_SECOND, at_once=DRAWINGS_AT_ONCE)

    # ------------------------------------------------------------------ who is in

    def check_token(self, given: str, token: str, client: str) -> None:
        """Refuse a wrong token, and after some of them everything from there."""
        if self.wrong.left(client) < 1:
            raise too_often("too many wrong tokens came from there")
        if not is_token(given, token):
            self.wrong.take(client)
            raise Problem(404, "token", "this address is not the class's; look at the wall for the right one")

    def join(self, token: str, client: str, key: str | None) -> str:
        """Let a phone in; return the key that it shows from now on. One that is in already stays who it is."""
        self.check_token(token, self.token, client)
        if key is not None and key in self._students:
            return key
        if not self.joins.take(client):
            raise too_often("too many join from there at once")
        if len(self._students) >= MAX_STUDENTS:
            raise Problem(503, "class-full", f"a class has {MAX_STUDENTS} phones at most")
        new = secrets.token_urlsafe(24)
        self._students[new] = Student(secrets.token_hex(8))
        self._tell("students", {"n": len(self._students)})
        return new

    def open_wall(self, token: str, client: str) -> str:
        """Return the teacher's key."""
        self.check_token(token, self.teachers_token, client)
        return self._teacher_key

    def student(self, key: str | None) -> Student:
        """Return whose key this is."""
        found = self._students.get(key or "")
        if found is None:
            raise Problem(401, "join", "join the class first: open the address on the wall")
        return found

    def is_teacher(self, key: str | None) -> bool:
        """Whether this key is the teacher's."""
        return key is not None and is_token(key, self._teacher_key)

    # ------------------------------------------------------------------ digits

    def allow_drawing(self, student: Student) -> None:
        """Refuse what comes too quickly, or is too much."""
        if not self.drawings.take(student.id):
            raise too_often(f"{DRAWINGS_AT_ONCE} drawings at once and one a second are read")
        if len(self.digits) >= MAX_LIVE_DIGITS:
            raise Problem(507, "wall-full", f"the wall is full: it keeps {MAX_LIVE_DIGITS:,} digits")

    def check_labels(self, label: str, guess: str | None) -> None:
        """Refuse classes that the model does not have."""
        for given in (label, guess):
            if given is not None and (given not in self.classes or len(given) > MAX_LABEL):
                raise Problem(422, "label", f"expected one of {listed(self.classes)}")

    def name(self, student: Student, name: str) -> None:
        """Call a student so from now on."""
        plain = " ".join(name.split())
        if len(plain) > MAX_NAME or not plain.isprintable():
            raise Problem(422, "name", f"a name has {MAX_NAME} letters, digits or signs at most")
        student.name = plain

    def add(self, student: Student, answer: dict[str, object], label: str, guess: str | None) -> Shown:
        """Put a digit that was read on the wall."""
        pixels = pixels_of(str(answer["frame"]))
        probabilities = answer["probabilities"]
        assert isinstance(probabilities, dict)
        self._n += 1
        drawn = Drawn(label, pixels, student.id, guess, student.name)
        shown = Shown(self._n, student, drawn, str(answer["label"]), float(probabilities[label]))
        self.digits[shown.number] = shown
        student.n_digits += 1
        self._tell("digit", self._document(shown))
        return shown

    def remove(self, number: int, key: str | None) -> None:
        """Take a digit off the wall, for who drew it or for the teacher."""
        shown = self.digits.get(number)
        if shown is None or not (self.is_teacher(key) or self._students.get(key or "") is shown.student):
            raise Problem(404, "not-found", "there is no such digit of yours")
        del self.digits[number]
        shown.student.n_digits -= 1
        self._tell("removed", {"number": number})

    def drawn(self) -> tuple[Drawn, ...]:
        """Return all digits, each with the name that its student has now."""
        digits = self.digits.values()
        return tuple(Drawn(d.drawn.label, d.drawn.pixels, d.student.id, d.drawn.guess, d.student.name) for d in digits)

    def _document(self, shown: Shown) -> dict[str, object]:
        return {
            "number": shown.number,
            "student": shown.student.id,
            "name": shown.student.name if self.names else "",
            "label": shown.drawn.label,
            "guess": shown.drawn.guess,
            "answer": shown.answer,
            "probability": round(shown.probability, 4),
            "pixels": base64.b64encode(shown.drawn.pixels).decode(),
        }

    # ------------------------------------------------------------------ events

    @property
    def n_events(self) -> int:
        """How many there were."""
        return len(self._events)

    def _tell(self, event: str, data: dict[str, object]) -> None:
        number = len(self._events) + 1
        self._events.append(f"id: {number}\nevent: {event}\ndata: {json.dumps(data)}\n\n".encode())
        self._changed.set()
        self._changed = asyncio.Event()

    async def follow(self, after: int) -> AsyncGenerator[bytes, None]:
        """Yield events from one on, several at once when they are there, until the class ends."""
        if not self.streams.take(1):
            raise busy()
        try:
            yield b": the class\n\n"
            while not self.closing.is_set():
                changed = self._changed
                if after < len(self._events):
                    yield b"".join(self._events[after:])
                    after = len(self._events)
                    continue
                try:
                    async with asyncio.timeout(HEARTBEAT_SECONDS):
                        await changed.wait()
                except TimeoutError:
                    yield b": still there\n\n"
        finally:
            self.streams.give(1)

    def begin_to_close(self) -> None:
        """End the streams."""
        self.closing.set()
        self._changed.set()


def pixels_of(frame: str) -> bytes:
    """Return a frame (float32 in base64) in whole levels, a byte a pixel.

    >>> len(pixels_of(base64.b64encode(bytes(4 * 784)).decode()))
    784
    """
    values = array("f", base64.b64decode(frame))
    assert len(values) == N_PIXELS
    return bytes(round(min(1.0, max(0.0, value)) * FULL_INK) for value in values)
