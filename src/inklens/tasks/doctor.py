"""What this installation can do."""

import os
import platform
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

from inklens import __version__, cluster
from inklens.datasets.openml import cache
from inklens.errors import DataError, InklensError
from inklens.quiet import quiet
from inklens.tasks import devices

NEEDED = ("numpy", "scipy", "scikit-learn", "matplotlib", "pillow", "safetensors", "click", "rich", "jinja2")
EXTRAS = {
    "parquet": "pyarrow",
    "heic": "pi_heif",
    "studio": "fastapi",
    "notebook": "anywidget",
    "onnx": "onnx",
    "dask": "distributed",
    "zarr": "zarr",
}
KERNELS = {
    "avx512": "compiled, AVX-512",
    "avx2": "compiled, AVX2 and FMA",
    "neon": "compiled, NEON",
    "plain": "compiled, without vector instructions",
    "numpy": "NumPy: the same answers, slower fits",
}


@dataclass(frozen=True)
class Finding:
    """One fact; `ok` is False where something needed is broken."""

    name: str
    value: str
    advice: str = ""
    ok: bool = True


def examine() -> list[Finding]:
    """Look at versions, kernels, threads, data cache, reader and extras."""
    return [
        Finding("inklens", __version__),
        Finding("python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        *_speed(),
        _data_cache(),
        _reader(),
        *map(_package, NEEDED),
        *[_extra(extra, module) for extra, module in EXTRAS.items()],
        *_arrays(),
        *_dask(),
    ]


def _speed() -> list[Finding]:
    """Which kernels the solver runs, and on how many threads."""
    try:
        from inklens.linear.blas import default_threads
        from inklens.linear.kernels.library import REMEDY, choice
    except ImportError as error:
        return [Finding("kernels", "missing", f"NumPy or SciPy cannot be imported: {error}", ok=False)]
    with quiet():  # the finding says it
        found = choice()
    by_choice = "INKLENS_KERNELS=numpy asks for them; unset it for faster fits" if found.name == "numpy" else ""
    advice = f"{found.reason}; {REMEDY}" if found.reason else by_choice
    return [Finding("kernels", KERNELS[found.name], advice), Finding("threads", str(default_threads())), _blas()]


def _blas() -> Finding:
    """Which libraries multiply matrices for NumPy and SciPy, and for what processor."""
    import scipy.linalg  # noqa: F401  (brings its own)
    from threadpoolctl import threadpool_info

    found = {
        f"{info['internal_api']} {info['version'] or ''} {info.get('architecture', '')}".strip()
        for info in threadpool_info()
        if info["user_api"] == "blas"
    }
    return Finding("BLAS", ", ".join(sorted(found)) or "NumPy's own, of which nothing is known")


def _data_cache() -> Finding:
    """Where downloads are kept, and how many."""
    folder = cache.cache_folder()
    try:
        kept = [entry for entry in cache.entries() if entry.meta()]
    except DataError:
        return Finding("data cache", f"{os.fspath(folder)} (cannot be looked into)", "set INKLENS_CACHE", ok=False)
    size_mb = sum(entry.size_bytes() for entry in kept) / 1e6
    what = f"{len(kept)} data {'set' if len(kept) == 1 else 'sets'}, {size_mb:,.0f} MB" if kept else "empty"
    return Finding("data cache", f"{os.fspath(folder)} ({what})")


def _package(name: str) -> Finding:
    try:
        return Finding(name, metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name, "missing", f"pip install {name}", ok=False)


def _extra(extra: str, module: str) -> Finding:
    if find_spec(module):
        return Finding(f"extra {extra}", "installed")
    return Finding(f"extra {extra}", "not installed", f"pip install 'inklens[{extra}]'")


def _arrays() -> list[Finding]:
    """Whose arrays, beside NumPy's, can be fitted where they lie, and what happens to those of each device."""
    found = devices.libraries(tuple(devices.ASKED))
    missing = [name for name in devices.ASKED if name not in [library.name for library in found]]
    absent = f" (not installed: {', '.join(missing)})" if missing else ""
    usable = [library.name for library in found if not library.trouble]
    return [Finding("arrays", ", ".join(["numpy", "scipy", *usable]) + absent), *map(_library, found)]


def _library(library: devices.Library) -> Finding:
    if library.trouble:
        return Finding(library.name, library.trouble)
    told = "; ".join(f"X on {device}: {devices.HANDLING[how]}" for device, how in library.devices.items())
    return Finding(library.name, f"{library.version}: {', '.join(library.devices) or 'no device'}", told)


def _dask() -> list[Finding]:
    """What `--dask local` would start."""
    if not find_spec("distributed"):
        return []
    n_workers, n_threads = cluster.threads_of_each()
    return [
        Finding("--dask local", f"{n_workers} workers of {n_threads} thread{'s' * (n_threads > 1)}, on this computer")
    ]


def _reader() -> Finding:
    from inklens.tasks.reading import load_reader

    try:
        reader = load_reader()
    except InklensError as error:
        return Finding("reader", "missing", str(error), ok=False)
    accuracy = reader.recorded("accuracy").get("test")
    right = f", {accuracy:.1%} of MNIST's test images right" if accuracy else ""
    return Finding("reader", f"{len(reader.classes)} classes, features: {reader.features}{right}")
