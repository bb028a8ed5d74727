"""``.. changes::`` is CHANGELOG.md as a part of the page."""

import re
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

UNDERLINES = {"##": "-", "###": "~"}


class Changes(SphinxDirective):
    """The change log."""

    def run(self) -> list[nodes.Node]:
        """Parse it where the directive stands."""
        source = Path(self.env.srcdir).parent / "CHANGELOG.md"
        self.env.note_dependency(str(source))
        lines = to_rst(source.read_text(encoding="utf-8")).splitlines()
        return self.parse_content_to_nodes_of(lines, str(source))

    def parse_content_to_nodes_of(self, lines: list[str], source: str) -> list[nodes.Node]:
        """Return the nodes of lines with headings."""
        self.content = StringList(lines, source)
        return self.parse_content_to_nodes(allow_section_headings=True)


def to_rst(markdown: str) -> str:
    """Return headings, lists and code of Markdown as reStructuredText, without the title.

    >>> print(to_rst("# Changelog\\n\\n## 1.0\\n\\n- `fit` is new"))
    <BLANKLINE>
    1.0
    ---
    <BLANKLINE>
    <BLANKLINE>
    - ``fit`` is new
    """
    made = []
    for line in re.sub(r"`([^`]+)`", r"``\1``", markdown.replace("\\", "\\\\")).splitlines():
        marks, _, title = line.partition(" ")
        if marks in UNDERLINES:
            made += [title, UNDERLINES[marks] * len(title), ""]
        elif line.startswith("- "):
            made += ["", line]
        elif marks != "#":
            made.append(line)
    return "\n".join(made)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("changes", Changes)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
