"""What libtiff says of a damaged file, on standard error, by a handler that the whole process has in common."""

import ctypes
from functools import cache

from PIL import Image

from inklens.quiet import is_process_ours


def silence() -> None:
    """Keep libtiff from printing, unless another program's handler would be lost: our error says what is wrong."""
    if is_process_ours():
        _switch_off()


@cache
def _switch_off() -> None:
    try:
        set_handler = ctypes.CDLL(Image.core.__file__).TIFFSetErrorHandler  # Pillow's own libtiff
    except (AttributeError, OSError):  # built without, or so that it cannot be reached
        return
    set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
    set_handler(None)
