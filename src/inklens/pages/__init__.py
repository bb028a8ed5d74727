"""Pages: one self-contained HTML file, with its figures beside it, that replaces an older one as a whole."""

from inklens.pages.figures import ReportFigure, confusion_figures
from inklens.pages.folder import replaced_folder
from inklens.pages.page import Chapter, render

__all__ = ["Chapter", "ReportFigure", "confusion_figures", "render", "replaced_folder"]
