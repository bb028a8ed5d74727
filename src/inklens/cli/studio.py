"""`inklens studio`."""

import contextlib
import os
import socket
import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path

import click

from inklens.cli.output import OutFolder, data_option, open_option, out_option, progress_bar, say
from inklens.cli.terminal import echo

PORT = 8421


@click.command()
@click.argument("model", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=None,
    metavar="N",
    help=f"Where the server listens; 0: any port that is free.  [default: {PORT}, or another if that is taken]",
)
@click.option(
    "--folder",
    type=OutFolder(),
    metavar="DIR",
    help="Where models, digits and data are kept.  [default: your own folder for programs' data]",
)
@click.option("--scratch", is_flag=True, help="Keep nothing: all goes into a folder that is removed at the end.")
@data_option(default=None)
@click.option("--unboxed", is_flag=True, help="Read pictures even where the system cannot confine what reads them.")
@click.option(
    "--class",
    "as_class",
    is_flag=True,
    help="Let a class draw on its own phones, over the local network, behind a token; the studio itself stays closed.",
)
@click.option(
    "--address", metavar="IP", help="With --class: this computer's address in that network.  [default: found out]"
)
@click.option("--names", is_flag=True, help="With --class: the wall shows names where students give them.")
@out_option("With --class: folder for the digits and the page.  [default: class-DATE]", metavar="DIR")
@open_option
@click.pass_context
def studio(
    ctx: click.Context,
    model: Path | None,
    port: int | None,
    folder: str | None,
    scratch: bool,
    data: str | None,
    unboxed: bool,
    as_class: bool,
    address: str | None,
    names: bool,
    out: str | None,
    open_page: bool | None,
) -> None:
    """Draw, see why, fool it, and train, in the browser; the server is this computer, and nobody else can reach it.

    With --class, and only then, phones in the local network reach it: they can draw and send digits, nothing else. The
    first address printed is for the teacher's wall, the second for the class. Ctrl-C writes the digits and one page.

    \b
    Examples:
      inklens studio
      inklens fit --l1-ratio 1 -o sparse.inklens
      inklens studio sparse.inklens
      inklens studio --scratch --port 0 --no-open
      inklens studio --class -o our-class

    Ctrl-C ends it.
    """
    from inklens.errors import ModelFileError, require
    from inklens.studio.folders import kept_folder

    if scratch and folder is not None:
        raise click.UsageError("--scratch keeps nothing, and --folder says where; leave out one of them", ctx)
    if model is not None and not model.is_file():
        raise ModelFileError(f"there is no model {str(model)!r}; make one with inklens fit -o FILE")
    if model is not None:
        from inklens.reader import DigitReader

        DigitReader.load(model)  # what is no model is refused before an address is printed
    for module in ("fastapi", "uvicorn"):
        if not _is_there(module):
            require(module, extra="studio")
    if as_class:
        if scratch or folder is not None or data is not None or unboxed:
            raise click.UsageError(
                "--class keeps digits in --out; leave out --folder, --scratch, --data, --unboxed", ctx
            )
        return _open_class(model, port, address, names, out, open_page)
    if address is not None or names or out is not None:
        raise click.UsageError("--address, --names and --out go with --class", ctx)
    with kept_folder(folder, scratch=scratch) as place, _listening(port) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        echo(address)
        sys.stdout.flush()
        from inklens.studio.processes import prepare

        prepare()
        _open(address, open_page)
        from inklens.studio.server import serve
        from inklens.studio.studio import Settings

        settings = Settings(place, listener.getsockname()[1], model=model, data=data, unboxed=unboxed)
        serve(settings, listener)


def _open_class(
    model: Path | None, port: int | None, address: str | None, names: bool, out: str | None, open_page: bool | None
) -> None:
    """Serve a class until Ctrl-C, then make its page."""
    from datetime import date

    from inklens.classroom.live_server import DIGITS, PAGE, Opened, Settings, local_address, serve_class

    place = Path(out) if out else _free(f"class-{date.today().isoformat()}")
    settings = Settings(place, address or local_address(), PORT if port is None else port, model, names)

    def tell(opened: Opened) -> None:
        echo(opened.wall)
        echo(opened.join)
        sys.stdout.flush()
        say("inklens: the first address is the teacher's wall, the second is for the class; Ctrl-C ends it")
        say(f"inklens: who is in the network of {settings.address} and knows the second address can draw")
        _open(opened.wall, open_page)

    drawn = serve_class(settings, tell)
    if drawn is None:
        return say("inklens: nobody drew anything, and nothing was written")
    from inklens.classroom.wall import SHIPPED, make_wall
    from inklens.classroom.wall_page import write_wall
    from inklens.reader import DigitReader

    reader = DigitReader.shipped() if model is None else DigitReader.load(model)
    with progress_bar() as progress:
        wall = make_wall(drawn, reader, title=SHIPPED if model is None else model.stem, progress=progress)
    write_wall(wall, place / PAGE, names=names)
    say(f"inklens: {len(drawn.digits)} digits are in {place / DIGITS}, the page is {place / PAGE}")


def _free(name: str) -> Path:
    """Return a folder that is not there yet."""
    from itertools import count

    return next(place for n in count(1) if not (place := Path(name if n == 1 else f"{name}-{n}")).exists())


def _is_there(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


@contextlib.contextmanager
def _listening(port: int | None) -> Iterator[socket.socket]:
    """Yield a socket that listens: browsers may come before the program is loaded, and wait."""
    from inklens.errors import OutputError
    from inklens.studio.folders import listen

    try:
        listener = listen(PORT if port is None else port)
    except OSError as error:
        if port is not None:
            raise OutputError(f"cannot listen on port {port}: {error.strerror}; take another, or 0") from error
        listener = listen(0)
    with listener:
        yield listener


def _open(address: str, wanted: bool | None) -> None:
    """Open the browser: where that is wanted, or on a terminal with a display unless it is not."""
    has_display = sys.platform in ("win32", "darwin") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
    if wanted is False or (wanted is None and not (has_display and sys.stdout.isatty())):
        return
    if not webbrowser.open(address) and wanted:
        say("inklens: no browser could be started; open the address in one")
