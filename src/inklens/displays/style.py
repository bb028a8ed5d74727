"""Figures are drawn under matplotlib's own defaults: a reader's matplotlibrc, rcParams or backend change nothing.

Its parameters are the whole process's. They are changed while something is drawn, by one thread at a time: two that put
them back in the wrong order would leave ours behind for good.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar

import matplotlib

P = ParamSpec("P")
R = TypeVar("R")

_drawing = threading.RLock()

FONT = "DejaVu Sans"  # comes with matplotlib, so that text is as wide on every machine

# A fixed salt makes the same figure the same bytes; text stays text; images stay separate and unblurred.
_SETTINGS: dict[str, object] = {
    "font.sans-serif": [FONT, *matplotlib.rcParamsDefault["font.sans-serif"][1:]],
    "svg.hashsalt": "inklens",
    "svg.fonttype": "none",
    "svg.image_inline": True,
    "image.composite_image": False,
}


@contextmanager
def default_style() -> Iterator[None]:
    """Use matplotlib's defaults and the settings of this package until the block ends."""
    with _drawing, matplotlib.rc_context(_parameters()):  # type: ignore[arg-type]
        yield


def in_default_style(function: Callable[P, R]) -> Callable[P, R]:
    """Run a function under `default_style`; every ``plot`` is decorated with it."""

    @wraps(function)
    def styled(*args: P.args, **kwargs: P.kwargs) -> R:
        with default_style():
            return function(*args, **kwargs)

    return styled


@lru_cache(maxsize=1)
def _parameters() -> dict[str, object]:
    """Return all parameters but the backend, which is no matter of style and which `rc_context` does not restore."""
    parameters: dict[str, object] = dict(matplotlib.rcParamsDefault.items())
    return {name: value for name, value in (parameters | _SETTINGS).items() if not name.startswith("backend")}
