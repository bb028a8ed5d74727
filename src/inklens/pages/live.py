"""Live doors in a page: the face with the page's own model, in frames that open where a chapter asks for them.

The frame's document is packed into the page once. A page that is printed or read without a script loses nothing: its
figures stand beside the doors.
"""

import base64
from dataclasses import dataclass
from urllib.parse import urlencode

import numpy as np
from markupsafe import Markup

from inklens.web.page import document, packed


@dataclass(frozen=True)
class Live:
    """A model's face, ready to be opened from any chapter."""

    model: bytes  # as `inklens.web.payload` makes it
    title: str

    def packed(self) -> Markup:
        """Return the frame's document as base64 of gzip."""
        return Markup(packed(document(self.model, title=self.title, kind="output").encode()))

    def door(self, view: str, words: str, *, row: int | None = None, frame: np.ndarray | None = None) -> Markup:
        """Return a door to a view.

        Parameters
        ----------
        view : str
            One of the face's tabs: draw, see, fool, penalty, judge, learn.
        words : str
            What opening it lets one do.
        row : int, optional
            A row of the test half that lies on the pad, if the model brings it as a sample.
        frame : array (rows, cols), optional
            Ink from 0 to 1 that lies on the pad.

        Examples
        --------
        >>> print(Live(b"", "").door("fool", "Draw it & see", row=33))
        <details class="live" data-open="view=fool&amp;row=33"><summary>Draw it &amp; see</summary></details>
        """
        state: dict[str, object] = {"view": view}
        if frame is not None:
            state["frame"] = base64.b64encode(np.rint(frame * 255).astype(np.uint8).tobytes()).decode()
        elif row is not None:
            state["row"] = row
        return Markup('<details class="live" data-open="{}"><summary>{}</summary></details>').format(
            urlencode(state), words
        )
