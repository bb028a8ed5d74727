"""Photos, scans and drawings -> the frames that a classifier sees."""

from inklens.photos.decode import Picture, decode
from inklens.photos.normalise import Normalised, Normaliser, Step, normalise

__all__ = ["Normalised", "Normaliser", "Picture", "Step", "decode", "normalise"]
