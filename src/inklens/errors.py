"""Every error that inklens raises on purpose.

::

    InklensError
    ├── ParameterError (ValueError)        a setting outside its range: C <= 0, an unknown data spec
    ├── DataError (ValueError)             data that cannot be used: shapes, labels, NaN, a corrupt file
    ├── DownloadError (OSError)            the network or the server failed, after all retries
    ├── PhotoError (ValueError)            a picture that cannot be read; `code` is stable
    ├── ModelFileError (ValueError)        a model file that is damaged, foreign or too new
    ├── NoFlipError (ValueError)           no picture gets the asked answer, and that is proven
    ├── OutputError (OSError)              a result that could not be written
    ├── ClusterError (OSError)             a Dask cluster that cannot be reached, or that got lost
    └── MissingPackageError (ImportError)  an optional package is not installed

    ScaleWarning (UserWarning)             columns so small that no fit under this penalty can use them

The text says what was expected, what came and what to do. On the command line a `ParameterError` ends with
exit code 2 (wrong usage), every other one with 1.
"""

from importlib import import_module
from types import ModuleType


class InklensError(Exception):
    """Base of all errors below."""


class ParameterError(InklensError, ValueError):
    """A setting outside its range."""


class DataError(InklensError, ValueError):
    """Data that cannot be used."""


class DownloadError(InklensError, OSError):
    """The network or the server failed, after all retries; `status` is the server's answer, if there was one."""

    status: int | None = None


class PhotoError(InklensError, ValueError):
    """A picture that cannot be read.

    Parameters
    ----------
    message : str
        What was expected, what came, what to do.
    code : str
        Stable short name of the reason, such as ``"truncated"``.
    """

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class ModelFileError(InklensError, ValueError):
    """A model file that is damaged, foreign or too new."""


class NoFlipError(InklensError, ValueError):
    """No picture gets the asked answer with the asked margin, and that is proven."""


class OutputError(InklensError, OSError):
    """A result that could not be written."""


class ClusterError(InklensError, OSError):
    """A Dask cluster that cannot be reached, whose workers run something else, or that got lost."""


class MissingPackageError(InklensError, ImportError):
    """An optional package is not installed."""


class ScaleWarning(UserWarning):
    """Columns so small that a fit is right about its objective, and still blind to what they tell."""


# How dynamic linkers say that nothing is left, and Python of a library that has lost the MemoryError itself.
NO_ROOM = (
    "failed to map", "cannot allocate", "cannot map", "without exception set", "without setting an exception",
    "can't start new thread",
)  # fmt: skip


def tells_of_little_memory(kind: str, text: str) -> bool:
    """Tell whether an error, by its class and its text, says that there was too little memory.

    >>> tells_of_little_memory("MemoryError", ""), tells_of_little_memory("ImportError", "no module named x")
    (True, False)
    """
    if kind.endswith("MemoryError"):
        return True
    said = any(words in text.lower() for words in NO_ROOM)
    return said and kind in ("ImportError", "SystemError", "OSError", "RuntimeError")


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional package, or say how to install it.

    >>> require("json", extra="parquet").dumps([1])
    '[1]'
    >>> require("no_such_package", extra="parquet")
    Traceback (most recent call last):
    ...
    inklens.errors.MissingPackageError: no_such_package is not installed; run: pip install 'inklens[parquet]'
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingPackageError(
            f"{module.partition('.')[0]} is not installed; run: pip install 'inklens[{extra}]'"
        ) from error
