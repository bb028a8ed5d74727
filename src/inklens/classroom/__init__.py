"""Homework: two digits of one's own with seven deliverables each, in one file that a teacher recomputes."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inklens.classroom.checking import ClassCheck, check_class
    from inklens.classroom.homework import Homework

__all__ = ["ClassCheck", "Homework", "check_class"]


def __getattr__(name: str) -> object:
    """Import the student's or the teacher's half where it is used: neither needs the other."""
    if name == "Homework":
        from inklens.classroom.homework import Homework

        return Homework
    if name in ("ClassCheck", "check_class"):
        from inklens.classroom import checking

        return getattr(checking, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
