"""What the user said about data."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class PixelOptions:
    """What the user said about the pixels; None means: look and decide.

    Parameters
    ----------
    shape : (int, int) or None
        Rows and columns of one image.
    range : (float, float) or None
        The values of black and white as the source counts them.
    invert, transpose : bool or None
        Whether ink is the smaller value, and whether rows and columns are exchanged.
    """

    shape: tuple[int, int] | None = None
    range: tuple[float, float] | None = None
    invert: bool | None = None
    transpose: bool | None = None


AS_FOUND = PixelOptions()  # nothing is said: look and decide


@dataclass(frozen=True)
class LoadOptions:
    """What the user said about the data and the way to them.

    Parameters
    ----------
    pixels : PixelOptions
        Shape, range and orientation.
    label : str or None
        Column of the labels, in tables.
    cache_dir : path or None
        Where downloads are kept.
    offline : bool
        Never use the network.
    """

    pixels: PixelOptions = AS_FOUND
    label: str | None = None
    cache_dir: str | os.PathLike[str] | None = None
    offline: bool = False
