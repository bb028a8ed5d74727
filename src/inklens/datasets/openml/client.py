"""OpenML by name and version: found, fetched, verified, converted once, cached."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from inklens.datasets.dataset import Dataset
from inklens.datasets.labels import as_labels
from inklens.datasets.openml import cache
from inklens.datasets.openml.arff import parse_arff
from inklens.datasets.openml.catalogue import Known, find_known
from inklens.datasets.openml.download import PATIENT, Hosts, Limits, Progress, fetch_bytes, fetch_file
from inklens.datasets.pixels import AS_FOUND, PixelOptions, as_ink
from inklens.datasets.unpack import MAX_DATA_BYTES, unpacked
from inklens.errors import DataError, DownloadError, ParameterError

BASE_URL = "https://www.openml.org"
PINNED_HOSTS = ("www.openml.org", "openml.org", "api.openml.org", "data.openml.org")
ARFF_PART = "download.part"
NAME = re.compile(r"[^\s/@?#%]{1,200}")


@dataclass(frozen=True)
class OpenML:
    """Where and how to ask; the defaults are the real server and 60 s.

    Parameters
    ----------
    base_url : str or None
        Another server with the same paths; ``INKLENS_OPENML_URL`` sets it too. Only https to OpenML's hosts otherwise.
    limits : Limits
        How long to try.
    """

    base_url: str | None = None
    limits: Limits = PATIENT

    @property
    def base(self) -> str | None:
        """The other server, if any."""
        return (self.base_url or os.environ.get("INKLENS_OPENML_URL") or "").rstrip("/") or None

    @property
    def hosts(self) -> Hosts:
        """Who may be asked."""
        return Hosts(PINNED_HOSTS, self.base)

    def url(self, path: str) -> str:
        """Return the full address of a path."""
        return (self.base or BASE_URL) + path

    def json(self, path: str) -> Any:
        """Return an answer of the interface, from scikit-learn's cache when it has it."""
        stored = _from_sklearn(path)
        text = stored or fetch_bytes(self.url(path), hosts=self.hosts, limits=self.limits)
        try:
            return json.loads(text)
        except ValueError as error:
            raise DownloadError(
                f"{self.url(path)} answers with {text[:40]!r}, expected JSON; try again later"
            ) from error


SERVER = OpenML()


def parse_name(text: str) -> tuple[str, int | None]:
    """Split ``NAME[@VERSION]``.

    >>> parse_name("mnist_784@1")
    ('mnist_784', 1)
    """
    name, _, version = text.partition("@")
    if not NAME.fullmatch(name) or (version and not version.isdecimal()) or text.endswith("@"):
        raise ParameterError(f"expected openml:NAME or openml:NAME@VERSION, such as openml:mnist_784@1, got {text!r}")
    return name, int(version) if version else None


def load_openml(
    text: str,
    *,
    options: PixelOptions = AS_FOUND,
    progress: Progress | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    offline: bool = False,
    server: OpenML = SERVER,
) -> Dataset:
    """Load ``NAME[@VERSION]`` from the cache, from scikit-learn's cache, or from OpenML.

    Several processes may ask at once: one fetches, the others wait and read its file.

    Raises
    ------
    DataError
        The data are no images, or other than pinned.
    DownloadError
        Not in a cache and not reachable (or `offline`).
    """
    name, version = parse_name(text)
    known = find_known(name, version)
    name, version = (known.name, known.version) if known else (name, version)
    entry = _entry(name, version, cache_dir)
    dataset, damage = _cached(entry)
    if dataset is None:
        try:
            dataset = _obtain(name, version, known, progress, cache_dir, offline, server)
        except DownloadError as error:
            raise DownloadError(f"{damage}; fetching it again: {error}") if damage else error from error
    if options == AS_FOUND:
        return dataset
    X, shape, notes = as_ink(dataset.X, dataset.y, options=options, where=dataset.name)
    return replace(dataset, X=X, image_shape=shape, notes=(*dataset.notes, *notes))


def cache_key(name: str, version: int) -> str:
    """Return the name of the entry in the cache."""
    return f"openml-{name}-{version}"


def _entry(name: str, version: int | None, cache_dir) -> cache.Entry | None:
    """Return the entry; without a version the lowest one in the cache."""
    if version is not None:
        return cache.Entry.of(cache_key(name, version), cache_dir)
    prefix = cache.Entry.of(f"openml-{name}-", cache_dir).folder.name
    versions = {
        int(number): entry
        for entry in cache.entries(cache_dir)
        if entry.folder.name.startswith(prefix)
        and (number := entry.folder.name.removeprefix(prefix)).isdecimal()
        and entry.meta()
    }
    return versions[min(versions)] if versions else None


def _cached(entry: cache.Entry | None) -> tuple[Dataset | None, str]:
    """Return the cached data set, or None and what is damaged (then it is fetched again)."""
    if entry is None or entry.meta() is None:
        return None, ""
    try:
        return entry.load(), ""
    except DataError as error:
        return None, str(error)


def _obtain(name, version, known, progress, cache_dir, offline, server) -> Dataset:
    """Fetch under the lock, unless another process has just done so."""
    source = None
    if version is None:
        if offline:
            raise DownloadError(_offline_text(name, version, cache_dir))
        source = _describe(name, None, server)
        version = source.version
    entry = cache.Entry.of(cache_key(name, version), cache_dir)
    with entry.locked(say=progress):
        dataset, _ = _cached(entry)
        if dataset is not None:
            return dataset
        arff, origin = _arff(name, version, known, source, entry, progress, offline, server, cache_dir)
        dataset = _convert(arff, name, version, known, origin)
        del arff
        entry.store(dataset, **{"url": origin.url_path, "md5": origin.md5, "trust": origin.trust})
        return entry.load()


@dataclass(frozen=True)
class _Source:
    """Where the file is, what it must be, and who says so."""

    version: int
    url_path: str
    md5: str | None
    target: str
    ignored: tuple[str, ...]
    licence: str
    trust: str


def _arff(name, version, known, source, entry, progress, offline, server, cache_dir) -> tuple[bytes, _Source]:
    """Return the verified ARFF, from scikit-learn's cache if it is there."""
    if known and known.md5:
        source = _Source(version, known.url_path, known.md5, "class", (), known.licence, "pinned checksum")
    if source is None and offline and not _sklearn_path(_search_path(name, version)).is_file():
        raise DownloadError(_offline_text(name, version, cache_dir))
    source = source or _describe(name, version, server)
    stored = _from_sklearn(source.url_path)
    if stored is not None and hashlib.md5(stored, usedforsecurity=False).hexdigest() == source.md5:
        return stored, source
    if offline:
        raise DownloadError(_offline_text(name, version, cache_dir))
    data = fetch_file(
        server.url(source.url_path),
        entry.folder / ARFF_PART,
        md5=source.md5,
        hosts=server.hosts,
        limits=server.limits,
        progress=progress,
    )
    return data, source


def _offline_text(name: str, version: int | None, cache_dir) -> str:
    asked = f"openml:{name}" + (f"@{version}" if version else "")
    return (
        f"{asked} is not in the cache {str(cache.cache_folder(cache_dir))!r} and fetching was switched off (offline); "
        f"run once with a network: inklens data fetch {asked}"
    )


def _search_path(name: str, version: int | None) -> str:
    tail = "/status/active/" if version is None else f"/data_version/{version}"
    return f"/api/v1/json/data/list/data_name/{quote(name)}/limit/2{tail}"


def _describe(name: str, version: int | None, server: OpenML) -> _Source:
    """Ask OpenML's interface which file it is and what its checksum is: trust on first use."""
    try:
        found = _search(name, version, server)
        number = int(found["did"])
        about = server.json(f"/api/v1/json/data/{number}")["data_set_description"]
        features = server.json(f"/api/v1/json/data/features/{number}")["data_features"]["feature"]
        return _Source(
            version=int(found["version"]),
            url_path=urlsplit(about["url"]).path,
            md5=about.get("md5_checksum"),
            target=about["default_target_attribute"],
            ignored=tuple(f["name"] for f in features if "true" in (f["is_ignore"], f["is_row_identifier"])),
            licence=str(about.get("licence") or "not stated"),
            trust="checksum as OpenML stated it at the first use",
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        if isinstance(error, DataError):
            raise
        raise DownloadError(f"OpenML's description of {name!r} cannot be read ({error!r}); try again later") from error


def _search(name: str, version: int | None, server: OpenML) -> Mapping[str, Any]:
    """Return OpenML's record; a deactivated version counts too when it was asked for by number."""
    path = _search_path(name, version)
    for attempt in [path] if version is None else [path, path + "/status/deactivated"]:
        try:
            return server.json(attempt)["data"]["dataset"][0]
        except DownloadError as error:
            if getattr(error, "status", None) != 412:  # OpenML: "no results"
                raise
    asked = name if version is None else f"{name} in version {version}"
    raise DataError(f"OpenML has no data set {asked}; look up its name and version on www.openml.org")


def _convert(arff: bytes, name: str, version: int, known: Known | None, origin: _Source) -> Dataset:
    """Parse and normalise."""
    where = f"openml:{name}@{version}"
    pixels, values = parse_arff(arff, target=origin.target, ignored=origin.ignored, where=where)
    y = as_labels(values, where=where)
    options = PixelOptions(transpose=True if known and known.transposed else None)
    X, shape, notes = as_ink(pixels, y, options=options, where=where)
    return Dataset(
        X,
        y,
        image_shape=shape,
        name=name,
        source=where,
        licence=known.licence if known else origin.licence,
        notes=(f"file verified: {origin.trust}", *notes),
        n_train=known.n_train if known and known.n_samples == len(y) else None,
    )


def _sklearn_path(path: str) -> Path:
    """Return where scikit-learn's fetch_openml keeps a resource."""
    home = Path(os.environ.get("SCIKIT_LEARN_DATA", "~/scikit_learn_data")).expanduser()
    return home / "openml" / "openml.org" / (path.lstrip("/") + ".gz")


def _from_sklearn(path: str) -> bytes | None:
    """Return a resource out of scikit-learn's cache, or None; damaged files are passed over."""
    try:
        with _sklearn_path(path).open("rb") as file:
            return b"".join(unpacked(file, limit=MAX_DATA_BYTES, name=path))
    except (OSError, DataError, ValueError):
        return None
