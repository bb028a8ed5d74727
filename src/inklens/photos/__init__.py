"""Photos, scans and drawings -> the frames that a classifier sees."""

from inklens.photos.decode import Picture, decode
from inklens.photos.features import (
    CENTRE,
    FEATURES,
    compute,
    deskew,
    deskew_matrix,
    pose,
    stroke_layout,
    stroke_shares,
    unwarp,
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
    "deskew",
    "deskew_matrix",
    "locate",
    "normalise",
    "pose",
    "stroke_layout",
    "stroke_shares",
    "unwarp",
]
