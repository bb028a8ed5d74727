"""What a function that takes long tells while it works."""

from typing import Protocol


class Progress(Protocol):
    """Called as ``progress(done, total, what)``: steps done, steps in all (None: unknown), and the step in words."""

    def __call__(self, done: int, total: int | None, what: str, /) -> object:
        """Show it; what is returned is not looked at."""
