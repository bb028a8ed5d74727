"""Photos, scans and drawings -> the frames that a classifier sees."""

from inklens.photos.decode import Picture, decode
from inklens.photos.features import (
    CENTRE,
    FEATURES,
    compute,
    lay_back,
    posture,
    straighten,
    straightening,
    stroke_layout,
    stroke_shares,
)
from inklens.photos.locate import locate
from inklens.photos.normalise import Normalised, Normaliser, Step, normalise

__all__ = [
    "CENTRE",
    "FEATURES",
    "Normalised",
    "Normaliser",
    "Picture",
    "Step",
    "compute",
    "decode",
    "lay_back",
    "locate",
    "normalise",
    "posture",
    "straighten",
    "straightening",
    "stroke_layout",
    "stroke_shares",
]
