"""OpenML by name and version: found, fetched, verified, converted once, cached."""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from inklens.datasets.dataset import Dataset
from inklens.datasets.openml import cache
from inklens.datasets.openml.arff import parse_arff
from inklens.datasets.openml.catalogue import Known, find_known
from inklens.datasets.openml.download import PATIENT, Limits, fetch_bytes, fetch_file, origin_of
from inklens.datasets.options import AS_FOUND, LoadOptions
from inklens.datasets.sources.source import RawImages
from inklens.datasets.unpack import MAX_DATA_BYTES, open_regular, unpacked, user_path
from inklens.errors import DataError, DownloadError, ParameterError
from inklens.names import whole_number
from inklens.progress import Progress
from inklens.strict_json import JsonError, parse

BASE_URL = "https://www.openml.org"
PINNED_ORIGINS = (BASE_URL, "https://openml.org", "https://api.openml.org", "https://data.openml.org")
ARFF_PART = "download.part"
NAME = re.compile(r"[^\s/@?#%]{1,200}")
MAX_NAME_BYTES = 200  # as an address writes it, and nearly so the cache's folder: a file system takes 255
MAX_VERSION = 10**9
NO_RESULTS = 412  # how OpenML says that a search found nothing


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
    def origins(self) -> tuple[str, ...]:
        """Who may be asked."""
        return PINNED_ORIGINS if self.base is None else (origin_of(self.base),)

    def url(self, path: str) -> str:
        """Return the full address of a path."""
        return (self.base or BASE_URL) + path


SERVER = OpenML()


def parse_name(text: str) -> tuple[str, int | None]:
    """Split ``NAME[@VERSION]``.

    >>> parse_name("mnist_784@1")
    ('mnist_784', 1)
    """
    name, at, version = text.partition("@")
    number = whole_number(version, MAX_VERSION)
    if not NAME.fullmatch(name) or len(quote(name)) > MAX_NAME_BYTES or (at and number is None):
        raise ParameterError(
            f"expected openml:NAME or openml:NAME@VERSION, such as openml:mnist_784@1, got {text[:80]!r}"
        )
    return name, number


def load(place: str, options: LoadOptions, progress: Progress | None = None, *, server: OpenML = SERVER) -> Dataset:
    """Load ``NAME[@VERSION]`` from the cache, from scikit-learn's cache, or from OpenML.

    Several processes may ask at once: one fetches, the others wait and read its file.

    Raises
    ------
    DataError
        The data are no images, or other than pinned.
    DownloadError
        Not in a cache and not reachable (or offline).
    """
    name, version = parse_name(place)
    if known := find_known(name, version):
        name, version = known.name, known.version
    dataset = _Request(name, version, known, options, progress, server).dataset()
    if options.pixels == AS_FOUND:
        return dataset
    again = RawImages(dataset.X, dataset.y, dataset.name, dataset.name, dataset.source).dataset(options.pixels)
    return replace(dataset, X=again.X, image_shape=again.image_shape, notes=(*dataset.notes, *again.notes))


@dataclass(frozen=True)
class _File:
    """Where a data set's file is, what it must be, and who says so."""

    version: int
    url_path: str
    md5: str | None
    target: str
    ignored: tuple[str, ...]
    licence: str
    trust: str


@dataclass(frozen=True)
class _Request:
    """One data set that was asked for."""

    name: str
    version: int | None
    known: Known | None
    options: LoadOptions
    progress: Progress | None
    server: OpenML

    def dataset(self) -> Dataset:
        """Return the data set from the cache; what is damaged there is fetched again."""
        entry, damage = self._entry(), None
        if entry is not None and entry.meta():
            try:
                return entry.load()
            except DataError as error:
                damage = error
        try:
            return self._fetched()
        except DownloadError as error:
            raise DownloadError(f"{damage}; fetching it again: {error}") if damage else error from error

    def _entry(self) -> cache.Entry | None:
        """Return the entry; without a version the lowest one in the cache."""
        if self.version is not None:
            return cache.Entry.of(cache.openml_key(self.name, self.version), self.options.cache_dir)
        versions = cache.versions(self.name, self.options.cache_dir)
        return next((entry for entry in versions if entry.meta()), None)

    def _fetched(self) -> Dataset:
        """Fetch under the lock, unless another process has just done so."""
        file = self._pinned() or (None if self.version else self._described())
        version = file.version if file else self.version
        entry = cache.Entry.of(cache.openml_key(self.name, version), self.options.cache_dir)
        with entry.locked(progress=self.progress):
            try:
                return entry.load()
            except DataError:  # not there, or damaged
                file = file or self._described()
            dataset = self._converted(self._content(file, entry), file)
            entry.store(dataset, {"url": file.url_path, "md5": file.md5, "trust": file.trust})
            return entry.load()

    def _pinned(self) -> _File | None:
        known = self.known
        if known is None or known.md5 is None or known.url_path is None:
            return None
        return _File(known.version, known.url_path, known.md5, "class", (), known.licence, "pinned checksum")

    def _described(self) -> _File:
        """Ask OpenML's interface which file it is and what its checksum is: trust on first use."""
        try:
            found = self._search()
            number = int(found["did"])
            about = self._json(f"/api/v1/json/data/{number}")["data_set_description"]
            features = self._json(f"/api/v1/json/data/features/{number}")["data_features"]["feature"]
            ignored = [f["name"] for f in features if "true" in (f["is_ignore"], f["is_row_identifier"])]
            return _File(
                version=int(found["version"]),
                url_path=urlsplit(_text(about["url"])).path,
                md5=None if about.get("md5_checksum") is None else _text(about["md5_checksum"]),
                target=_text(about["default_target_attribute"]),
                ignored=tuple(map(_text, ignored)),
                licence=str(about.get("licence") or "not stated"),
                trust="checksum as OpenML stated it at the first use",
            )
        except DataError:
            raise
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise DownloadError(
                f"OpenML's description of {self.name!r} cannot be read ({error!r}); try again later"
            ) from error

    def _search(self) -> Mapping[str, str]:
        """Return OpenML's record; a deactivated version counts too when it was asked for by number."""
        path = f"/api/v1/json/data/list/data_name/{quote(self.name)}/limit/2"
        if self.version is None:
            paths, asked = [path + "/status/active/"], self.name
        else:
            path += f"/data_version/{self.version}"
            paths, asked = [path, path + "/status/deactivated"], f"{self.name} in version {self.version}"
        for path in paths:
            try:
                record: Mapping[str, str] = self._json(path)["data"]["dataset"][0]
                return record
            except DownloadError as error:
                if error.status != NO_RESULTS:
                    raise
        raise DataError(f"OpenML has no data set {asked}; look up its name and version on www.openml.org")

    def _json(self, path: str) -> Any:  # whatever a server says; who asks takes it apart
        """Return an answer of OpenML's interface, from scikit-learn's cache when it has it."""
        text = _from_sklearn(path)
        if text is None:
            self._refuse_offline()
            text = fetch_bytes(self.server.url(path), origins=self.server.origins, limits=self.server.limits)
        try:
            return parse(text)
        except JsonError as error:
            raise DownloadError(
                f"{self.server.url(path)} answers with {text[:40]!r}, expected JSON; try again later"
            ) from error

    def _content(self, file: _File, entry: cache.Entry) -> bytes:
        """Return the verified ARFF, from scikit-learn's cache if it is there."""
        stored = _from_sklearn(file.url_path)
        if stored is not None and hashlib.md5(stored, usedforsecurity=False).hexdigest() == file.md5:
            return stored
        self._refuse_offline()
        return fetch_file(
            self.server.url(file.url_path),
            entry.folder / ARFF_PART,
            md5=file.md5,
            origins=self.server.origins,
            limits=self.server.limits,
            progress=self.progress,
        )

    def _converted(self, arff: bytes, file: _File) -> Dataset:
        """Parse and normalise."""
        where = f"openml:{self.name}@{file.version}"
        pixels, labels = parse_arff(arff, target=file.target, ignored=file.ignored, where=where)
        known = self.known
        return RawImages(
            pixels,
            labels,
            where=where,
            name=self.name,
            source=where,
            licence=known.licence if known else file.licence,
            notes=(f"file verified: {file.trust}",),
            n_train=known.n_train if known and known.n_samples == len(labels) else None,
            transposed=known is not None and known.transposed,
        ).dataset()

    def _refuse_offline(self) -> None:
        if self.options.offline:
            asked = f"openml:{self.name}" + (f"@{self.version}" if self.version else "")
            raise DownloadError(
                f"{asked} is not in the cache {str(cache.cache_folder(self.options.cache_dir))!r} and fetching was "
                f"switched off (offline); run once with a network: inklens data fetch {asked}"
            )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, got {type(value).__name__}")
    return value


def _sklearn_path(path: str) -> Path:
    """Return where scikit-learn's fetch_openml keeps a resource."""
    home = user_path(os.environ.get("SCIKIT_LEARN_DATA", "~/scikit_learn_data"))
    return home / "openml" / "openml.org" / (path.lstrip("/") + ".gz")


def _from_sklearn(path: str) -> bytes | None:
    """Return a resource out of scikit-learn's cache, or None; damaged files are passed over."""
    try:
        with open_regular(_sklearn_path(path)) as file:
            return b"".join(unpacked(file, limit=MAX_DATA_BYTES, name=path))
    except (OSError, DataError, ValueError):
        return None
