"""Labelled images from anywhere, as one `Dataset`."""

from inklens.datasets.dataset import Dataset, Split
from inklens.datasets.registry import load_dataset

__all__ = ["Dataset", "Split", "load_dataset"]
