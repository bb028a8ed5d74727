"""A model's bytes without what only later views need, so that the first picture does not wait for it.

Written without NumPy: the studio's own process is asked for it, and holds none.
"""

import json
import struct

from inklens.errors import DataError

LATER = ("path", "more_paths", "samples", "gate", "usual")  # parts of the header, and first words of their arrays


def light(model: bytes) -> bytes:
    """Return the bytes of a model with its weights, card and certificate only.

    Parameters
    ----------
    model : bytes
        As `inklens.web.payload.web_model` makes them.

    Raises
    ------
    DataError
        They are no model for a browser.

    Examples
    --------
    >>> import numpy as np
    >>> from inklens import DigitReader
    >>> from inklens.web.payload import parse, web_model
    >>> header, arrays = parse(light(web_model(DigitReader.shipped())))
    >>> header["gate"], sorted(arrays)
    (None, ['coef', 'intercept'])
    """
    try:
        (length,) = struct.unpack_from("<I", model)
        header = json.loads(model[4 : 4 + length])
        names = [name for name in header["tensors"] if not name.startswith(LATER)]
        offsets = [*sorted(entry["offset"] for entry in header["tensors"].values()), len(model) - 4 - length]
    except (struct.error, ValueError, KeyError, TypeError) as error:
        raise DataError(f"expected a model for a browser, got {len(model)} bytes that are none: {error}") from error
    tensors, blob = {}, bytearray()
    for name in names:
        entry = header["tensors"][name]
        end = offsets[offsets.index(entry["offset"]) + 1]
        tensors[name] = {**entry, "offset": len(blob)}  # arrays begin and end at multiples of 8 bytes
        part = model[4 + length + entry["offset"] : 4 + length + end]
        blob += part + bytes(-len(part) % 8)
    kept = {**header, "path": None, "more_paths": [], "samples": None, "gate": None, "tensors": tensors}
    text = json.dumps(kept, separators=(",", ":")).encode()
    text += b" " * (-(len(text) + 4) % 8)
    return struct.pack("<I", len(text)) + text + bytes(blob)
