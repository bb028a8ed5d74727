"""Numbers as words and as ticks: one style in every figure and on every page."""

import math

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from inklens.reprs import counted as counted
from inklens.reprs import percent as percent

WHOLE_STEPS = (1, 2, 5, 10, 20, 25, 50)  # percent between two ticks
ROUND_STEPS = [1, 2, 5, 10]  # leading digits of the distance between two ticks


def times(n: int) -> str:
    """Write how often something happened.

    >>> times(1), times(2), times(1250)
    ('once', 'twice', '1,250 times')
    """
    return {1: "once", 2: "twice"}.get(n, f"{n:,} times")


def share_ticks(axes: Axes, which: str, *, most: int = 5) -> None:
    """Put whole percentages on an axis of shares, "x" or "y", and widen it until it has two of them.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot(xlim=(0.886, 0.899))
    >>> share_ticks(axes, "x")
    >>> [text.get_text() for text in axes.get_xticklabels()]
    ['88%', '89%', '90%']
    """
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = (100 * limit for limit in axis.get_view_interval())
    step = next((step for step in WHOLE_STEPS if (high - low) / step <= most - 1), WHOLE_STEPS[-1])
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if last <= first:
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        first, last = (first, last) if last > first else (max(first - 1, 0), max(last, 1))
        low, high = min(low, first * step), max(high, last * step)
        axes.set(**{f"{which}lim": (low / 100, high / 100)})
    axis.set_major_locator(FixedLocator([k * step / 100 for k in range(first, last + 1)]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0%}"))


def round_ticks(axes: Axes, which: str, *, most: int = 5) -> None:
    """Put few round numbers, without trailing zeros, on an axis.

    >>> from matplotlib.figure import Figure
    >>> axes = Figure().add_subplot(xlim=(0, 0.16))
    >>> round_ticks(axes, "x")
    >>> [text.get_text() for text in axes.get_xticklabels()]
    ['0', '0.05', '0.1', '0.15', '0.2']
    """
    axis = axes.xaxis if which == "x" else axes.yaxis
    axis.set_major_locator(MaxNLocator(most, steps=ROUND_STEPS))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "−")))
