"""What a callback of a fit or a path may answer."""

import numpy as np

from inklens.errors import ParameterError

MOST_SHOWN = 40  # characters of an answer that is none


def asks_to_stop(answer: object) -> bool:
    """Tell whether a callback returned True; what it returned for another reason ends no fit.

    >>> asks_to_stop(None), asks_to_stop(True)
    (False, True)

    Raises
    ------
    ParameterError
        It is neither true nor false: the 12 of ``file.write`` would be taken for a wish to stop.
    """
    if answer is None or isinstance(answer, bool | np.bool_):
        return bool(answer)
    if getattr(answer, "shape", None) == () and "bool" in str(getattr(answer, "dtype", "")):  # of any library
        return bool(answer)
    kind = type(answer).__name__
    raise ParameterError(
        f"expected True (stop), False or nothing from a callback, got {kind} {repr(answer)[:MOST_SHOWN]}; let it "
        "return nothing to go on"
    )
