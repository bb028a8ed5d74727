"""What the process that forks those of a race has loaded before: to load it takes a child seconds."""

import sklearn.ensemble
import sklearn.neighbors  # noqa: F401

import inklens.photos  # noqa: F401 (for strokes)
from inklens.siblings import child  # noqa: F401
