"""Look at data before fitting: what ``inklens data info`` does."""

from dataclasses import asdict

from inklens.datasets import DatasetInfo, describe, info, load_dataset
from inklens.errors import ParameterError
from inklens.progress import Progress


def look(spec: str, *, load: bool | None = None, progress: Progress | None = None) -> tuple[dict, list[str]]:
    """Return facts for a program and sentences for a person.

    Parameters
    ----------
    spec : str
        Data spec.
    load : bool or None
        Whether to look into the images; None does so if that needs no download.
    """
    known = _known(spec)
    if load is False or (load is None and known is not None and not known.cached):
        if known is None:
            raise ParameterError(f"{spec!r} lies on this computer: leave out --no-load to look into it")
        return asdict(known), _sentences(known)
    seen = describe(load_dataset(spec, progress=progress))
    return seen.as_dict(), str(seen).splitlines()


def _known(spec: str) -> DatasetInfo | None:
    try:
        return info(spec)
    except ParameterError:
        return None


def _sentences(known: DatasetInfo) -> list[str]:
    size = f"{known.n_samples:,} images" if known.n_samples else "size unknown"
    return [
        f"{known.title}.",
        f"{size}; licence: {known.licence}.",
        f"Not fetched yet: inklens data fetch {known.spec} ({known.download_bytes / 1e6:.0f} MB).",
        f"Trust: {known.trust}.",
    ]
