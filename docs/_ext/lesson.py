"""``.. lesson::`` is the plan of howto/lesson.toml, and slides of the same parts are written beside its page."""

import base64
import tomllib
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import jinja2
from docutils import nodes
from drawn import FOLDER, drawn, figures
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

PLAN = "howto/lesson.toml"  # in the sources
SLIDES = "howto/slides.html"  # in what is built
TITLE = "A model that you can see through"


@dataclass(frozen=True)
class Part:
    """A part of the lesson, as the plan has it, with the minutes between which it lies."""

    minutes: int
    title: str
    say: list[str]
    do: str
    task: str
    answer: str
    figure: str
    begin: int = 0

    @property
    def end(self) -> int:
        """Minute at which it ends."""
        return self.begin + self.minutes


def parts(sources: Path) -> list[Part]:
    """Return the parts of the plan, in order."""
    plan = tomllib.loads((sources / PLAN).read_text(encoding="utf-8"))["part"]
    begins = accumulate((part["minutes"] for part in plan), initial=0)
    return [Part(**part, begin=begin) for part, begin in zip(plan, begins, strict=False)]


class Lesson(SphinxDirective):
    """One section a part."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        self.env.note_dependency(str(Path(self.env.srcdir, PLAN)))
        return [self._section(part) for part in parts(Path(self.env.srcdir))]

    def _section(self, part: Part) -> nodes.section:
        title = f"Minute {part.begin} to {part.end}: {part.title}"
        section = nodes.section(ids=[nodes.make_id(title)], names=[nodes.fully_normalize_name(title)])
        section += nodes.title(text=title)
        points = nodes.bullet_list("", *(nodes.list_item("", nodes.paragraph(text=point)) for point in part.say))
        words = (labelled("Do", part.do), labelled("Exercise", part.task), labelled("Answer", part.answer))
        section += [points, *words, drawn(name=part.figure, source="gallery")]
        return section


def labelled(label: str, text: str) -> nodes.paragraph:
    """Return a paragraph that begins with a word in bold."""
    return nodes.paragraph("", "", nodes.strong(text=f"{label}. "), nodes.Text(text))


def write_slides(app: Sphinx, failed: Exception | None) -> None:
    """Write the slides as one file, figures and all."""
    if failed or app.builder.format != "html":
        return
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(
        Path(__file__).with_name("slides.html").read_text(encoding="utf-8")
    )
    shown = [
        {
            **{name: getattr(part, name) for name in ("begin", "end", "title", "say", "task", "answer")},
            "figure": data_uri(Path(app.outdir, FOLDER, f"{part.figure}-narrow.svg")),  # its words are the larger ones
            "alt": figures(app.env)[part.figure].alt,
        }
        for part in parts(Path(app.srcdir))
    ]
    Path(app.outdir, SLIDES).write_text(template.render(title=TITLE, parts=shown), encoding="utf-8")


def data_uri(svg: Path) -> str:
    """Return a figure as an address that holds it."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.read_bytes()).decode()}"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("lesson", Lesson)
    app.connect("build-finished", write_slides)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
