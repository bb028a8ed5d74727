"""Pages: one self-contained HTML file, with its figures beside it, that replaces an older one as a whole."""

from typing import TYPE_CHECKING

from inklens.pages.folder import replaced_folder, write_report
from inklens.pages.page import Chapter, render

if TYPE_CHECKING:
    from inklens.pages.figures import ReportFigure, confusion_figures

__all__ = ["Chapter", "ReportFigure", "confusion_figures", "render", "replaced_folder", "write_report"]


def __getattr__(name: str) -> object:
    """Import what draws with matplotlib where it is used: a page may do without."""
    if name in ("ReportFigure", "confusion_figures"):
        from inklens.pages import figures

        return getattr(figures, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
