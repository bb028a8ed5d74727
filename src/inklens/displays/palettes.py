"""Colours, each with one meaning: neutrals, roles of answers and ink, and signed maps whose exact zeros are black."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from inklens.colours import ADDED as ADDED
from inklens.colours import ERASED as ERASED
from inklens.colours import SIGNED
from inklens.errors import ParameterError

INK = "#1f2328"
MUTED = "#57606a"
LINE = "#c9d1d9"

# Blue, red and orange mean evidence for and against, and nothing else. All other roles have a colour of their own, told
# apart by lightness or hue with every common kind of colour vision, and beside it a shape or a word wherever drawn.
PREDICTED = INK  # solid
TRUE = "#009e73"  # green, striped; also right answers
NEITHER = "#a8b0b9"  # grey
MISTAKE = "#9c1f6b"  # magenta
TEST, TRAINING = INK, MUTED  # solid with dots, dashed with squares
FIRST, SECOND = INK, MUTED  # of two models or states: a dot, an open square
FOR, AGAINST = "#4393c3", "#d6604d"  # flat colours of the signed maps below

BLACK = (0, 0, 0)

PALETTES = tuple(SIGNED)


@lru_cache
def signed_colormap(palette: str) -> LinearSegmentedColormap:
    """Return the colour map of a signed palette, white in the middle.

    >>> [float(channel) for channel in signed_colormap("blue-red")(0.5)[:3]]
    [1.0, 1.0, 1.0]
    """
    if palette not in SIGNED:
        raise ParameterError(f"expected a palette out of {', '.join(PALETTES)}, got {palette!r}")
    return LinearSegmentedColormap.from_list(palette, SIGNED[palette], N=257)


def colour_words(palette: str) -> tuple[str, str]:
    """Return the colour that adds and the colour that subtracts.

    >>> colour_words("blue-orange")
    ('blue', 'orange')
    """
    signed_colormap(palette)
    adds, _, subtracts = palette.partition("-")
    return adds, subtracts


def signed_pixels(values: np.ndarray, scale: float, *, palette: str, black_zeros: bool) -> np.ndarray:
    """Colour signed values on one symmetric scale.

    Parameters
    ----------
    values : float array (rows, cols)
        0 is white, `scale` the full colour that adds, ``-scale`` the one that subtracts.
    scale : float
        Value of the full colours; what lies beyond it is clipped.
    palette : {"blue-red", "blue-orange"}
        Which colours.
    black_zeros : bool
        Paint values that are exactly 0 in flat black.

    Returns
    -------
    uint8 array (rows, cols, 3)

    Examples
    --------
    >>> signed_pixels(np.array([[0.0, 1e-9]]), 1.0, palette="blue-red", black_zeros=True).tolist()
    [[[0, 0, 0], [255, 255, 255]]]
    """
    unit = np.clip(values / scale, -1, 1) if scale > 0 else np.zeros_like(values)
    pixels = signed_colormap(palette)(np.rint(unit * 128).astype(int) + 128, bytes=True)[..., :3].copy()
    if black_zeros:
        pixels[values == 0] = BLACK
    return pixels


@dataclass(frozen=True)
class SignedScale:
    """How maps that belong together are coloured: as `signed_pixels` takes it, once for all of them."""

    full: float  # value of the full colours
    palette: str
    black_zeros: bool = False

    def pixels(self, values: np.ndarray) -> np.ndarray:
        """Colour one map (rows, cols)."""
        return signed_pixels(values, self.full, palette=self.palette, black_zeros=self.black_zeros)


def ink_pixels(frame: np.ndarray) -> np.ndarray:
    """Show ink in white on black, as the classifier sees it; 0..1 or 0..255 in, (rows, cols, 3) out."""
    full = 255 if frame.dtype == np.uint8 else 1
    grey = np.clip(np.rint(frame * (255 // full)), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def text_on(colour: tuple[int, int, int]) -> str:
    """Return black or white, whichever is easier to read on an RGB `colour` (WCAG 2 relative luminance).

    >>> text_on((255, 255, 255)), text_on((5, 48, 97))
    ('#000000', '#ffffff')
    """
    channels = np.array(colour) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return "#000000" if linear @ [0.2126, 0.7152, 0.0722] > 0.179 else "#ffffff"
