"""The documents of the interface: what requests may hold, and what answers do."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Document = dict[str, JsonValue]  # as the command line's --json has it
Half = Literal["test", "train"]
Features = Literal["pixels", "upright", "strokes"]
Language = Literal["en", "de"]
Recipe = Literal["faithful", "otsu", "tutorial"]
Id = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
JobId = Annotated[str, Field(pattern="^[0-9a-f]{12}$")]
Name = Annotated[str, Field(min_length=1, max_length=80)]
Base64 = Annotated[str, Field(pattern="^[A-Za-z0-9+/]*={0,2}$")]
Spec = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[A-Za-z0-9_.@:-]+$")]
NROWS = Annotated[int, Field(ge=1, le=10_000_000)]
Share = Annotated[float, Field(gt=0.0, lt=1.0)]


class Asked(BaseModel):
    """What a request holds: nothing beside these fields, and numbers that are numbers."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = Field(description="urn:inklens: and a stable code")
    title: str
    status: int
    detail: str = Field(description="what was expected, what came, what to do")
    id: str = Field(description="stands in the terminal's log")


class Health(BaseModel):
    """That the studio answers."""

    status: Literal["ok"] = "ok"


class Limits(BaseModel):
    """What the studio takes."""

    photo_bytes: int
    model_bytes: int
    data_bytes: int
    drawing_side: int
    jobs_running: int
    jobs_waiting: int


class About(BaseModel):
    """What this studio is."""

    version: str
    languages: list[Language]
    limits: Limits
    start: str | None = Field(description="the model to begin with; null while there is none yet")
    jobs_running: int
    jobs_waiting: int


class Certificate(BaseModel):
    """What is proven of a fit."""

    objective: float
    lower_bound: float
    relative_gap: float
    status: str


class Penalty(BaseModel):
    """How coefficients were penalised."""

    C: float | None = Field(description="null: not at all")
    l1_ratio: float
    group: bool


class Rows(BaseModel):
    """The rows of a fit, as far as the model says."""

    name: str | None
    train: int | None
    test: int | None


class Accuracy(BaseModel):
    """Shares of right answers."""

    train: float | None = None
    test: float | None = None


class Model(BaseModel):
    """A model that the studio keeps. Its id is that of its content: the same id always answers the same."""

    id: str
    name: str
    created: str
    origin: Literal["shipped", "starter", "fit", "upload", "given"]
    bytes: int
    classes: list[str]
    image_shape: list[int]
    features: Features
    title: str
    facts: dict[str, str]
    certificate: Certificate | None
    penalty: Penalty | None
    accuracy: Accuracy
    data: Rows
    inklens: str
    has_path: bool = False


class Models(BaseModel):
    """All models, oldest first."""

    models: list[Model]


class Judged(BaseModel):
    """An answer, and the exact model that gave it."""

    model: str = Field(description="id of the model, which is that of its content")


class Evaluation(Judged):
    """How good a model is on one half, as `inklens evaluate --json`, with intervals."""

    part: Half
    notes: list[str]
    n_samples: int
    accuracy: float | None
    accuracy_interval: Document
    classes: list[str]
    per_class: dict[str, Document]
    confusion: list[list[int]]
    confusion_normalised: list[list[float]]
    in_words: list[str]
    intervals: dict[str, dict[str, Document]] = Field(description="Wilson, 95%: recall and precision of each class")


class CellImage(BaseModel):
    """One image of a cell."""

    index: int = Field(description="its number within the half")
    row: int = Field(description="its row in the data set; below 0: added to it")
    probabilities: list[float]
    pixels: Base64


class Cell(Judged):
    """The images of one cell of the confusion matrix, the surest answer first."""

    true: str
    predicted: str
    against: str
    part: Half
    n_images: int
    n_true: int
    log_odds: float
    images: list[CellImage]


class NearestFlip(BaseModel):
    """The least ink that changes an answer."""

    to: str
    cost: float
    lower_bound: float
    optimal: bool
    added: float
    erased: float
    pixels: Base64


class Row(Judged):
    """One row with its answer, why, what would change it, and who votes for it."""

    part: Half
    index: int
    row: int
    label: str
    read_as: str
    rival: str
    probabilities: list[float]
    z: list[float]
    pixels: Base64
    words: list[str]
    flip: NearestFlip | None
    votes: Document | None = Field(description="as `inklens votes --json`, with the voters' pixels; L2 models only")


class Comparison(BaseModel):
    """Two models on the same rows, as `inklens compare --json`."""

    a: str
    b: str
    comparison: Document


class Step(BaseModel):
    """What one step of a recipe made."""

    name: str
    note: str
    png: Base64
    rows: int
    cols: int
    probability: float = Field(description="of the answer, if the recipe ended here")


class Reading(BaseModel):
    """One digit of a photo, as `inklens read --json`, with what the model saw."""

    label: str
    probability: float
    probabilities: dict[str, float]
    box: list[float]
    like_training: float
    accepted: bool
    reasons: list[str]
    remedies: list[str]
    frame: Base64 = Field(description="float32, little endian, row by row")
    steps: list[Step] = Field(description="of the first digits of a page only")


class Readings(Judged):
    """All digits of a photo."""

    text: str
    lines: list[str]
    digits: list[Reading]


class AskedDrawing(Asked):
    """A drawing."""

    ink: Annotated[Base64, Field(max_length=1_500_000)] = Field(description="bytes, 255 is full ink, row by row")
    rows: int = Field(ge=1, le=1024)
    cols: int = Field(ge=1, le=1024)
    model: Id | None = Field(None, description="by default, the one to begin with")


class Drawing(Judged):
    """What a drawing is read as."""

    label: str
    probabilities: dict[str, float]
    z: list[float]
    frame: Base64 = Field(description="float32, little endian, row by row")
    box: list[float]
    accepted: bool
    like_training: float
    reasons: list[str]
    measures: dict[str, float]


class AskedDigit(Asked):
    """A digit of one's own."""

    pixels: Annotated[Base64, Field(max_length=1_048)] = Field(description="28 x 28 bytes, 255 is full ink")
    label: Annotated[str, Field(min_length=1, max_length=20)]
    read_as: Annotated[str, Field(max_length=64)] | None = None
    model: Id | None = None


class Digit(BaseModel):
    """A digit that was kept."""

    id: str
    created: str
    label: str
    read_as: str | None
    model: str | None
    pixels: Base64


class Digits(BaseModel):
    """All digits that were kept, oldest first."""

    digits: list[Digit]


class Dataset(BaseModel):
    """Labelled images that a model can be fitted to."""

    spec: str = Field(description="what a job's `data` takes")
    id: str | None = Field(description="of an upload")
    name: str
    origin: Literal["embedded", "openml", "upload", "given"]
    n_samples: int | None
    classes: list[str] | None
    image_shape: list[int] | None
    ready: bool = Field(description="whether it is on this computer; others are brought by POST /api/datasets/openml")
    download_bytes: int = 0
    licence: str | None = None
    notes: list[str] = []


class Datasets(BaseModel):
    """All data sets."""

    datasets: list[Dataset]


class AskedOpenml(Asked):
    """A data set of OpenML."""

    name: Spec = Field(description="mnist, or a name with @version")


class Decision(Asked):
    """A new label of a row, or null: leave the row out."""

    row: int = Field(ge=0, le=100_000_000)
    label: Annotated[str, Field(min_length=1, max_length=64)] | None


class AskedFit(Asked):
    """Fit a model."""

    kind: Literal["fit"]
    name: Name | None = None
    data: Spec = "embedded"
    train: NROWS | Share | None = None
    test: NROWS | Share | None = None
    seed: int = Field(9, ge=0, le=2**32 - 1)
    C: float = Field(1.0, gt=0.0, le=1e12)
    penalised: bool = Field(True, description="false: no penalty at all, whatever C is")
    l1_ratio: float = Field(0.0, ge=0.0, le=1.0)
    group: bool = False
    max_pixels: int | None = Field(None, ge=1, le=100_000)
    features: Features = "pixels"
    tol: float = Field(1e-4, ge=0.0, le=1.0)
    time_budget: float | None = Field(None, gt=0.0, le=86_400.0, description="seconds")
    start: Id | None = Field(None, description="a model to start from, such as one that was cancelled")
    add_digits: bool = Field(False, description="one's own digits are added to the training rows")
    relabel: list[Decision] | None = Field(None, max_length=20_000)


class AskedPath(Asked):
    """Follow the path of a model, so that its bytes for the browser hold one."""

    kind: Literal["path"]
    model: Id
    points: int = Field(60, ge=2, le=200)


class AskedLabels(Asked):
    """Find training rows of a model that are probably labelled wrong."""

    kind: Literal["labels"]
    model: Id
    folds: int = Field(5, ge=2, le=20)


class AskedTolerance(Asked):
    """Show what another solver's tolerance hides, so that the bytes for the browser hold its early stops."""

    kind: Literal["tolerance"]
    model: Id


AskedJob = Annotated[AskedFit | AskedPath | AskedLabels | AskedTolerance, Field(discriminator="kind")]
State = Literal["waiting", "running", "done", "failed", "cancelled", "died"]


class Progress(BaseModel):
    """How far a job is."""

    what: str = Field(description="data, fit, or a step in words")
    seconds: float
    done: int | None = None
    total: int | None = None
    passes: float | None = None
    objective: float | None = None
    lower_bound: float | None = None
    relative_gap: float | None = None
    zeros: int | None = None


class Job(BaseModel):
    """A computation that takes a while."""

    id: str
    kind: Literal["fit", "path", "labels", "tolerance", "fetch"]
    state: State
    created: str
    asked: Document
    progress: Progress | None
    model: str | None = Field(description="the model that it made, or that it is about")
    result: Document | None = Field(description="as the command line's --json")
    error: Problem | None


class Jobs(BaseModel):
    """All jobs, the newest first."""

    jobs: list[Job]
