"""From a data spec such as ``"idx:DIR"`` to a `Dataset`."""

from inklens.datasets.dataset import Dataset
from inklens.errors import ParameterError


def load_dataset(spec: str = "embedded", *, progress=None, cache_dir=None, offline=False) -> Dataset:
    """Load labelled images by spec."""
    if spec == "embedded":
        from inklens.datasets.embedded import load_embedded

        return load_embedded()
    raise ParameterError(f"unknown data spec {spec!r}; use 'embedded'")
