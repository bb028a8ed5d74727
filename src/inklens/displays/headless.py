"""Import matplotlib whatever the environment is.

A command that a notebook of another environment starts inherits that notebook's MPLBACKEND, and matplotlib refuses to
be imported where the backend that it names is not installed; nor is it where a matplotlibrc is no text, or where no
folder at all can be written to. No figure here needs a backend, a user's settings, or a cache of fonts.
"""

import atexit
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from inklens.errors import OutputError
from inklens.quiet import is_process_ours

SETTINGS = "matplotlibrc"
IN_MEMORY = "/dev/shm"  # can be written to in containers that have nothing else


@contextmanager
def _bare_environment() -> Iterator[None]:
    """Show matplotlib its own defaults in place of a user's; programs that this one starts find all as it was."""
    spec = find_spec("matplotlib")
    package = Path(spec.origin if spec and spec.origin else "").parent
    before = {name: os.environ.pop(name, None) for name in ("MPLBACKEND", "MATPLOTLIBRC", "MPLCONFIGDIR")}
    exists = os.path.exists
    os.environ["MATPLOTLIBRC"] = str(package / "mpl-data" / SETTINGS)
    os.environ["MPLCONFIGDIR"] = _folder_for_fonts()
    os.path.exists = lambda path: path != SETTINGS and exists(path)  # that of the working folder comes first
    try:
        yield
    finally:
        os.path.exists = exists
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _folder_for_fonts() -> str:
    """Return a new folder that goes with this process."""
    for place in (None, IN_MEMORY):
        try:
            folder = tempfile.mkdtemp(prefix="inklens-fonts-", dir=place)
        except OSError:
            continue
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return folder
    raise OutputError("cannot draw without a folder to write to for a moment; name one: TMPDIR=FOLDER")


if is_process_ours():  # what it says of caches and settings is about nothing that is drawn here
    logging.getLogger("matplotlib").setLevel(logging.CRITICAL)
try:
    import matplotlib.font_manager
except (OSError, ValueError):
    for _name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        del sys.modules[_name]  # what is half imported would be found again
    with _bare_environment():
        import matplotlib.font_manager  # noqa: F401
