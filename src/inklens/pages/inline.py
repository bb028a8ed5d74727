"""A figure's SVG made part of a page: the page's colours, ids of its own, a label, and pictures stored small."""

import base64
import io
from collections.abc import Iterator, Sequence
from functools import lru_cache
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np
from PIL import Image

from inklens.displays.palettes import INK, LINE, MISTAKE, MUTED
from inklens.displays.scene import PAPER, Reading

# The page's own colours replace those that are too dark at night, so that words are read on light and dark paper alike.
THEMED = {INK: "currentColor", MUTED: "var(--muted)", LINE: "var(--line)", MISTAKE: "var(--mistake)"}
PNG = "data:image/png;base64,"
MOST_STEPS = 32767  # of a 16-bit number
MOST_COLOURS = 256  # of a PNG with a palette


def inline_svg(
    text: str, *, prefix: str, label: str, readings: Sequence[Reading | None] = (), again: bool = False
) -> str:
    """Return a display's SVG as an svg element on no paper, with its own ids, the page's colours and a label.

    What the pixels of its pictures stand for goes along, for the page's script; `again` says that the same pictures, in
    the same order, already have their values in the figure's other arrangement.
    """
    root = ElementTree.fromstring(text)
    for element in root.iter():
        _drop_namespaces(element)
    _remove_paper(root)
    used = {name for element in root.iter() for name in _references(element)}
    for element in root.iter():
        _own_ids(element, prefix, used)
        _take_colours_of_page(element)
        if element.tag == "image":
            element.set("href", PNG + _compact(element.attrib["href"].removeprefix(PNG)))
    _tell_values(root, readings, again=again)
    width = root.attrib.pop("width")
    del root.attrib["height"]
    looks = {"preserveAspectRatio": "xMinYMin", "style": f"max-width:{width}"}  # at the left where its height is held
    root.attrib = {"role": "img", "aria-label": label, **root.attrib, **looks}
    return ElementTree.tostring(root, encoding="unicode")


def _drop_namespaces(element: Element) -> None:
    """Use plain names, as svg within HTML has them."""
    element.tag = element.tag.rpartition("}")[2]
    element.attrib = {name.rpartition("}")[2]: value for name, value in element.attrib.items()}


def _remove_paper(root: Element) -> None:
    """Take out what only a file needs: its title and record, its style sheet and its white background."""
    for parent in list(root.iter()):
        for child in list(parent):
            is_own_title = child.tag == "title" and parent is root  # titles further down are values of pixels
            if is_own_title or child.tag in ("metadata", "style") or child.get("id") == PAPER:
                parent.remove(child)


def _references(element: Element) -> Iterator[str]:
    """Yield the ids that an element refers to."""
    if element.get("href", "").startswith("#"):
        yield element.attrib["href"][1:]
    for value in (*element.attrib.values(), *_declarations(element).values()):
        if value.startswith("url(#"):
            yield value[len("url(#") : -1]


def _own_ids(element: Element, prefix: str, used: set[str]) -> None:
    """Put a prefix before ids and references, so that many figures fit on a page; drop ids that nothing refers to."""
    name = element.attrib.pop("id", None)
    if name in used:
        element.set("id", prefix + name)
    for attribute, value in element.attrib.items():
        if attribute == "href" and value.startswith("#"):
            element.set(attribute, f"#{prefix}{value[1:]}")
        else:
            element.set(attribute, value.replace("url(#", f"url(#{prefix}"))


def _take_colours_of_page(element: Element) -> None:
    """Replace neutral colours, which stand in style attributes."""
    found = _declarations(element)
    if found:
        element.set("style", "; ".join(f"{name}: {THEMED.get(value, value)}" for name, value in found.items()))


def _tell_values(root: Element, readings: Sequence[Reading | None], *, again: bool) -> None:
    """Give each picture its values: 16-bit numbers, little-endian, in base64, to be multiplied by a step."""
    pictures = list(root.iter("image"))
    if len(pictures) != len(readings):
        return
    for picture, reading in zip(pictures, readings, strict=True):
        if reading is None:
            continue
        picture.set("data-what", reading.what)
        if reading.values is None:
            continue
        largest = float(np.abs(reading.values).max())
        step = 1.0 if reading.values.dtype.kind in "iu" and largest <= MOST_STEPS else largest / MOST_STEPS or 1.0
        steps = np.rint(reading.values / step).astype("<i2")
        steps[(steps == 0) & (reading.values != 0)] = 1  # 0 means exactly zero
        picture.set("data-values", "" if again else base64.b64encode(steps.tobytes()).decode())
        picture.set("data-step", f"{step:.9g}")
        if reading.words:
            picture.set("data-words", "|".join(reading.words))


def _declarations(element: Element) -> dict[str, str]:
    """Return the style attribute as names and values."""
    parts = (part.partition(":") for part in element.get("style", "").split(";"))
    return {name.strip(): value.strip() for name, _, value in parts if value}


@lru_cache(maxsize=4096)  # a map stands in both arrangements, and in several figures
def _compact(png: str) -> str:
    """Store a picture of few colours with a palette: half the size, the same pixels."""
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    codes = pixels.reshape(-1, 3) @ np.array([1 << 16, 1 << 8, 1])
    colours, places = np.unique(codes, return_inverse=True)
    if len(colours) > MOST_COLOURS:
        return png
    small = Image.fromarray(places.reshape(pixels.shape[:2]).astype(np.uint8))
    small.putpalette(np.stack([colours >> 16, colours >> 8, colours], axis=1).astype(np.uint8).tobytes())
    buffer = io.BytesIO()
    small.save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()
