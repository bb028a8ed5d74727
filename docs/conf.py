"""Sphinx configuration; no page loads anything from another host."""

import sys
from pathlib import Path

import inklens

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

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
suppress_warnings = ["toc.empty_glob"]  # the tree has places for pages that come later
numpydoc_show_class_members = False
autodoc_member_order = "bysource"
html_theme = "pydata_sphinx_theme"
html_title = "inklens"
html_show_sourcelink = False
html_copy_source = False
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["inklens.css"]
html_sidebars = {"index": [], "**": ["sidebar-nav-bs"]}
html_theme_options = {"navigation_with_keys": True, "show_toc_level": 2, "show_prev_next": True}
