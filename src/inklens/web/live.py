"""The page of a model inside of another page: a notebook's output that lives without a kernel and without a network."""

import html
import os
from dataclasses import dataclass

from inklens.storage import write_text

HEIGHT = 860  # CSS pixels: pad, answer and a view at the usual width of a notebook


@dataclass(frozen=True, eq=False, repr=False)
class LivePage:
    """A page that a notebook shows in a frame of its own.

    The frame may run the page's script and save files; it shares nothing with the notebook around it.

    Parameters
    ----------
    page : str
        The HTML document.
    title : str
        What screen readers call the frame.
    height : int
        Of the frame, in CSS pixels.
    """

    page: str
    title: str
    height: int = HEIGHT

    def __repr__(self) -> str:
        return f"LivePage: {self.title}, {len(self.page.encode()) / 1000:.0f} kB; a notebook shows it alive"

    def _repr_html_(self) -> str:
        return (
            f'<iframe sandbox="allow-scripts allow-downloads" title="{html.escape(self.title)}" width="100%" '
            f'height="{self.height}" style="border:1px solid rgba(128,128,128,.45);border-radius:6px" '
            f'srcdoc="{html.escape(self.page)}"></iframe>'
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page as a file, as ``inklens export`` does.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        write_text(path, self.page)
