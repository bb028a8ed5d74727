"""Figures of the documentation: the lines that a page shows are the lines that run.

``.. lines::`` runs and shows what a page begins with; ``.. drawn:: NAME`` runs and shows what makes a display, and
the figure under it, at two widths; ``.. shown:: NAME`` is the same figure on another page.
"""

import ast
import html
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from inklens.displays import NARROW, WIDE, Display

FOLDER = "_images/drawn"  # in what is built
PHONE = "(max-width: 600px)"  # screens that get the narrow figure


@dataclass(frozen=True)
class Figure:
    """What a figure shows, in words, and how much room its two files take: (width, height) in points."""

    alt: str
    wide: tuple[int, int]
    narrow: tuple[int, int]


class drawn(nodes.General, nodes.Element):
    """A figure, by its name."""


class Lines(SphinxDirective):
    """Lines that run in the page's namespace, and are shown."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Run and show."""
        exec(compile("\n".join(self.content), self.env.docname, "exec"), self.namespace())
        return [self.block()]

    def namespace(self) -> dict[str, object]:
        """Return the names that the page's lines have made so far."""
        return self.env.current_document.setdefault("inklens_names", {})

    def block(self) -> nodes.literal_block:
        """Return the lines as they are shown."""
        text = "\n".join(self.content)
        return nodes.literal_block(text, text, language="python")


class Drawn(Lines):
    """Lines whose last one is a display, or the call that plots it."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Run, save, and show the lines under a heading of their own, the figure beneath."""
        name = self.arguments[0]
        display, options = made("\n".join(self.content), self.namespace())
        if type(display).__name__ != name:
            raise ExtensionError(f"{self.env.docname}: the lines of {name} made a {type(display).__name__}")
        folder = Path(self.env.app.outdir, FOLDER)
        folder.mkdir(parents=True, exist_ok=True)
        sizes = []
        for suffix, width in (("", WIDE), ("-narrow", NARROW)):
            svg = display.plot(**options, width=width).to_svg(hover=False)
            (folder / f"{name}{suffix}.svg").write_text(svg, encoding="utf-8")
            sizes.append(size(svg))
        figures(self.env)[name] = Figure(display.alt, *sizes)
        section = nodes.section(ids=[nodes.make_id(name)], names=[nodes.fully_normalize_name(name)])
        self.state.document.note_explicit_target(section)
        section += [nodes.title(text=name), self.block(), drawn(name=name)]
        return [section]


class Shown(SphinxDirective):
    """A figure that the gallery makes."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Show it, with a link to its lines."""
        return [drawn(name=self.arguments[0], source="gallery")]


def made(lines: str, names: dict[str, object]) -> tuple[Display, dict[str, object]]:
    """Run lines, and return the display at their end with the options with which it is plotted."""
    *before, last = ast.parse(lines).body
    exec(compile(ast.Module(before, []), "lines", "exec"), names)
    made, options = last.value, {}
    if isinstance(made, ast.Call) and isinstance(made.func, ast.Attribute) and made.func.attr == "plot":
        options = {word.arg: ast.literal_eval(word.value) for word in made.keywords}
        made = made.func.value
    return eval(compile(ast.Expression(made), "lines", "eval"), names), options


def size(svg: str) -> tuple[int, int]:
    """Return width and height of a drawing, so that a page keeps the room before the file is there.

    >>> size('<svg width="9pt" height="5.6pt" viewBox="0 0 9 5.6">')
    (9, 6)
    """
    width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups()
    return round(float(width)), round(float(height))


def figures(env) -> dict[str, Figure]:
    """Return the figures that were made so far, by name."""
    if not hasattr(env, "inklens_figures"):
        env.inklens_figures = {}
    return env.inklens_figures


def picture(env, name: str, *, where: str) -> str:
    """Return the HTML of a figure, seen from a page such as ``howto/scale``."""
    if name not in figures(env):
        raise ExtensionError(f"{where}: there is no figure {name}; the gallery makes {sorted(figures(env))}")
    base = posixpath.relpath(f"{FOLDER}/{name}", posixpath.dirname(where) or ".")
    figure = figures(env)[name]
    room, phone_room = (f'width="{width}" height="{height}"' for width, height in (figure.wide, figure.narrow))
    return (
        f'<picture class="drawn"><source media="{PHONE}" srcset="{base}-narrow.svg" {phone_room}>'
        f'<img class="dark-light" src="{base}.svg" {room} alt="{html.escape(figure.alt)}" loading="lazy"></picture>'
    )


def visit_drawn(translator, node: drawn) -> None:
    """Write the figure, and on pages that borrow it a link to the lines that made it."""
    where = translator.builder.current_docname
    translator.body.append(f"<figure>{picture(translator.builder.env, node['name'], where=where)}")
    if node.get("source"):
        link = translator.builder.get_relative_uri(where, node["source"]) + f"#{nodes.make_id(node['name'])}"
        translator.body.append(f'<figcaption><a href="{link}">Its lines</a>, in the gallery.</figcaption>')
    translator.body.append("</figure>")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_node(drawn, html=(visit_drawn, None))
    app.add_directive("lines", Lines)
    app.add_directive("drawn", Drawn)
    app.add_directive("shown", Shown)
    return {"parallel_read_safe": False, "parallel_write_safe": True}
