"""What this installation can do."""

import os
import platform
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

from inklens import __version__
from inklens.errors import InklensError

NEEDED = ("numpy", "scipy", "scikit-learn", "matplotlib", "pillow", "safetensors", "click", "rich", "jinja2")
EXTRAS = {"parquet": "pyarrow", "heic": "pi_heif"}


@dataclass(frozen=True)
class Finding:
    """One fact; `ok` is False where something needed is broken."""

    name: str
    value: str
    advice: str = ""
    ok: bool = True


def examine() -> list[Finding]:
    """Look at versions, processor, kernels, data cache and extras."""
    return [
        Finding("inklens", __version__),
        Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        Finding("processors", str(_processors())),
        *map(_package, NEEDED),
        *[_extra(extra, module) for extra, module in EXTRAS.items()],
        _reader(),
    ]


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _package(name: str) -> Finding:
    try:
        return Finding(name, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, "missing", f"pip install {name}", ok=False)


def _extra(extra: str, module: str) -> Finding:
    if find_spec(module):
        return Finding(f"extra {extra}", "installed")
    return Finding(f"extra {extra}", "not installed", f"pip install 'inklens[{extra}]'")


def _reader() -> Finding:
    from inklens.workflow.reading import load_reader

    try:
        reader = load_reader()
    except InklensError as error:
        return Finding("reader", "missing", str(error), ok=False)
    return Finding("reader", f"{len(reader.classes)} classes, features: {reader.features}")
