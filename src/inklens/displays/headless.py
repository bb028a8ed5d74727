"""Import matplotlib whatever backend the environment names.

A command that a notebook of another environment starts inherits that notebook's MPLBACKEND, and matplotlib refuses to
be imported where the backend that it names is not installed. No figure here needs a backend.
"""

import os
import sys

try:
    import matplotlib
except ValueError:
    _backend = os.environ.pop("MPLBACKEND", None)
    for _name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        del sys.modules[_name]  # what is half imported would be found again
    import matplotlib  # noqa: F401

    if _backend is not None:  # programs that this one starts find the environment as it was
        os.environ["MPLBACKEND"] = _backend
