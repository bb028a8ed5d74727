"""Data sets known by name. What is pinned here was confirmed by two public sources; the rest OpenML itself states."""

from dataclasses import dataclass

MNIST_CHECKSUM = "cf7305d98ca2b5095ffb61f9044458301c194c2c808e5a02f39374897fd54cab"


@dataclass(frozen=True)
class Known:
    """One data set on OpenML.

    Parameters
    ----------
    alias : str
        How to ask for it.
    name, version : str, int
        As OpenML has them.
    title, licence : str
        For people.
    n_samples, n_train : int
        All images, and those of the training half, which come first.
    image_shape, n_classes : (int, int), int
        What to expect.
    download_bytes : int
        About what is fetched (OpenML may send it packed, about a seventh of that).
    data_id : int
        OpenML's number.
    url_path, md5 : str or None
        The pinned file and its checksum. None: OpenML's own description names them at the first use, and the cache
        keeps what was seen.
    checksum : str or None
        `Dataset.checksum` of the original files, by which copies in other formats are recognised.
    transposed : bool
        Rows and columns are exchanged in the source.
    """

    alias: str
    name: str
    version: int
    title: str
    licence: str
    n_samples: int
    n_train: int
    n_classes: int
    download_bytes: int
    data_id: int
    image_shape: tuple[int, int] = (28, 28)
    url_path: str | None = None
    md5: str | None = None
    checksum: str | None = None
    transposed: bool = False

    @property
    def spec(self) -> str:
        """How to ask for it by OpenML's name."""
        return f"openml:{self.name}@{self.version}"


KNOWN = (
    Known(
        "mnist",
        "mnist_784",
        1,
        "MNIST: 70,000 handwritten digits",
        "CC BY-SA 3.0, Yann LeCun and Corinna Cortes",
        n_samples=70_000,
        n_train=60_000,
        n_classes=10,
        download_bytes=122_000_000,
        data_id=554,
        url_path="/data/v1/download/52667/mnist_784.arff",
        md5="0298d579eb1b86163de7723944c7e495",
        checksum=MNIST_CHECKSUM,
    ),
    Known(
        "fashion-mnist",
        "Fashion-MNIST",
        1,
        "Fashion-MNIST: 70,000 pictures of clothes",
        "MIT, Zalando SE",
        n_samples=70_000,
        n_train=60_000,
        n_classes=10,
        download_bytes=142_000_000,
        data_id=40996,
    ),
    Known(
        "kuzushiji-mnist",
        "Kuzushiji-MNIST",
        1,
        "Kuzushiji-MNIST: 70,000 cursive Japanese characters",
        "CC BY-SA 4.0, ROIS-DS Center for Open Data in the Humanities",
        n_samples=70_000,
        n_train=60_000,
        n_classes=10,
        download_bytes=140_000_000,
        data_id=41982,
    ),
    Known(
        "emnist",
        "EMNIST_Balanced",
        1,
        "EMNIST Balanced: 131,600 handwritten digits and letters, 47 classes by number",
        "public domain (NIST Special Database 19); Cohen, Afshar, Tapson and van Schaik",
        n_samples=131_600,
        n_train=112_800,
        n_classes=47,
        download_bytes=260_000_000,
        data_id=41039,
        transposed=True,
    ),
)


def find_known(name: str, version: int | None) -> Known | None:
    """Return the known data set of that name (in any case) and version; the lowest version when none is asked."""
    matches = [known for known in KNOWN if known.name.lower() == name.lower() and version in (None, known.version)]
    return min(matches, key=lambda known: known.version, default=None)


def title_of(checksum: str) -> Known | None:
    """Return the known data set with that content, wherever it came from."""
    return next((known for known in KNOWN if known.checksum == checksum), None)
