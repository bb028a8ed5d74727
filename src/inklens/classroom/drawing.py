"""A sheet to draw one digit on, in the browser: a server of this computer for one page, gone with the drawing.

It listens on the loopback address only, under a path that cannot be guessed, and answers no other host name.
"""

import secrets
import webbrowser
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event

import numpy as np

from inklens import __version__
from inklens.errors import PhotoError
from inklens.names import whole_number
from inklens.pages import render
from inklens.photos import decode

LOOPBACK = "127.0.0.1"
SIDE = 560  # pixels of the sheet
MAX_BYTES = 1_000_000  # of its PNG; a scrawl all over it takes some 30 kB
READ_SECONDS = 10.0  # that a request may take to arrive
LOOK_SECONDS = 0.2  # after which it is looked whether the drawing has come


def draw(number: int, *, tell: Callable[[str], object], open_page: bool = True) -> np.ndarray:
    """Show a sheet in the browser and return what was drawn on it, ink (rows, cols) from 0 to 1.

    Parameters
    ----------
    number : int
        Of the digit, for the heading.
    tell : function
        Is given the page's address.
    open_page : bool
        Whether to open it, too.
    """
    with _Sheet(number) as sheet:
        tell(sheet.address)
        if open_page:
            webbrowser.open(sheet.address)
        while not sheet.drawn.is_set():
            sheet.handle_request()
        return sheet.ink


class _Sheet(ThreadingHTTPServer):
    """One page, and the drawing that it sends back."""

    timeout = LOOK_SECONDS

    def __init__(self, number: int) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.path = f"/{secrets.token_urlsafe(16)}"
        self.page = _page(number).encode()
        self.ink = np.zeros((0, 0))
        self.drawn = Event()

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://{self.host}{self.path}"

    @property
    def host(self) -> str:
        """The only host name that is answered."""
        return f"{LOOPBACK}:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a browser that hung up."""


class _Handler(BaseHTTPRequestHandler):
    server: _Sheet
    timeout = READ_SECONDS

    def do_GET(self) -> None:
        """Send the page."""
        if self._is_ours():
            self._send(200, self.server.page, "text/html; charset=utf-8")

    def do_POST(self) -> None:
        """Take the drawing."""
        length = whole_number(self.headers.get("Content-Length", ""), MAX_BYTES)
        if not self._is_ours():
            return
        if not length:
            return self._send(413, b"the drawing is empty or too large")
        try:
            gray = decode(self.rfile.read(length)).gray
        except PhotoError as error:
            return self._send(422, str(error).encode())
        if gray.min() > 0.5:
            return self._send(422, b"nothing is drawn yet")
        self._send(200, b"kept")
        self.server.ink = np.clip(1.0 - gray.astype(np.float64), 0.0, 1.0)
        self.server.drawn.set()

    def _is_ours(self) -> bool:
        """Refuse other host names, other paths, and pages of other places that post here."""
        same_place = self.headers.get("Origin", f"http://{self.server.host}") == f"http://{self.server.host}"
        known = self.path == self.server.path and self.headers.get("Host") == self.server.host and same_place
        if not known:
            self._send(404, b"there is nothing here")
        return known

    def _send(self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8") -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Keep the terminal for the questions."""


def _page(number: int) -> str:
    context = {"number": number, "side": SIDE, "version": __version__}
    return render("classroom/sheet.html", chapters=(), context=context, package="inklens.classroom")
