"""One HTML file with the whole face and a model in it: no server, no network, nothing beside it.

What the page runs and how it looks is named by hash in its policy, so nothing that a class or a file is called can
become code. Code, look and model are gzip in base85, which the page's first script unpacks; without a script, and on
paper, the page still says what the model is.
"""

import base64
import gzip
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import numpy as np

from inklens import __version__
from inklens.errors import ParameterError
from inklens.reprs import MOST_TILES, map_tiles
from inklens.web.bundle import LANGUAGES, joined_once, read_static
from inklens.web.payload import Samples, WebPath, WebReader, parse, web_model
from inklens.web.tokens import ModuleError

if TYPE_CHECKING:
    from jinja2 import Template

ENTRY, BOOT, TEMPLATE, TEXTS = "hosts/page.js", "hosts/boot.js", "page.html", "texts/page.json"
BRIDGE, FRAME = "hosts/bridge.js", "frame.html"
STYLE, STILL_STYLE = "style.css", "hosts/page.css"
LIVE_STYLE = "/* ---- from here on, the live part ---- */"  # in style.css; what stands above serves every page
FIRST = "document.documentElement.classList.add('live')"  # before anything is painted: what reads without script hides
SAFE = str.maketrans("&<>", ".:,")  # which Python's base85 leaves free, and hosts/boot.js knows
UNSAFE = str.maketrans(".:,", "&<>")
KINDS = ("page", "output")  # a file of its own; a frame in a notebook

MAP_SIZE = 112  # CSS pixels, the longer side of a map
POINTS_OF_C = 4  # significant digits


def exported(
    reader: WebReader,
    *,
    path: WebPath | Sequence[WebPath] | None = None,
    samples: Samples | None = None,
    gate: bool = True,
    title: str | None = None,
    language: str = "en",
    kind: str = "page",
) -> str:
    """Return the page of a reader: the parameters of `inklens.web.payload.web_model`, then those of `document`."""
    model = web_model(reader, path=path, samples=samples, gate=gate)
    return document(model, title=title, language=language, kind=kind)


def document(
    model: bytes,
    *,
    title: str | None = None,
    language: str = "en",
    kind: str = "page",
    opens: str = "draw",
    frame: np.ndarray | None = None,
) -> str:
    """Return the page of a model.

    Parameters
    ----------
    model : bytes
        What `inklens.web.payload.web_model` returns.
    title : str, optional
        The page's heading; by default, the model's.
    language : {"en", "de"}
        Of the page: both would be 25 kB more.
    kind : {"page", "output"}
        A file of its own, or the output of a notebook, which leaves the address alone.
    opens : str
        Key of the view that is open at first.
    frame : array (rows, cols), optional
        What lies on the pad at first, ink from 0 to 1.

    Raises
    ------
    ParameterError
        Another language.
    """
    _check_language(language)
    header, tensors = parse(model)
    still = _Still(header, tensors, json.loads(read_static(TEXTS))[language])
    return _template(TEMPLATE).render(
        **_live_parts(joined_once(ENTRY, language)),
        language=language,
        kind=kind,
        opens=opening(opens, frame),
        version=__version__,
        title=shown(title or still.title()),
        t=still.texts,
        facts=[(name, shown(value)) for name, value in still.facts()],
        tiles=list(still.tiles()),
        more_tiles=still.more_tiles(),
        can=list(still.can()),
        made=still.text("made", version=__version__),
        model=packed_tightly(model),
    )


def _check_language(language: str) -> None:
    if language not in LANGUAGES:
        raise ParameterError(f"expected one of the languages {', '.join(LANGUAGES)}, got {language!r}")


def opening(view: str, frame: np.ndarray | None = None) -> str:
    """Return what a page's root element says of its beginning, as static/address.js reads it.

    >>> opening("fool", np.array([[0.0, 1.0]]))
    'view=fool&frame=AP8%3D'
    """
    ink = None if frame is None else np.rint(np.asarray(frame) * 255).astype(np.uint8).tobytes()
    return urlencode({"view": view} | ({} if ink is None else {"frame": base64.b64encode(ink).decode()}))


@lru_cache(maxsize=8)
def widget_module(entry: str, language: str = "en") -> str:
    """Return the module of a notebook's widget, its frame's document within it.

    Parameters
    ----------
    entry : str
        The frame's host, such as ``"hosts/draw_widget.js"``.
    language : {"en", "de"}

    Raises
    ------
    ParameterError
        Another language.
    """
    _check_language(language)
    texts = json.loads(read_static(TEXTS))[language]
    page = _template(FRAME).render(**_live_parts(joined_once(entry, language)), t=texts)
    return f"{joined_once(BRIDGE)}export default widget({json.dumps(page)});\n"


def _live_parts(code: str) -> dict[str, str]:
    """Return what every page that comes to life holds, by the name that templates have for it."""
    (style, live_style), boot = _styles(), joined_once(BOOT)
    return {
        "policy": policy(scripts=(FIRST, boot, code), style=style),
        "style": style,
        "first": FIRST,
        "boot": boot,
        "live_style": packed_tightly(live_style.encode()),
        "code": packed_tightly(code.encode()),
    }


def policy(*, scripts: Sequence[str], style: str) -> str:
    """Return the content security policy of a page that may run these scripts, look so, and do nothing else.

    >>> policy(scripts=["1"], style="")[:60]
    "default-src 'none'; script-src 'sha256-a4ayc/80/OGda4BO/1o/V"
    """
    allowed = " ".join(map(_hash, scripts))
    return (
        f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def packed(data: bytes) -> str:
    """Return bytes as base64 of gzip; the same bytes give the same text."""
    return base64.b64encode(_compressed(data)).decode()


def packed_tightly(data: bytes) -> str:
    """Return bytes as base85 of gzip, a sixteenth shorter than base64, in characters that HTML leaves alone."""
    return base64.b85encode(_compressed(data)).decode().translate(SAFE)


def unpacked(text: str) -> bytes:
    """Return what `packed_tightly` was given.

    >>> unpacked(packed_tightly(b"ink"))
    b'ink'
    """
    return gzip.decompress(base64.b85decode(text.translate(UNSAFE)))


def _compressed(data: bytes) -> bytes:
    return gzip.compress(data, 9, mtime=0)


def shown(text: str) -> str:
    """Return a text without what would change its surroundings: control and direction characters become U+FFFD.

    >>> shown("a\\x00b\\u202ec")
    'a\\ufffdb\\ufffdc'
    """
    return "".join("\ufffd" if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") else char for char in text)


# ------------------------------------------------------------------------------------------------- without a script


@dataclass(frozen=True)
class _Picture:
    """A small picture in the page."""

    data: str  # PNG in base64
    width: int
    height: int
    caption: str
    alt: str


class _Still:
    """What a page says of a model without a script, read from the model's own bytes."""

    def __init__(self, header: Mapping, tensors: Mapping[str, np.ndarray], texts: Mapping[str, str]) -> None:
        self.header, self.tensors, self.texts = header, tensors, texts

    def text(self, name: str, **values: object) -> str:
        """Return a text of the catalogue with its places filled."""
        return self.texts[name].format(**values)

    def title(self) -> str:
        """Return the heading of a page that was given none."""
        return self.text("title", classes=len(self.header["classes"]), features=self.header["features"])

    def facts(self) -> Iterator[tuple[str, str]]:
        """Yield what is known of the model: a name and a value."""
        rows, cols = self.header["image_shape"]
        classes = self.header["classes"]
        names = ", ".join(classes[:MOST_TILES]) + (", …" if len(classes) > MOST_TILES else "")
        yield self.text("classes"), f"{len(classes)}: {names}"
        yield self.text("pictures"), self.text(self.header["features"], rows=rows, cols=cols)
        if "data" in self.header["card"]["facts"]:
            yield self.text("data"), self.header["card"]["facts"]["data"]
        penalty, certificate = self.header["penalty"], self.header["certificate"]
        if penalty is not None:
            yield self.text("penalty"), self._penalty(penalty)
        if certificate is not None:
            yield from self._certificate(certificate)
        shares = [
            self.text(half, share=f"{share:.2%}")
            for half, share in self.header["accuracy"].items()
            if share is not None and half in self.texts
        ]
        if shares:
            yield self.text("accuracy"), ", ".join(shares)

    def _penalty(self, penalty: Mapping) -> str:
        if penalty["C"] == "inf":
            return self.text("unpenalised")
        C = f"{penalty['C']:.{POINTS_OF_C}g}"
        return self.text("grouped" if penalty["group"] else "penalised", C=C, l1_ratio=f"{penalty['l1_ratio']:g}")

    def _certificate(self, certificate: Mapping) -> Iterator[tuple[str, str]]:
        objective, gap = f"{certificate['objective']:.6g}", f"{certificate['relative_gap']:.1e}"
        if certificate["status"] == "separated":
            yield self.text("objective"), objective
        else:
            bound = f"{certificate['lower_bound']:.6g}"
            yield self.text("objective"), self.text("bounded", objective=objective, lower_bound=bound)
        yield self.text("certificate"), self.text(certificate["status"], gap=gap)

    def tiles(self) -> Iterator[_Picture]:
        """Yield the map of each class, where a coefficient belongs to a pixel."""
        if self.header["features"] == "strokes":
            return
        rows, cols = self.header["image_shape"]
        enlarged = MAP_SIZE / max(rows, cols)
        names = [shown(name) for name in self.header["classes"]]
        maps = np.asarray(self.tensors["coef"], np.float64).reshape(-1, rows, cols)
        for tile in map_tiles(maps, names, what=self.text("map_of"))[:MOST_TILES]:
            data = base64.b64encode(tile.png).decode()
            yield _Picture(data, round(cols * enlarged), round(rows * enlarged), tile.caption, tile.alt)

    def more_tiles(self) -> str:
        """Say how many classes are not shown."""
        more = len(self.header["classes"]) - MOST_TILES
        return self.text("more_maps", more=more) if more > 0 else ""

    def can(self) -> Iterator[str]:
        """Yield what the live part does."""
        yield from (self.text("can_draw"), self.text("can_see"), self.text("can_fool"))
        if self.header["path"]:
            yield self.text("can_path", points=len(self.header["path"]["Cs"]))
        if self.header["samples"]:
            yield self.text("can_judge", samples=len(self.header["samples"]["labels"]))
        yield self.text("can_learn")


# ------------------------------------------------------------------------------------------------- the same for all


@lru_cache(maxsize=2)
def _template(name: str) -> "Template":
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(read_static(name))


@lru_cache(maxsize=1)
def _styles() -> tuple[str, str]:
    """Return the look of what reads without a script, and that of the live part."""
    base, marker, live = read_static(STYLE).partition(LIVE_STYLE)
    if not marker:
        raise ModuleError(f"{STYLE}: expected the line {LIVE_STYLE}")
    return _plain(base + read_static(STILL_STYLE)), _plain(live)


def _plain(style: str) -> str:
    """Return a style sheet without comments, and with single spaces."""
    plain = re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", "", style, flags=re.DOTALL))
    return re.sub(r"\s*([{};])\s*", r"\1", plain).strip()
