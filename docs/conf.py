"""Sphinx configuration; no page loads anything from another host."""

from pathlib import Path

import click
from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.util.docutils import SphinxDirective

import inklens

project = "inklens"
author = "the inklens developers"
copyright = "2026, the inklens developers"
version = release = inklens.__version__

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc"]
exclude_patterns = ["_build", "decisions", "generated"]
numpydoc_show_class_members = False
autodoc_member_order = "bysource"
html_theme = "pydata_sphinx_theme"
html_title = "inklens"
html_show_sourcelink = False
html_copy_source = False
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["inklens.css"]
html_sidebars = {"**": []}  # all pages stand in the bar at the top
html_theme_options = {"navigation_with_keys": True, "show_toc_level": 2}


def visit_math(translator, node) -> None:
    """Write a formula as MathML, which browsers draw by themselves: no script from elsewhere."""
    block = isinstance(node, nodes.math_block)
    translator.body.append(tex2mathml(node.astext(), as_block=block))
    raise nodes.SkipNode


class CommandLine(SphinxDirective):
    """Show every command's own help, so that the reference cannot differ from the program."""

    def run(self) -> list[nodes.Node]:
        """Make one section a command."""
        from inklens.cli.main import COMMANDS, inklens

        parent = click.Context(inklens, info_name="inklens")
        return [
            section for name in COMMANDS for section in self._sections(parent, name, inklens.get_command(parent, name))
        ]

    def _sections(self, parent: click.Context, name: str, command: click.Command) -> list[nodes.Node]:
        context = click.Context(command, info_name=name, parent=parent, max_content_width=90)
        title = context.command_path
        section = nodes.section(ids=[nodes.make_id(title)], names=[title])
        section += nodes.title(text=title)
        section += nodes.literal_block(text=command.get_help(context), language="text")
        if isinstance(command, click.Group):
            for child in command.list_commands(context):
                section += self._sections(context, child, command.get_command(context, child))
        return [section]


def draw_figures(app) -> None:
    """Draw the figures of the tutorial's page, from the models that it fits."""
    from inklens import SoftmaxRegression, displays, load_dataset

    digits = load_dataset("embedded")
    rows = digits.split(train=2000, test=500, seed=9)
    X_train, X_test, shape = rows.X_train / 255, rows.X_test / 255, digits.image_shape
    dense = SoftmaxRegression(C=0.1, tol=1e-3).fit(X_train, rows.y_train)
    sparse = SoftmaxRegression(C=1.0, l1_ratio=1.0, tol=1e-3).fit(X_train, rows.y_train)
    y_pred = dense.predict(X_test)
    figures = {
        "gallery": displays.SampleGalleryDisplay.from_dataset(digits, random_state=9),
        "maps": displays.CoefficientMapsDisplay.from_estimator(dense, image_shape=shape),
        "by-hand": displays.ByHandDisplay.from_estimator(dense, X_test[33], image_shape=shape, true=rows.y_test[33]),
        "confusion": displays.ConfusionMatrixDisplay.from_predictions(rows.y_test, y_pred, class_names=digits.classes),
        "mistakes": displays.MisclassifiedDisplay.from_estimator(dense, X_test, rows.y_test, image_shape=shape),
        "evidence": displays.EvidenceDisplay.from_estimator(dense, X_test[33], image_shape=shape),
        "zeros": displays.MapComparisonDisplay.from_estimators({"L2": dense, "L1": sparse}, image_shape=shape).plot(
            shared_scale=False
        ),
    }
    for name, figure in figures.items():
        figure.save(Path(app.srcdir) / "figures" / f"{name}.svg")


def setup(app) -> None:
    """Register the figures, the formula writer and the directive."""
    app.connect("builder-inited", draw_figures)
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math, None))
    app.add_directive("command-line", CommandLine)
