"""Photos, scans and drawings -> the frames that a classifier sees."""

from inklens.photos.decode import Picture, decode
from inklens.photos.features import FEATURES, compute, straighten, stroke_layout, stroke_shares
from inklens.photos.locate import locate
from inklens.photos.normalise import Normalised, Normaliser, Step, normalise

__all__ = [
    "FEATURES",
    "Normalised",
    "Normaliser",
    "Picture",
    "Step",
    "compute",
    "decode",
    "locate",
    "normalise",
    "straighten",
    "stroke_layout",
    "stroke_shares",
]
