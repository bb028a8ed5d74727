"""Pillow's libtiff: which codings it has, and what it says of a damaged file on standard error.

The latter goes by a handler that the whole process has in common.
"""

import ctypes
from functools import cache
from typing import Any

from PIL import Image

from inklens.quiet import is_process_ours


def silence() -> None:
    """Keep libtiff from printing, unless another program's handler would be lost: our error says what is wrong."""
    if is_process_ours():
        _switch_off()


def is_built(coding: int) -> bool:
    """Tell whether pixels of a coding, by its number in a TIFF, can be decoded."""
    from PIL.TiffImagePlugin import COMPRESSION_INFO

    configured = _function("TIFFIsCODECConfigured")
    return coding in COMPRESSION_INFO and (configured is None or bool(configured(coding)))


@cache
def _switch_off() -> None:
    set_handler = _function("TIFFSetErrorHandler")
    if set_handler is not None:
        set_handler.argtypes, set_handler.restype = [ctypes.c_void_p], ctypes.c_void_p
        set_handler(None)


def _function(name: str) -> Any:
    """Return a function of Pillow's own libtiff; None where that is not there, or cannot be reached."""
    try:
        return getattr(ctypes.CDLL(Image.core.__file__), name)
    except (AttributeError, OSError):
        return None
