"""The browser's files: a fixed list of addresses, and nothing that a request says becomes part of a path."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from inklens import __version__
from inklens.web.bundle import read_static, split

START, VIEWS = "hosts/studio.js", "hosts/studio_views.js"  # what is seen first, and the views that follow
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 28 28"><rect width="28" height="28" rx="5" fill="#faf8f3"/>'
    '<path d="M9 9c2-5 11-4 10 1-1 4-6 5-10 10h11" fill="none" stroke="#1d1d1f" stroke-width="3" '
    'stroke-linecap="round" stroke-linejoin="round"/></svg>\n'
)
BUNDLES = ("/app.js", "/views.js")
ADDRESSES = ("/", "/style.css", *BUNDLES, "/icon.svg", "/favicon.ico")
FIRST = "/first"  # the model to begin with, lightly: what the first picture needs
HTML, CSS = "text/html; charset=utf-8", "text/css; charset=utf-8"
JAVASCRIPT, SVG, OCTETS = "text/javascript; charset=utf-8", "image/svg+xml", "application/octet-stream"


@dataclass(frozen=True)
class Asset:
    """One file: its bytes, plain and packed, and what it is."""

    body: bytes
    content_type: str

    @property
    def etag(self) -> str:
        """Name of this very content."""
        return etag_of(self.body)

    def answer(self, accepts: str, known: str | None) -> tuple[int, bytes, dict[str, str]]:
        """Return status, bytes and headers for a browser that accepts codings and may know the content already."""
        headers = {
            "Content-Type": self.content_type,
            "ETag": self.etag,
            "Cache-Control": "no-cache",
            "Vary": "Accept-Encoding",
        }
        if known == headers["ETag"]:
            return 304, b"", headers
        if "gzip" not in accepts:
            return 200, self.body, headers
        return 200, packed(self.body), {**headers, "Content-Encoding": "gzip"}


def etag_of(content: bytes) -> str:
    """Return the name of a content, as HTTP writes it.

    >>> etag_of(b"")
    '"e3b0c44298fc1c14"'
    """
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'


@lru_cache(maxsize=16)
def packed(body: bytes) -> bytes:
    """Return a content as gzip, made once."""
    return gzip.compress(body, 6, mtime=0)


def plain_assets() -> dict[str, Asset]:
    """Return the files that are as they are written, by address."""
    icon = Asset(ICON.encode(), SVG)
    return {
        "/": Asset(read_static("studio.html").encode(), HTML),
        "/style.css": Asset(read_static("style.css").encode(), CSS),
        "/icon.svg": icon,
        "/favicon.ico": icon,
    }


def bundles() -> tuple[bytes, ...]:
    """Return the joined modules, in the order of `BUNDLES`; a child process does it, for it takes memory."""
    return tuple(part.encode() for part in split(START, VIEWS, address=BUNDLES[0]))


def root() -> Traversable:
    """Return the folder with the browser's files."""
    return files("inklens.web") / "static"


def fingerprint() -> str:
    """Return what the bundles are made of, as 16 digits."""
    made_of = hashlib.sha256(__version__.encode())
    sources: list[Traversable] = [root(), *(files("inklens.web") / name for name in ("bundle.py", "tokens.py"))]
    while sources:
        source = sources.pop()
        if source.is_dir():
            sources += sorted(source.iterdir(), key=lambda entry: entry.name)
        elif source.name.endswith((".js", ".py", ".txt")):
            made_of.update(source.name.encode() + source.read_bytes())
    return made_of.hexdigest()[:16]
