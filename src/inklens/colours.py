"""Colours of signed maps (the two ends, and what lies between) and of changed ink, for figures and for notebooks."""

# From "subtracts" over white to "adds"; the name says the colour that adds first.
SIGNED = {
    "blue-red": ("#67001f", "#d6604d", "#fddbc7", "#ffffff", "#d1e5f0", "#4393c3", "#053061"),
    "blue-orange": ("#7f3b08", "#e08214", "#fee0b6", "#ffffff", "#cfe1f2", "#4a90d9", "#08306b"),
}
DEFAULT = "blue-red"

# Ink that a change adds or takes away: not the colours of what speaks for and against a class.
ADDED = "#7a4fb5"  # violet, marked by a plus sign
ERASED = "#b08d00"  # gold, marked by a cross
CHANGED = (ERASED, "#ffffff", ADDED)


def rgb(colour: str) -> tuple[int, int, int]:
    """Return the channels of a colour.

    >>> rgb("#ff8000")
    (255, 128, 0)
    """
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue
