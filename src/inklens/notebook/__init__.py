"""The face in notebooks: live pages, and widgets, whose digit, strokes and answer are variables of the notebook.

Widgets need the extra ``notebook``. Without it each shows the same as a live page that Python hears nothing from, and
says what to install.
"""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from inklens.notebook.live import live

if TYPE_CHECKING or find_spec("anywidget") is not None:
    from inklens.notebook.widgets import Confusion, CSlider, DrawDigit, Flip
else:
    from inklens.notebook.plain import Confusion, CSlider, DrawDigit, Flip

__all__ = ["CSlider", "Confusion", "DrawDigit", "Flip", "live"]
