"""Serve a class on the local network until Ctrl-C, then write down what it drew."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from inklens.classroom.drawn import ClassDigits, arrays, document
from inklens.classroom.live import LiveClass
from inklens.classroom.live_app import ClassApp, doors
from inklens.errors import OutputError
from inklens.reader import DigitReader
from inklens.storage import write_inside
from inklens.studio.folders import listen
from inklens.studio.guard import Guard
from inklens.studio.processes import prepare
from inklens.studio.server import GuardedServer

SHIPPED = "reader.inklens"
NOWHERE = ("192.0.2.1", 9)  # an address of documentation (RFC 5737): connecting UDP sends nothing, and picks a way out
DIGITS, ARRAYS, PAGE = "class.json", "class.npz", "wall.html"


@dataclass(frozen=True)
class Settings:
    """How a class is opened.

    Parameters
    ----------
    out : Path
        Folder for the digits and the page.
    address : str
        Of this computer in the local network.
    port : int
        0: any that is free.
    model : Path, optional
        A model file; by default, the reader that ships.
    names : bool
        Whether wall and page show names.
    """

    out: Path
    address: str
    port: int
    model: Path | None = None
    names: bool = False


@dataclass(frozen=True)
class Opened:
    """Where a class is, as the terminal tells it."""

    join: str
    wall: str


def local_address() -> str:
    """Return this computer's address in its network.

    Raises
    ------
    OutputError
        It has none.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(NOWHERE)
            found = str(probe.getsockname()[0])
        except OSError as error:
            raise OutputError("this computer is in no network; join one, or say --address") from error
    if found.startswith("127.") or found == "0.0.0.0":
        raise OutputError("this computer is in no network; join one, or say --address")
    return found


class ClassServer(GuardedServer):
    """A class that is open."""

    def __init__(self, settings: Settings, model: Path, port: int) -> None:
        self.settings = settings
        self.live = LiveClass(DigitReader.load(model).classes, names=settings.names)
        base = f"http://{settings.address}:{port}"
        self.opened = Opened(f"{base}/join/{self.live.token}", f"{base}/wall/{self.live.teachers_token}")
        app = ClassApp(self.live, model, self.opened.join, self.keep)
        super().__init__(Guard(app, doors(settings.address, port)), self.live.begin_to_close)

    def keep(self, live: LiveClass) -> None:
        """Write the digits down."""
        write_inside(self.settings.out / DIGITS, document(live.drawn()))


def serve_class(settings: Settings, tell: Callable[[Opened], None]) -> ClassDigits | None:
    """Open a class until SIGINT or SIGTERM; return what was drawn, which is written down by then.

    Raises
    ------
    OutputError
        It cannot listen there, or write into the folder, or a class's digits are there already.
    """
    if (settings.out / DIGITS).exists():
        raise OutputError(f"{str(settings.out)!r} holds the digits of a class already; name another folder with --out")
    try:
        listener = listen(settings.port, settings.address)
    except OSError as error:
        raise OutputError(f"cannot listen on {settings.address}, port {settings.port}: {error.strerror}") from error
    with listener, as_file(files("inklens") / SHIPPED) as shipped:
        prepare()
        server = ClassServer(settings, settings.model or shipped, listener.getsockname()[1])
        tell(server.opened)
        server.run_on(listener)
    digits = server.live.drawn()
    if not digits:
        return None
    server.keep(server.live)
    write_inside(settings.out / ARRAYS, arrays(digits))
    return ClassDigits(digits)
