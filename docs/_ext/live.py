"""``.. live-page:: NAME`` is a page of a small model, alive; on paper and without a script, the figure of that name.

The model is fitted when the documentation is built.
"""

import posixpath
from pathlib import Path

from docutils import nodes
from drawn import picture
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

FILE = "_static/live.html"  # in what is built
ROWS, POINTS, SAMPLES = 1500, 20, 40  # small: the page is 200 kB
OPENS = "view=see&amp;sample=36"  # what the frame shows at first


class live(nodes.General, nodes.Element):
    """The page, in a frame."""


class LivePage(SphinxDirective):
    """The page in a frame, and a link to it."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Show it."""
        return [live(figure=self.arguments[0])]


def visit_live(translator, node: live) -> None:
    """Write frame, link and what stands in for them."""
    where = translator.builder.current_docname
    source = posixpath.relpath(FILE, posixpath.dirname(where) or ".")
    still = picture(translator.builder.env, node["figure"], where=where)
    translator.body.append(
        f'<figure class="live"><iframe src="{source}#{OPENS}" loading="lazy" title="A small model: draw a digit, '
        f'and it says what it reads and why"></iframe><noscript>{still}</noscript><div class="on-paper">{still}</div>'
        f"<figcaption>A model fitted when this page was built. Draw a digit: it answers while the pen moves. "
        f'<a href="{source}">Open it by itself</a>, or save that page: it works offline.</figcaption></figure>'
    )
    raise nodes.SkipNode


def write_page(app: Sphinx, failed: Exception | None) -> None:
    """Fit the model and write its page."""
    if failed or app.builder.format != "html":
        return
    from inklens.tasks.exporting import export_page
    from inklens.tasks.models import fit

    model = fit("embedded", train=ROWS, test=500, C=1.0, l1_ratio=1.0, tol=1e-3).reader
    page = export_page(model, points=POINTS, samples=SAMPLES, offline=True, title="Ten maps, one pad")
    Path(app.outdir, FILE).write_text(page.text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_node(live, html=(visit_live, None))
    app.add_directive("live-page", LivePage)
    app.connect("build-finished", write_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
