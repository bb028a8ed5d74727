"""The face as widgets: a cell to draw in, whose digit, strokes and answer are variables of the notebook.

They need the extra ``notebook``. Without it each shows the same as a live page that Python hears nothing from, and says
what to install.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING or find_spec("anywidget") is not None:
    from inklens.notebook.widgets import Confusion, CSlider, DrawDigit, Flip
else:
    from inklens.notebook.plain import Confusion, CSlider, DrawDigit, Flip

__all__ = ["CSlider", "Confusion", "DrawDigit", "Flip"]
