"""Sphinx configuration; no page loads anything from another host."""

import gc
import re
import sys
from pathlib import Path

from jinja2.sandbox import SandboxedEnvironment
from numpy.typing import ArrayLike
from numpydoc import docscrape_sphinx
from sphinx.util.typing import stringify_annotation

import inklens

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
gc.set_threshold(200_000, 50, 100)  # nodes of pages last: looking for garbage among them is a twelfth of a build

project = "inklens"
author = "the inklens developers"
copyright = "2026, the inklens developers"
version = release = inklens.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "changes",
    "commands",
    "drawn",
    "formulas",
    "lesson",
    "live",
]
exclude_patterns = ["_build", "_ext", "decisions", "generated"]
numpydoc_show_class_members = False
toc_object_entries_show_parents = "hide"  # beside a class it is `fit()`, and fits its line
autodoc_member_order = "bysource"
html_theme = "pydata_sphinx_theme"
html_title = "inklens"
html_show_sourcelink = False
html_copy_source = False
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_favicon = "_static/icon.svg"
html_css_files = ["inklens.css"]
html_sidebars = {"index": [], "**": ["sidebar-nav-bs"]}
html_theme_options = {"navigation_with_keys": True, "show_toc_level": 2, "show_prev_next": True}


def leave_out_empty_places(app, docname: str, source: list[str]) -> None:
    """Take patterns such as ``siblings*`` out of the trees of pages as long as no page fits them."""
    here = Path(app.srcdir, docname).parent
    source[0] = "\n".join(
        line
        for line in source[0].split("\n")
        if not re.fullmatch(r"   [\w/-]+\*", line)
        or any((Path(app.srcdir) if line.strip()[0] == "/" else here).glob(f"{line.strip().lstrip('/')}.rst"))
    )


def call_arrays_by_their_name(
    app, what: str, name: str, obj: object, options: object, signature: str | None, returned: str | None
) -> tuple[str, str | None] | None:
    """Write ArrayLike where a signature would list all that NumPy means by it, private names among them."""
    if not signature:
        return None
    short = signature
    for mode in ("smart", "fully-qualified-except-typing"):
        meant = stringify_annotation(ArrayLike, mode)
        for union in (meant, meant.replace("[Any]", "[typing.Any]")):
            short = short.replace(union, "ArrayLike")
    return None if short == signature else (short, returned)


def compile_numpydoc_once() -> None:
    """Keep numpydoc's template, which it would compile anew for each docstring: a tenth of all that is built."""
    kept: list[SandboxedEnvironment] = []

    def environment(*, loader) -> SandboxedEnvironment:
        kept[:] = kept or [SandboxedEnvironment(loader=loader)]
        return kept[0]

    docscrape_sphinx.SandboxedEnvironment = environment


def setup(app) -> None:
    """Register what belongs to no extension."""
    compile_numpydoc_once()
    app.connect("source-read", leave_out_empty_places)
    app.connect("autodoc-process-signature", call_arrays_by_their_name)
