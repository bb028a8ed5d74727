"""From a data spec such as ``"idx:DIR"`` to a `Dataset`; and what is known, cached, fetched and cleared."""

import difflib
import os
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import cast
from urllib.parse import parse_qsl

from inklens.datasets.dataset import Dataset
from inklens.datasets.openml import cache
from inklens.datasets.openml.catalogue import KNOWN, Known, find_known, title_of
from inklens.datasets.options import LoadOptions, PixelOptions
from inklens.datasets.pixels import parse_shape
from inklens.datasets.sources.source import Source
from inklens.datasets.unpack import user_path, what_lies_at
from inklens.errors import DataError, OutputError, ParameterError
from inklens.progress import Progress


@dataclass(frozen=True)
class Kind:
    """One kind of data spec.

    Parameters
    ----------
    place : str
        What stands after the colon: ``"DIR"``, ``"FILE"``, a name, or nothing.
    text : str
        What it is.
    module : str
        The `Source`, below ``inklens.datasets``; imported only when asked for.
    on_disk : bool
        The user's own copy: known data sets are recognised by their content.
    labelled : bool
        ``?label=`` names a column.
    """

    place: str
    text: str
    module: str
    on_disk: bool = True
    labelled: bool = False

    def source(self) -> Source:
        """Return what loads data of this kind."""
        return cast(Source, import_module(f"inklens.datasets.{self.module}"))


KINDS = {
    "embedded": Kind("", "5,000 real MNIST digits inside the package (no network)", "embedded", on_disk=False),
    "allographs": Kind("", "1,000 drawn digits of shapes that MNIST has few of", "allographs", on_disk=False),
    "openml": Kind("NAME[@VERSION]", "a data set of images on OpenML", "openml.client", on_disk=False),
    "idx": Kind("DIR", "a folder with MNIST's four files, .gz or not", "sources.idx"),
    "folder": Kind("DIR", "a folder with one sub-folder of pictures per class", "sources.folder"),
    "npz": Kind("FILE", "a NumPy archive with X and y, or x_train, y_train, x_test, y_test", "sources.npz"),
    "csv": Kind("FILE", "a table with one image per row and a column of labels", "sources.tables", labelled=True),
    "parquet": Kind("FILE", "a Parquet table (extra: parquet)", "sources.parquet", labelled=True),
}
SPECS = {
    **{name: kind.text for name, kind in KINDS.items() if not kind.place},
    **{known.alias: f"{known.title}, from OpenML" for known in KNOWN},
    **{f"{name}:{kind.place}": kind.text for name, kind in KINDS.items() if kind.place},
}
ALIASES = {known.alias: known.spec for known in KNOWN}
SUFFIXES = {".npz": "npz", ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".csv.gz": "csv", ".parquet": "parquet"}
OPTIONS = ("shape", "range", "invert", "transpose", "label")


def load_dataset(
    spec: str | os.PathLike[str] = "embedded",
    *,
    subset: str = "all",
    progress: Progress | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    offline: bool = False,
) -> Dataset:
    """Load labelled images by spec.

    Parameters
    ----------
    spec : str or path
        ``embedded``, ``mnist``, ``fashion-mnist``, ``kuzushiji-mnist``, ``emnist``, ``openml:NAME[@VERSION]``,
        ``idx:DIR``, ``folder:DIR``, ``npz:FILE``, ``csv:FILE``, ``parquet:FILE``, or the plain path of an
        existing folder or file. Settings may follow a question mark, as in
        ``csv:digits.csv?shape=8x8&label=digit&range=0:16&invert=no&transpose=no``.
    subset : {"all", "train", "test"}
        The source's own training or test half, where it has halves.
    progress : callable, optional
        Called as ``progress(done, total or None, text)``, in bytes while downloading.
    cache_dir : path, optional
        Where downloads are kept; the default is ``INKLENS_CACHE`` or the user's cache folder.
    offline : bool
        Never use the network.

    Raises
    ------
    ParameterError
        An unknown spec or setting.
    DataError
        Missing, damaged or unusable data.
    DownloadError
        The network or the server failed, or `offline` forbids it.

    Examples
    --------
    >>> digits = load_dataset()
    >>> digits.X.shape, digits.image_shape, digits.classes[:3]
    ((5000, 784), (28, 28), ('0', '1', '2'))
    """
    kind, rest, options = _parse(os.fspath(spec))
    options = replace(options, cache_dir=cache_dir, offline=offline)
    try:
        dataset = KINDS[kind].source().load(rest, options, progress)
    except MemoryError as error:
        raise DataError(f"{spec}: not enough memory for these data; use fewer or smaller images") from error
    if KINDS[kind].on_disk and (known := title_of(dataset.checksum)):
        notes = (f"the content is {known.title.split(':')[0]}, byte for byte", *dataset.notes)
        dataset = replace(dataset, name=known.name, licence=known.licence, notes=notes)
    return dataset.subset(subset)


@dataclass(frozen=True)
class DatasetInfo:
    """What is known about a data set without loading it.

    Parameters
    ----------
    spec, title, licence : str
        How to ask for it, what it is, who may use it.
    n_samples, n_classes : int or None
        Size, where known.
    image_shape : (int, int) or None
        Rows and columns, where known.
    download_bytes : int
        About what fetching costs; 0 inside the package.
    cached : bool
        Whether it can be loaded with no network.
    cached_bytes : int
        Bytes on disk in the cache.
    path : str
        Where it lies.
    trust : str
        Who vouches for the content.
    """

    spec: str
    title: str
    licence: str
    n_samples: int | None
    n_classes: int | None
    image_shape: tuple[int, int] | None
    download_bytes: int
    cached: bool
    cached_bytes: int
    path: str
    trust: str


def available(cache_dir: str | os.PathLike[str] | None = None) -> tuple[DatasetInfo, ...]:
    """List the data sets known by name, and whatever else is in the cache.

    >>> [entry.spec for entry in available()][:2]
    ['embedded', 'mnist']
    """
    known = [_known_info(entry, cache_dir) for entry in KNOWN]
    listed = {entry.path for entry in known}
    others = [
        _cached_info(entry, meta) if (meta := entry.meta()) else _bad_info(entry)
        for entry in _listable(cache_dir)
        if str(entry.folder) not in listed and (entry.meta() or entry.size_bytes())
    ]
    return (_inside_info("embedded"), *known, _inside_info("allographs"), *others)


def _listable(cache_dir: str | os.PathLike[str] | None) -> list[cache.Entry]:
    """Return what can be seen of the cache."""
    try:
        return cache.entries(cache_dir)
    except DataError:
        return []


def info(spec: str, cache_dir: str | os.PathLike[str] | None = None) -> DatasetInfo:
    """Return what is known about one named data set, without a network.

    Raises
    ------
    ParameterError
        Not a named data set; load and `describe` it instead.
    """
    kind, rest, _ = _parse(spec)
    if not KINDS[kind].place:
        return _inside_info(kind)
    if kind != "openml":
        raise ParameterError(f"{spec!r} lies on this computer: load it and look at describe(load_dataset({spec!r}))")
    name, version = _openml_name(rest)
    if known := find_known(name, version):
        return _known_info(known, cache_dir)
    entry = cache.Entry.of(cache.openml_key(name, version), cache_dir)
    meta = entry.meta()
    return _cached_info(entry, meta) if meta else _unknown_info(spec, entry)


def fetch(
    spec: str, *, progress: Progress | None = None, cache_dir: str | os.PathLike[str] | None = None
) -> DatasetInfo:
    """Bring a named data set into the cache (nothing happens when it is there) and return its `info`."""
    load_dataset(spec, progress=progress, cache_dir=cache_dir)
    return info(spec, cache_dir)


def clear(spec: str = "all", cache_dir: str | os.PathLike[str] | None = None) -> int:
    """Remove one named data set, or all, from the cache; return the bytes that were freed.

    Raises
    ------
    ParameterError
        Not a data set that is kept in the cache.
    DataError, OutputError
        The cache may not be looked into, or not all can be removed; what can be is removed all the same.
    """
    if spec == "all":
        return _remove(cache.entries(cache_dir))
    kind, rest, _ = _parse(spec)
    if kind != "openml":
        raise ParameterError(f"{spec!r} is not kept in the cache; clear mnist, openml:NAME[@VERSION] or all")
    name, version = _openml_name(rest)
    chosen = (
        [cache.Entry.of(cache.openml_key(name, version), cache_dir)] if version else cache.versions(name, cache_dir)
    )
    return _remove(chosen)


def _remove(entries: list[cache.Entry]) -> int:
    """Remove all that can be; return the bytes that were freed."""
    freed, failed = 0, []
    for entry in entries:
        try:
            freed += entry.remove()
        except OutputError as error:
            failed.append(error)
    if failed:
        more = f"; so it is with {len(failed) - 1} more, and all others are removed" if len(failed) > 1 else ""
        raise OutputError(f"{failed[0]}{more}") from failed[0]
    return freed


def absolute_spec(spec: str) -> str:
    """Return a spec that means the same in every folder: a path in it becomes absolute.

    >>> absolute_spec("mnist"), absolute_spec("idx:/data/mnist")
    ('mnist', 'idx:/data/mnist')
    """
    kind, rest, _ = _parse(spec)
    if not KINDS[kind].on_disk:
        return spec
    settings = spec.partition("?")[1] + spec.partition("?")[2]
    return f"{kind}:{user_path(rest).absolute()}{settings}"


def _parse(spec: str) -> tuple[str, str, LoadOptions]:
    """Split a spec into kind, path or name, and settings."""
    spec = ALIASES.get(spec.strip().lower(), spec)
    kind, colon, rest = spec.partition(":")
    kind = kind.strip()
    if kind not in KINDS or bool(KINDS[kind].place) != bool(colon):
        bare = _kind_of_path(spec)
        if bare is None:
            _refuse_path(_settings(spec)[0])
            raise ParameterError(_unknown_text(spec))
        kind, rest = bare, spec
    if KINDS[kind].place and not rest:
        raise ParameterError(f"{kind}: names nothing; expected {kind}:{KINDS[kind].place}")
    rest, settings = _settings(rest)
    if not (KINDS[kind].on_disk and os.path.lexists(user_path(rest))):
        rest = rest.strip() or rest
    label = settings.pop("label", None)
    if label is not None and not KINDS[kind].labelled:
        labelled = (name for name, each in KINDS.items() if each.labelled)
        raise ParameterError(f"?label= is for {' and '.join(labelled)} only, not for {kind}")
    return kind, rest, LoadOptions(_pixel_options(settings), label)


def _kind_of_path(spec: str) -> str | None:
    """Recognise the plain path of an existing folder or file."""
    path = user_path(_settings(spec)[0])
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, ValueError):  # no path that the system takes
        return None
    if is_folder:
        return "idx" if any("idx" in name for name in _names(path)) else "folder"
    name = path.name.lower()
    return next((kind for suffix, kind in SUFFIXES.items() if name.endswith(suffix)), None) if is_file else None


def _names(folder: Path) -> list[str]:
    try:
        return [entry.name for entry in folder.iterdir()]
    except OSError as error:
        raise DataError(f"cannot look into {str(folder)!r}: {error.strerror or error}; check the path") from error


def _refuse_path(text: str) -> None:
    """Raise a DataError where something lies at a path, though nothing that could be recognised as data."""
    path = user_path(text)
    if not os.path.lexists(path):
        return
    there = what_lies_at(path)
    if there == "a file":
        raise DataError(
            f"{text!r} is a file, but its name does not say of what kind: expected one ending in "
            f"{', '.join(SUFFIXES)}; name the kind, such as csv:{text}"
        )
    raise DataError(f"{text!r} is {there}, not a folder or a regular file; give data that can be read")


def _unknown_text(spec: str) -> str:
    """Name the nearest spec, and all that are possible."""
    specs = {name.partition(":")[0]: name for name in SPECS}
    specs |= {known.name.lower(): known.alias for known in KNOWN}
    near = difflib.get_close_matches(spec.lower(), specs, n=1) or difflib.get_close_matches(
        spec.partition(":")[0].lower(), specs, n=1
    )
    hint = f"did you mean {specs[near[0]]!r}? " if near else ""
    return f"unknown data {spec!r}; {hint}expected {', '.join(SPECS)}, or the path of a folder or file"


def _settings(rest: str) -> tuple[str, dict[str, str]]:
    """Cut off ``?shape=...&label=...``; a question mark inside an existing path stays."""
    path, mark, query = rest.rpartition("?")
    if os.path.lexists(user_path(rest)):
        return rest, {}
    if not mark or "=" not in query:
        return rest, {}
    options = {name: value.strip() for name, value in parse_qsl(query, keep_blank_values=True)}
    for name in options:
        if name not in OPTIONS:
            raise ParameterError(f"unknown setting {name!r} in {rest!r}; possible are {', '.join(OPTIONS)}")
    return path, options


def _pixel_options(options: dict[str, str]) -> PixelOptions:
    return PixelOptions(
        shape=parse_shape(options["shape"]) if "shape" in options else None,
        range=_range(options["range"]) if "range" in options else None,
        invert=_yes_no("invert", options.get("invert", "auto")),
        transpose=_yes_no("transpose", options.get("transpose", "auto")),
    )


def _range(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split(":"))
    except ValueError:
        low = high = 0.0
    if not low < high < float("inf") or low == float("-inf"):
        raise ParameterError(f"expected the smallest and largest value such as ?range=0:16, got {text!r}")
    return low, high


def _yes_no(name: str, text: str) -> bool | None:
    if text not in ("yes", "no", "auto"):
        raise ParameterError(f"expected ?{name}=yes, no or auto, got {text!r}")
    return {"yes": True, "no": False, "auto": None}[text]


def _openml_name(rest: str) -> tuple[str, int | None]:
    from inklens.datasets.openml.client import parse_name

    name, version = parse_name(rest)
    known = find_known(name, version)
    return (known.name, version) if known else (name, version)


def _inside_info(kind: str) -> DatasetInfo:
    """Return what is known of digits inside the package."""
    from inklens.datasets import allographs, embedded

    module, title, n_samples, n_classes = {
        "embedded": (embedded, "5,000 real digits of MNIST's training half, 500 of each", 5000, 10),
        "allographs": (allographs, "1,000 drawn digits of shapes that MNIST has few of", 1000, 4),
    }[kind]
    sheet = Path(__file__).with_name(module.SHEET)
    return DatasetInfo(
        kind,
        title,
        module.LICENCE,
        n_samples,
        n_classes,
        (28, 28),
        download_bytes=0,
        cached=True,
        cached_bytes=sheet.stat().st_size,
        path=str(sheet),
        trust="checksum pinned in the package",
    )


def _known_info(known: Known, cache_dir: str | os.PathLike[str] | None) -> DatasetInfo:
    entry = cache.Entry.of(cache.openml_key(known.name, known.version), cache_dir)
    return DatasetInfo(
        known.alias,
        known.title,
        known.licence,
        known.n_samples,
        known.n_classes,
        known.image_shape,
        download_bytes=known.download_bytes,
        cached=entry.meta() is not None,
        cached_bytes=entry.size_bytes(),
        path=str(entry.folder),
        trust="checksum pinned in the package" if known.md5 else "checksum as OpenML states it at the first use",
    )


def _cached_info(entry: cache.Entry, meta: cache.Meta) -> DatasetInfo:
    rows, cols = meta["image_shape"]
    return DatasetInfo(
        meta["source"],
        meta["name"],
        meta["licence"],
        meta["n_samples"],
        None,
        (rows, cols),
        download_bytes=0,
        cached=True,
        cached_bytes=entry.size_bytes(),
        path=str(entry.folder),
        trust=meta["origin"]["trust"],
    )


def _bad_info(entry: cache.Entry) -> DatasetInfo:
    name, _, version = entry.folder.name.removeprefix("openml-").rpartition("-")
    return DatasetInfo(
        f"openml:{name}@{version}",
        "damaged: its meta.json cannot be used; inklens data fetch brings it again, data clear removes it",
        "not known",
        None,
        None,
        None,
        download_bytes=0,
        cached=False,
        cached_bytes=entry.size_bytes(),
        path=str(entry.folder),
        trust="none",
    )


def _unknown_info(spec: str, entry: cache.Entry) -> DatasetInfo:
    return DatasetInfo(
        spec,
        "a data set on OpenML that has not been fetched yet",
        "OpenML states it",
        None,
        None,
        None,
        download_bytes=0,
        cached=False,
        cached_bytes=0,
        path=str(entry.folder),
        trust="checksum as OpenML states it at the first use",
    )
