"""One JSON object, taken apart field by field: what is missing, of another type, out of range or left over is said."""

import math
from collections.abc import Mapping

from inklens.errors import DataError
from inklens.names import unshowable


class Fields:
    """The fields of an object that somebody else has written.

    Parameters
    ----------
    value : object
        What JSON gave.
    where : str
        Its place in the document, for the text of an error.

    Examples
    --------
    >>> fields = Fields({"name": "Ada", "pixels": [0, 255]}, "work.json")
    >>> fields.text("name", most=80), fields.integers("pixels", n=2, most=255)
    ('Ada', (0, 255))
    >>> fields.end()
    >>> Fields({"name": 3}, "work.json").text("name", most=80)
    Traceback (most recent call last):
    ...
    inklens.errors.DataError: work.json: expected a text for 'name', got int; make the hand-in again
    """

    def __init__(self, value: object, where: str) -> None:
        self.where = where
        if not isinstance(value, dict):
            raise self.wrong(f"expected an object, got {type(value).__name__}")
        self._left: dict[str, object] = dict(value)

    def wrong(self, what: str) -> DataError:
        """Return the error that says what is wrong here."""
        return DataError(f"{self.where}: {what}; make the hand-in again")

    def take(self, name: str) -> object:
        """Return a field of any type."""
        if name not in self._left:
            raise self.wrong(f"{name!r} is missing")
        return self._left.pop(name)

    def text(self, name: str, *, most: int, empty: bool = True, lines: bool = False) -> str:
        """Return a text of at most so many characters; of one line that can be shown, unless it may have several."""
        value = self.take(name)
        if not isinstance(value, str):
            raise self.wrong(f"expected a text for {name!r}, got {type(value).__name__}")
        if len(value) > most or not (value or empty):
            raise self.wrong(f"expected {0 if empty else 1} to {most:,} characters for {name!r}, got {len(value):,}")
        if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
            raise self.wrong(f"{name!r} is no Unicode text")
        if not lines and unshowable(value):
            raise self.wrong(f"{name!r} has control characters")
        return value

    def choice(self, name: str, among: tuple[str, ...]) -> str:
        """Return one of some texts."""
        value = self.take(name)
        if not isinstance(value, str) or value not in among:
            raise self.wrong(f"expected one of {', '.join(among)} for {name!r}, got {str(value)[:40]!r}")
        return value

    def answer(self, name: str, *, most: int) -> str | None:
        """Return a text, or None where there is no answer yet."""
        if self._left.get(name, "") is None:
            del self._left[name]
            return None
        return self.text(name, most=most, empty=False)

    def integers(self, name: str, *, n: int, most: int) -> tuple[int, ...]:
        """Return n whole numbers from 0 to `most`."""
        values = self.list(name)
        if len(values) != n or not all(type(value) is int and 0 <= value <= most for value in values):
            raise self.wrong(f"expected {n} whole numbers from 0 to {most} for {name!r}")
        return tuple(value for value in values if type(value) is int)

    def list(self, name: str) -> list[object]:
        """Return a list."""
        value = self.take(name)
        if not isinstance(value, list):
            raise self.wrong(f"expected a list for {name!r}, got {type(value).__name__}")
        return value

    def mapping(self, name: str) -> dict[str, object]:
        """Return an object."""
        value = self.take(name)
        if not isinstance(value, dict):
            raise self.wrong(f"expected an object for {name!r}, got {type(value).__name__}")
        return value

    def numbers(self, name: str, *, names: tuple[str, ...] | None = None) -> dict[str, float]:
        """Return finite numbers by name; of these names in this order, where they are known."""
        found = {key: self._number(value, f"{name}.{key}") for key, value in self.mapping(name).items()}
        if names is not None and tuple(found) != names:
            raise self.wrong(f"expected a number for each of {', '.join(names)} in {name!r}")
        return found

    def maps(self, name: str, *, names: tuple[str, ...], n: int) -> dict[str, tuple[float, ...]]:
        """Return n finite numbers for each of these names."""
        found = self.mapping(name)
        if tuple(found) != names:
            raise self.wrong(f"expected {n} numbers for each of {', '.join(names)} in {name!r}")
        return {key: self._row(values, f"{name}.{key}", n) for key, values in found.items()}

    def end(self) -> None:
        """Refuse what nobody has taken."""
        if self._left:
            raise self.wrong(f"{next(iter(self._left))[:40]!r} is not known here")

    def _row(self, values: object, name: str, n: int) -> tuple[float, ...]:
        if not isinstance(values, list) or len(values) != n:
            raise self.wrong(f"expected {n} numbers for {name!r}")
        return tuple(self._number(value, name) for value in values)

    def _number(self, value: object, name: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.wrong(f"expected a number for {name!r}, got {type(value).__name__}")
        try:
            number = float(value)
        except OverflowError as error:
            raise self.wrong(f"the number for {name!r} is too large") from error
        if not math.isfinite(number):
            raise self.wrong(f"expected a finite number for {name!r}")
        return number


def plain_settings(fields: Fields, name: str, known: Mapping[str, tuple[type, ...]]) -> dict[str, object]:
    """Return settings by name, each of a type that is known for it."""
    found = fields.mapping(name)
    for key, value in found.items():
        if key not in known or type(value) not in known[key]:
            raise fields.wrong(f"{key[:40]!r} is no setting of a recipe, or has another type there")
    return found
