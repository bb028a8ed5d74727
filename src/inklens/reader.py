"""`DigitReader`: a linear model with its normaliser and what is recorded of its fit, kept in one file."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np

from inklens import __version__
from inklens.errors import DataError, ModelFileError
from inklens.linear.proofs.dual import DualPoint
from inklens.model.file import contents, pack, read_file, unpack
from inklens.model.linear_model import PHOTO_SHAPE, LinearModel
from inklens.model.records import DataRecord, FitRecord
from inklens.model.schema import checked
from inklens.reprs import Card, Shown, certificate_facts, ink_tile, most_likely, percent
from inklens.storage import write_bytes

if TYPE_CHECKING:
    from inklens.explanations import Evidence, Flip
    from inklens.photos import Normalised, Normaliser, Picture, Step
    from inklens.photos.decode import Source
    from inklens.web.live import LivePage

SHIPPED_READER = "reader.inklens"


@dataclass(frozen=True, repr=False)
class Reading(Shown):
    """One digit that was found on a picture, and what the model says of it."""

    label: str
    probability: float
    probabilities: dict[str, float]
    box: tuple[float, float, float, float]  # left, top, right, bottom, in pixels of the picture
    like_training: float  # 1 = looks like the training data, 0 = not at all
    accepted: bool
    reasons: tuple[str, ...]  # why it was not accepted, in words
    frame: np.ndarray = field(repr=False, compare=False)
    steps: "tuple[Step, ...]" = field(default=(), repr=False, compare=False)

    @property
    def remedies(self) -> tuple[str, ...]:
        """What to do about the reasons, in words."""
        from inklens.photos.checks import remedies

        return remedies(self.reasons)

    def _card(self) -> Card:
        left, top, right, bottom = (round(edge) for edge in self.box)
        sure = "" if self.accepted else " (not sure)"
        facts: dict[str, object] = {
            "probabilities": most_likely(list(self.probabilities), list(self.probabilities.values())),
            "found at": f"({left}, {top}) to ({right}, {bottom}), in pixels from the upper left corner",
            "like training": f"{self.like_training:.2f} of 1",
        }
        facts |= {f"reason {number}": reason for number, reason in enumerate(self.reasons, 1)}
        tile = ink_tile(self.frame, "as the model sees it", alt=f"the frame that was read as {self.label}")
        title = f"Reading: {self.label}, {percent(self.probability)}{sure}"
        return Card(title, facts, [tile], bars=self.probabilities)

    def __repr__(self) -> str:  # one line: readings come as lists
        left, top, right, bottom = (round(edge) for edge in self.box)
        return f"<{self._card().title}, at ({left}, {top}) to ({right}, {bottom})>"

    def to_json(self) -> dict[str, object]:
        """Return the entry of ``inklens read --json``."""
        return {
            "label": self.label,
            "probability": self.probability,
            "probabilities": self.probabilities,
            "box": [float(edge) for edge in self.box],
            "like_training": self.like_training,
            "accepted": self.accepted,
            "reasons": list(self.reasons),
            "remedies": list(self.remedies),
        }


@dataclass(frozen=True, eq=False, repr=False)
class DigitReader(LinearModel):
    """Read pictures of single characters with a softmax regression.

    Parameters
    ----------
    coef, intercept, classes, image_shape, features
        As for `LinearModel`.
    recipe : {"faithful", "otsu", "tutorial"}
        How a photo becomes a frame.
    provenance : dict
        Data, split, parameters, certificate and accuracies of the fit, as JSON-ready values.
    version : str
        The inklens that fitted it.
    dual : DualPoint or None
        What proves the lower bound in `provenance`; see `verify`.
    settings : dict
        Further parameters of the `Normaliser` for the photos read now; no part of the file.

    Examples
    --------
    >>> reader = DigitReader(np.eye(2, 4), np.zeros(2), ("0", "1"), (2, 2))
    >>> reader.predict_proba(np.array([[[1.0, 0.0], [0.0, 0.0]]])).round(3)
    array([[0.731, 0.269]])
    """

    recipe: str = "faithful"
    provenance: Mapping[str, object] = field(default_factory=dict)
    version: str = __version__
    dual: DualPoint | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def recorded(self, part: str) -> Mapping[str, object]:
        """Return a part of the provenance ("data", "fit", "accuracy"); empty where it is missing or free text.

        Examples
        --------
        >>> reader = DigitReader(np.eye(2, 4), np.zeros(2), ("0", "1"), (2, 2), provenance={"data": "my own"})
        >>> reader.recorded("data")
        {}
        """
        found = self.provenance.get(part)
        return found if isinstance(found, Mapping) else {}

    @cached_property
    def fit_record(self) -> FitRecord | None:
        """How it was fitted; None where the file does not say so."""
        return FitRecord.from_json(self.provenance.get("fit"))

    @cached_property
    def data_record(self) -> DataRecord:
        """Which rows it was fitted on, as far as the file says so."""
        return DataRecord.from_json(self.provenance.get("data"))

    def require_fit_record(self) -> FitRecord:
        """Return how it was fitted.

        Raises
        ------
        DataError
            The file does not say so.
        """
        if self.fit_record is None:
            raise DataError("this model does not say how it was fitted; fit it again with inklens fit")
        return self.fit_record

    def _proof(self) -> dict[str, str]:
        fit, data = self.fit_record, self.data_record
        facts = {"photos": f"by the {self.recipe} recipe"}
        if data.name is not None:
            facts["data"] = data.name if data.train is None else f"{data.train:,} rows of {data.name}"
        if fit is not None:
            kind = "group penalty" if fit.group else f"l1_ratio={fit.l1_ratio:g}"
            facts["penalty"] = f"C={fit.C:g}, {kind}" if fit.is_penalised else "none"
        if fit is not None and fit.certificate is not None:
            proven = fit.certificate
            facts |= certificate_facts(proven.objective, proven.lower_bound, proven.relative_gap, proven.status)
        scores = {half: share for half, share in self.recorded("accuracy").items() if isinstance(share, float)}
        if scores:
            facts["accuracy"] = ", ".join(f"{share:.4f} {half}" for half, share in scores.items())
        return facts

    # ------------------------------------------------------------------ photos

    def with_recipe(self, recipe: str | None) -> "DigitReader":
        """Return the same model with another recipe for photos; None keeps its own."""
        return self if recipe is None else replace(self, recipe=recipe)

    def with_parameters(self, *, recipe: str | None = None, **settings: Any) -> "DigitReader":
        """Return the same model with another recipe, and other parameters of the `Normaliser`, for photos."""
        return replace(self.with_recipe(recipe), settings={**self.settings, **settings})

    @property
    def normaliser(self) -> "Normaliser":
        """The `Normaliser` for its photos."""
        from inklens.photos import Normaliser

        return Normaliser(recipe=self.recipe, **self.settings)

    def frame(self, photo_or_frame: object) -> np.ndarray:
        """Return the frame of a photo; an array of the model's shape is one already."""
        if self.is_frame(photo_or_frame):
            return super().frame(photo_or_frame)
        return self._normalise(cast("Source", photo_or_frame)).frame  # which refuses what is no picture

    def read(self, photo: "Picture | Source", *, many: bool | None = False) -> list[Reading]:
        """Read one picture: a path, bytes, a binary file, an array or a PIL image.

        Parameters
        ----------
        many : bool, optional
            True: all digits of a page, in reading order; False: one digit; None: decide by what is there.

        Raises
        ------
        PhotoError
            The picture cannot be decoded.
        """
        return [reading for line in self.read_lines(photo, many=many) for reading in line]

    def read_lines(self, photo: "Picture | Source", *, many: bool | None = None) -> list[list[Reading]]:
        """Read a picture as lines from top to bottom, each from left to right."""
        from inklens.photos import locate

        self._check_shape()
        if isinstance(photo, np.ndarray) and photo.shape != self.image_shape and self.is_frame(photo):
            photo = photo.reshape(self.image_shape)  # a row of pixels is the picture that it was
        lines = locate(photo, many=many, normaliser=self.normaliser)
        proba = iter(self.predict_proba(np.array([seen.frame for line in lines for seen in line])))
        return [[self._reading(seen, next(proba)) for seen in line] for line in lines]

    def explain(self, photo_or_frame: object) -> "Evidence":
        """Return why it answers what it answers, pixel by pixel; as `inklens.explain`.

        Parameters
        ----------
        photo_or_frame : path, bytes, picture, or array (rows, cols) or (rows * cols,) in [0, 1]
            An array of the model's shape is a frame (ink = 1); anything else is normalised first.

        Examples
        --------
        >>> DigitReader(np.eye(2, 4), np.zeros(2), ("0", "1"), (2, 2)).explain(np.array([1.0, 0.0, 0.0, 0.0])).label
        '0'
        """
        from inklens.explanations import explain

        return explain(self, photo_or_frame)

    def flip(
        self,
        photo_or_frame: object,
        to: str | None = None,
        *,
        norm: str = "ink",
        margin: float | None = None,
        plausible: Mapping[str, np.ndarray] | None = None,
    ) -> "Flip":
        """Return the smallest change of ink that makes it answer another class; as `inklens.flip`.

        Examples
        --------
        >>> reader = DigitReader(np.eye(2, 4), np.zeros(2), ("0", "1"), (2, 2))
        >>> reader.flip(np.array([[0.5, 0.0], [0.0, 0.0]])).target
        '1'
        """
        from inklens.explanations.flips import MARGIN, flip

        return flip(
            self, photo_or_frame, to, norm=norm, margin=MARGIN if margin is None else margin, plausible=plausible
        )

    def live(self, *, title: str | None = None, language: str = "en") -> "LivePage":
        """Return this model as a page to draw on, which a notebook shows in a frame of its own.

        It lives on when the kernel is gone, and needs no network. A card stays what a reader shows by itself: this page
        is about a hundred kilobytes, which is too much for every output.

        Examples
        --------
        >>> DigitReader(np.eye(2, 4), np.zeros(2), ("0", "1"), (2, 2)).live(title="Two pixels")
        LivePage: Two pixels, ... kB; a notebook shows it alive
        """
        from inklens.web.live import LivePage
        from inklens.web.page import exported

        return LivePage(exported(self, title=title, language=language, kind="output"), title or self._card().title)

    def _reading(self, seen: "Normalised", proba: np.ndarray) -> Reading:
        from inklens.photos.checks import reasons_for

        best = int(proba.argmax())
        reasons = reasons_for(self.classes, seen.reasons)
        return Reading(
            label=self.classes[best],
            probability=float(proba[best]),
            probabilities={c: float(p) for c, p in zip(self.classes, proba, strict=True)},
            box=seen.box,
            like_training=seen.like_training,
            accepted=not reasons,
            reasons=reasons,
            frame=seen.frame,
            steps=tuple(seen.steps),
        )

    def _normalise(self, photo: "Picture | Source") -> "Normalised":
        self._check_shape()
        return self.normaliser.normalise(photo)

    def _check_shape(self) -> None:
        if self.image_shape != PHOTO_SHAPE:
            raise DataError(
                f"photos are normalised to 28 x 28 pixels, but this model takes {self.image_shape[0]} x "
                f"{self.image_shape[1]}; fit one on 28 x 28 images, as those of --data embedded, or ask this "
                "one about its own data (--sample N), in Python about ready frames"
            )

    # ------------------------------------------------------------------ files

    def to_bytes(self, dtype: type = np.float64) -> bytes:
        """Return the model file's bytes; the same model gives the same bytes."""
        return pack(*contents(self, dtype))

    def save(self, path: str | os.PathLike[str], *, dtype: type = np.float64) -> None:
        """Write the model as one whole file (`.inklens`).

        Raises
        ------
        OutputError
            The file cannot be written; an older file of that name is untouched.
        """
        write_bytes(path, self.to_bytes(dtype))

    def to_json(self) -> dict[str, object]:
        """Return the document of ``inklens export -o FILE.json``: weights, card, certificate and what proves it.

        Examples
        --------
        >>> document = DigitReader(np.eye(2, 4), np.zeros(2), ("0", "1"), (2, 2)).to_json()
        >>> document["classes"], document["coef"][1]
        (['0', '1'], [0.0, 1.0, 0.0, 0.0])
        """
        from inklens.exports.weights import weights_document

        return weights_document(self)

    def to_onnx(self, *, uint8: bool = False) -> bytes:
        """Return the model as a file for ONNX runtimes: from frames to labels and probabilities, features included.

        Parameters
        ----------
        uint8 : bool
            Whether it takes ink from 0 to 255 as uint8 (n, rows, cols), instead of float32 in [0, 1].

        Raises
        ------
        MissingPackageError
            onnx is not installed: ``pip install 'inklens[onnx]'``.

        Examples
        --------
        >>> import onnx
        >>> graph = onnx.load_from_string(DigitReader.shipped().to_onnx()).graph
        >>> [output.name for output in graph.output]
        ['label', 'probabilities']
        """
        from inklens.exports.onnx_file import onnx_bytes

        return onnx_bytes(self, uint8=uint8)

    def to_c(self) -> str:
        """Return a model on pixels as a C99 header with one function, ``inklens_predict``.

        Raises
        ------
        DataError
            The model is on other features than pixels.

        Examples
        --------
        >>> "static inline int inklens_predict" in DigitReader(np.eye(2, 4), np.zeros(2), ("0", "1"), (2, 2)).to_c()
        True
        """
        from inklens.exports.c_header import c_header

        return c_header(self)

    @classmethod
    def from_estimator(
        cls,
        estimator: object,
        *,
        image_shape: tuple[int, int] | None = None,
        features: str = "pixels",
        full_ink: float | None = None,
    ) -> Self:
        """Return a fitted linear classifier as a reader; a `SoftmaxRegression` also tells how it was fitted.

        Parameters
        ----------
        estimator, image_shape, features, full_ink
            As for `LinearModel.from_estimator`: a `SoftmaxRegression`, scikit-learn's `LogisticRegression`, or a
            Pipeline of column scalers that ends in one; pictures are square unless `image_shape` says otherwise.

        Raises
        ------
        DataError
            Another kind of model, one that is not fitted, or pictures of another size.

        Examples
        --------
        >>> from inklens import SoftmaxRegression
        >>> X, y = np.array([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]), ["right", "left", "left", "right"]
        >>> reader = DigitReader.from_estimator(SoftmaxRegression(C=2.0).fit(X, y), image_shape=(1, 2))
        >>> reader.predict(X[:2]).tolist(), reader.fit_record.C
        (['right', 'left'], 2.0)
        """
        reader = super().from_estimator(estimator, image_shape=image_shape, features=features, full_ink=full_ink)
        record = FitRecord.of_estimator(estimator) if full_ink in (None, 1.0) else None
        return reader if record is None else replace(reader, provenance={"fit": record.to_json()})

    @classmethod
    def shipped(cls) -> "DigitReader":
        """Return the reader that comes with the package: ten digits, fitted on strokes of MNIST.

        Raises
        ------
        ModelFileError
            This installation was built without it.

        Examples
        --------
        >>> DigitReader.shipped().classes
        ('0', '1', '2', '3', '4', '5', '6', '7', '8', '9')
        """
        try:
            return cls.from_bytes((files("inklens") / SHIPPED_READER).read_bytes())
        except FileNotFoundError as error:
            raise ModelFileError(
                "this installation has no reader of its own; make a model with inklens fit -o FILE and name it with "
                "--model"
            ) from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "DigitReader":
        """Read a model file, `.inklens` or the JSON of ``inklens export``; nothing in it can run code.

        Raises
        ------
        ModelFileError
            No such file, not a model, damaged, or written by a newer inklens.
        """
        data = read_file(path)
        try:
            return cls.from_bytes(data)
        except ModelFileError as error:
            raise ModelFileError(f"{str(path)!r} {error}") from error

    @classmethod
    def from_bytes(cls, data: bytes) -> "DigitReader":
        """Read a model from the bytes of a file, `.inklens` or the JSON of ``inklens export``."""
        from inklens.exports import weights

        tensors, header = weights.unpack(data) if weights.is_json(data) else unpack(data)
        try:
            return cls(**checked(tensors, header))
        except DataError as error:
            raise ModelFileError(f"is not a usable model: {error}") from error
