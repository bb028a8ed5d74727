"""Labelled images from anywhere, as one `Dataset`: uint8 pixels with 0 = paper and 255 = ink, labels as strings."""

from inklens.datasets.dataset import Dataset, Split
from inklens.datasets.describe import Description, Overlap, constant_pixels, describe, overlap
from inklens.datasets.registry import SPECS, DatasetInfo, available, clear, fetch, info, load_dataset

__all__ = [
    "SPECS",
    "Dataset",
    "DatasetInfo",
    "Description",
    "Overlap",
    "Split",
    "available",
    "clear",
    "constant_pixels",
    "describe",
    "fetch",
    "info",
    "load_dataset",
    "overlap",
]
