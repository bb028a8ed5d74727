"""Where a studio keeps what it keeps, and where it listens: what the command needs before anything heavy is loaded."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inklens.datasets.unpack import user_path

BACKLOG = 512
THIS_COMPUTER = "127.0.0.1"


@contextmanager
def kept_folder(folder: str | os.PathLike[str] | None, *, scratch: bool) -> Iterator[Path]:
    """Yield the folder: the one that is named, the user's own, or one that is removed at the end."""
    if scratch:
        place = Path(tempfile.mkdtemp(prefix="inklens-studio-"))
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)
        return
    if folder is None:
        from platformdirs import user_data_path

        folder = user_data_path("inklens") / "studio"
    yield user_path(folder).absolute()


def listen(port: int, address: str = THIS_COMPUTER) -> socket.socket:
    """Return a socket that listens, on this computer only unless another address is given; port 0 takes any.

    asyncio sends small packets at once (TCP_NODELAY) only where the protocol is named, and not left to the system; else
    each answer's body waits 40 ms for the client to acknowledge its header.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # named: see below
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
