"""What is written of a model."""

from typing import Protocol

from inklens.model.file import SavedModel
from inklens.model.summary import Summarised


class ExportedModel(SavedModel, Summarised, Protocol):
    """A `DigitReader`, or what looks like one."""
