"""Homework: two digits of one's own with seven deliverables each, in one file that a teacher recomputes."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inklens.classroom.homework import Homework

__all__ = ["Homework"]


def __getattr__(name: str) -> object:
    """Import `Homework` where it is used: a check of hand-ins needs no pages."""
    if name == "Homework":
        from inklens.classroom.homework import Homework

        return Homework
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
