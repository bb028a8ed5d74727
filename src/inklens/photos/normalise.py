"""Photo -> frame, in named, visible steps.

A recipe is a pipeline of steps. ``tutorial`` does what the tutorial's cells do, and no more; ``otsu`` is the plain
faithful recipe: one global threshold, MNIST's box, its centre of mass; ``faithful`` copes with photos as they come.
"""

import inspect
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self, TypedDict, Unpack

import numpy as np
from PIL import Image, ImageOps

from inklens.errors import ParameterError
from inklens.photos import checks, frames, ink, search
from inklens.photos.decode import Picture, Source, decode
from inklens.photos.frames import BOX_SIDE, CENTRE, FRAME_SIDE
from inklens.photos.search import Found

# gray   (rows, cols)  float32, 0 black to 1 white
# ink    (rows, cols)  float32, 0 paper to 1 full ink
# frame  (28, 28)      float64, 0 paper to 1 full ink


@dataclass(frozen=True, eq=False)
class Step:
    """What one step made: a grey picture, 0 black to 1 white, and a note in words."""

    name: str
    picture: np.ndarray
    note: str = ""

    def as_frame(self) -> np.ndarray:
        """Return what a classifier would see if the recipe ended here: the whole picture as 28 x 28 pixels.

        >>> Step("20 x 20", np.ones((20, 20))).as_frame().sum()
        np.float64(400.0)
        """
        if self.picture.shape == (BOX_SIDE, BOX_SIDE):
            return np.pad(self.picture, (FRAME_SIDE - BOX_SIDE) // 2).astype(np.float64)
        return np.clip(ink.resize(self.picture, (FRAME_SIDE, FRAME_SIDE), Image.Resampling.BOX), 0, 1)


@dataclass(frozen=True, eq=False)
class Normalised:
    """A frame and how it came about.

    Parameters
    ----------
    frame : float64 array (28, 28)
        Ink = 1, paper = 0.
    steps : tuple of Step
        In order; the last one shows the frame.
    box : (left, top, right, bottom)
        Where the digit is, in pixels of the photo as seen.
    like_training : float
        0 nothing like the training digits, 1 an ordinary one.
    accepted : bool
        Whether an answer can be trusted.
    reasons : tuple of str
        Why not, in words.
    measures : dict
        What was measured on the way, by name.
    """

    frame: np.ndarray
    steps: tuple[Step, ...]
    box: tuple[int, int, int, int]
    like_training: float
    accepted: bool
    reasons: tuple[str, ...]
    measures: dict[str, float] = field(default_factory=dict)


class Parameters(TypedDict, total=False):
    """Parameters of a `Normaliser` besides its recipe."""

    pixel_filter: float
    polarity: str
    threshold: float | None
    lines: bool
    pen: str | float | None
    centre: bool | None
    orientation: int | None


def normalise(picture: Picture | Source, *, recipe: str = "faithful", **parameters: Unpack[Parameters]) -> Normalised:
    """Turn a photo of one digit into a frame.

    Parameters
    ----------
    picture : Picture, path, bytes, binary file, array or PIL image
        The photo.
    recipe : {"faithful", "otsu", "tutorial"}
        Which pipeline.
    **parameters
        Those of `Normaliser`.

    Examples
    --------
    >>> import numpy as np
    >>> paper = np.full((60, 50), 0.9)
    >>> paper[10:50, 22:28] = 0.1
    >>> result = normalise(paper)
    >>> result.frame.shape, float(result.frame.max())
    ((28, 28), 1.0)
    >>> [step.name for step in normalise(paper, recipe="tutorial").steps]
    ['grayscale', '28 x 28', 'inverted', 'contrast', 'frame']
    """
    return Normaliser(recipe=recipe, **parameters).normalise(picture)


class Normaliser:
    """Photos -> frames, as a scikit-learn transformer.

    Parameters
    ----------
    recipe : {"faithful", "otsu", "tutorial"}, default="faithful"
        Which pipeline.
    pixel_filter : float, default=20
        Percentile of the inverted picture that becomes black (``tutorial`` only; 0 to 100).
    polarity : {"auto", "dark", "light"}, default="auto"
        Whether the ink is darker or lighter than the paper.
    threshold : float, optional
        Contrast (0 to 1) from which a pixel is ink; by default Otsu's.
    lines : bool, default=True
        Take out printed lines (``faithful`` only).
    pen : "auto", None or float, default="auto"
        Width of the strokes relative to the digit's box (0 to 0.5); auto changes only what MNIST hardly has, None
        nothing (``faithful`` only).
    centre : bool, optional
        Bring the centre of mass to the middle, as MNIST's makers did; by default all recipes but ``tutorial`` do.
    orientation : int, optional
        1 to 8 in place of the Exif tag of the files.

    Examples
    --------
    >>> import numpy as np
    >>> paper = np.full((60, 50), 0.9)
    >>> paper[10:50, 22:28] = 0.1
    >>> Normaliser().fit_transform([paper, 1 - paper]).shape
    (2, 784)
    """

    def __init__(
        self,
        *,
        recipe: str = "faithful",
        pixel_filter: float = 20,
        polarity: str = "auto",
        threshold: float | None = None,
        lines: bool = True,
        pen: str | float | None = "auto",
        centre: bool | None = None,
        orientation: int | None = None,
    ) -> None:
        self.recipe = recipe
        self.pixel_filter = pixel_filter
        self.polarity = polarity
        self.threshold = threshold
        self.lines = lines
        self.pen = pen
        self.centre = centre
        self.orientation = orientation

    def decode(self, picture: Picture | Source) -> Picture:
        """Return the picture's pixels; one that is decoded already stays as it is."""
        return picture if isinstance(picture, Picture) else decode(picture, orientation=self.orientation)

    def normalise(self, picture: Picture | Source) -> Normalised:
        """Turn one photo into a frame, keeping every step."""
        self._validate()
        return _RECIPES[self.recipe](self.decode(picture), self)

    def from_found(self, picture: Picture, found: Found) -> Normalised:
        """Finish the faithful recipe for a digit that was found in a photo."""
        view = found.view
        light = f"light evened out ({found.ink.paper}); the ink is {view.polarity}"
        drawn, width = found.redraw(self.pen)
        square = frames.fit_box(drawn)
        steps = [
            Step("grayscale", view.bright if view.polarity == "dark" else 1 - view.bright, " ".join(picture.notes)),
            Step("paper", found.ink.contrast, light),
            Step("ink", found.ink.mask.astype(float), f"contrast {found.ink.threshold:.2f} and more"),
            Step("digit", found.mask.astype(float), "printed lines taken out" if found.lines else ""),
            Step("pen", drawn, f"{width:.3f} of the box wide"),
        ]
        measures = {"pen": width, **found.measures()}
        return _framed(picture, steps, square, found.gray_box, measures, centre=self.centre)

    def fit(self, X: Iterable[Picture | Source], y: object = None) -> Self:
        """Check the parameters; there is nothing to learn."""
        self._validate()
        return self

    def transform(self, X: Iterable[Picture | Source]) -> np.ndarray:
        """Return the frames of some photos as rows, float64 (n_photos, 784)."""
        frames = [self.normalise(picture).frame.ravel() for picture in X]
        return np.array(frames).reshape(len(frames), FRAME_SIDE**2)

    def fit_transform(self, X: Iterable[Picture | Source], y: object = None) -> np.ndarray:
        """Return ``fit(X).transform(X)``."""
        return self.fit(X).transform(X)

    def get_params(self, deep: bool = True) -> dict[str, object]:
        """Return the parameters by name."""
        return {
            name: getattr(self, name) for name in inspect.signature(type(self).__init__).parameters if name != "self"
        }

    def set_params(self, **parameters: object) -> Self:
        """Change parameters by name."""
        known = self.get_params()
        for name, value in parameters.items():
            if name not in known:
                raise ParameterError(f"a Normaliser has no parameter {name!r}; it has {', '.join(sorted(known))}")
            setattr(self, name, value)
        return self

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """Name the columns ``pixel_ROW_COL``."""
        return np.array([f"pixel_{row}_{col}" for row in range(FRAME_SIDE) for col in range(FRAME_SIDE)], object)

    def __repr__(self) -> str:
        return f"Normaliser({', '.join(f'{k}={v!r}' for k, v in self.get_params().items())})"

    def __sklearn_tags__(self) -> object:
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=None,
            target_tags=TargetTags(required=False),
            transformer_tags=TransformerTags(),
            input_tags=InputTags(two_d_array=False, three_d_array=True),
            requires_fit=False,
        )

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def _validate(self) -> None:
        if self.recipe not in _RECIPES:
            raise ParameterError(f"recipe must be one of {', '.join(_RECIPES)}, got {self.recipe!r}")
        if self.polarity not in ("auto", "dark", "light"):
            raise ParameterError(f"polarity must be auto, dark or light, got {self.polarity!r}")
        if not 0 <= self.pixel_filter <= 100:
            raise ParameterError(f"pixel_filter is a percentile from 0 to 100, got {self.pixel_filter}")
        if not (self.pen in ("auto", None) or (isinstance(self.pen, int | float) and 0 < self.pen < 0.5)):
            raise ParameterError(f"pen is 'auto', None or a width relative to the box (0 to 0.5), got {self.pen!r}")
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise ParameterError(f"threshold must lie between 0 and 1, got {self.threshold}")


def _tutorial(picture: Picture, settings: Normaliser) -> Normalised:
    """Do what the tutorial's cells do: no centring, no choice of polarity, the whole photo squeezed into 28 x 28."""
    gray = np.rint(picture.gray * 255).astype(np.uint8)
    small = Image.fromarray(gray).resize((FRAME_SIDE, FRAME_SIDE), Image.Resampling.LANCZOS)  # once named ANTIALIAS
    inverted = np.asarray(ImageOps.invert(small))
    min_pixel = np.percentile(inverted, settings.pixel_filter)
    clipped = np.clip(inverted - min_pixel, 0, 255)  # float64, so nothing wraps around
    max_pixel = clipped.max()
    frame = clipped / max_pixel if max_pixel > 0 else clipped
    rows, cols = gray.shape
    steps = [
        Step("grayscale", picture.gray, f"{cols} x {rows} pixels"),
        Step("28 x 28", np.asarray(small) / 255, "Lanczos resampling; proportions are lost"),
        Step("inverted", inverted / 255, "ink is light, as in the training data"),
        Step("contrast", clipped / 255, f"percentile {settings.pixel_filter:g} = {min_pixel:.1f} became black"),
        Step("frame", frame, f"divided by the maximum {max_pixel:.1f}"),
    ]
    if settings.centre:
        frame = frames.recentred(frame)
        steps.append(Step("centred", frame, f"centre of mass at pixel {CENTRE:g}"))
    return _judged(frame, tuple(steps), (0, 0, *picture.size), {"squeezed": 1.0})


def _otsu(picture: Picture, settings: Normaliser) -> Normalised:
    """One global threshold, MNIST's box, MNIST's centre of mass."""
    dark = ink.is_dark(picture.gray) if settings.polarity == "auto" else settings.polarity == "dark"
    contrast = ink.stretch(1 - picture.gray if dark else picture.gray)
    level = ink.otsu(contrast) if settings.threshold is None else settings.threshold
    inked = np.clip((contrast - level) / max(contrast.max() - level, 1e-6), 0, 1)
    steps = [
        Step("grayscale", picture.gray, " ".join(picture.notes)),
        Step("polarity", contrast, f"ink is {'darker' if dark else 'lighter'} than paper"),
        Step("threshold", inked, f"contrast {level:.2f} and more is ink"),
    ]
    box = frames.bounding_box(inked > 0)
    if box is None:
        return _blank(picture, steps)
    left, top, right, bottom = box
    square = frames.fit_box(inked[top:bottom, left:right])
    return _framed(picture, steps, square, box, {}, centre=settings.centre)


def _faithful(picture: Picture, settings: Normaliser) -> Normalised:
    """Cope with photos as they come: shadows, printed lines, blots, any pen."""
    found = search.best(picture.gray, polarity=settings.polarity, threshold=settings.threshold, lines=settings.lines)
    if found is None:
        return _blank(picture, [Step("grayscale", picture.gray, " ".join(picture.notes))])
    return settings.from_found(picture, found)


def _framed(
    picture: Picture,
    steps: list[Step],
    square: np.ndarray,
    box: tuple[float, ...],
    measures: dict[str, float],
    *,
    centre: bool | None,
) -> Normalised:
    """Put the 20 x 20 square at MNIST's place, or in the middle."""
    place = "the box in the middle" if centre is False else f"centre of mass at pixel {CENTRE:g}"
    frame = np.pad(square, (FRAME_SIDE - BOX_SIDE) // 2) if centre is False else frames.centred(square)
    steps = [
        *steps,
        Step(f"{BOX_SIDE} x {BOX_SIDE}", square, "proportions kept, areas averaged"),
        Step("frame", frame, place),
    ]
    left, top, right, bottom = (round(edge * picture.scale) for edge in box)
    return _judged(frame, tuple(steps), (left, top, right, bottom), measures)


def _judged(
    frame: np.ndarray, steps: tuple[Step, ...], box: tuple[int, int, int, int], measures: dict[str, float]
) -> Normalised:
    verdict = checks.judge(frame, measures)
    return Normalised(frame, steps, box, verdict.like_training, verdict.accepted, verdict.reasons, measures)


def _blank(picture: Picture, steps: list[Step]) -> Normalised:
    frame = np.zeros((FRAME_SIDE, FRAME_SIDE))
    return _judged(frame, (*steps, Step("frame", frame, "blank")), (0, 0, *picture.size), {})


_RECIPES = {"faithful": _faithful, "otsu": _otsu, "tutorial": _tutorial}
