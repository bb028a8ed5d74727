"""The interface, one function a route: take the request apart, ask once, answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Literal

from fastapi import APIRouter, Body, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import StreamingResponse
from pydantic import ValidationError

from inklens import __version__
from inklens.studio import limits, schemas
from inklens.studio.guard import PARSED, busy
from inklens.studio.jobs import Job
from inklens.studio.schemas import Half, Language, Recipe
from inklens.studio.static import Asset
from inklens.studio.studio import Studio, decoded
from inklens.web.light import light

router = APIRouter()

ModelId = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]
EntryId = Annotated[str, Path(pattern="^[0-9a-f]{16}$")]
JobId = Annotated[str, Path(pattern="^[0-9a-f]{12}$")]
Name = Annotated[str, Query(min_length=1, max_length=80)]


def studio_of(request: Request) -> Studio:
    """Return the studio that a request is for."""
    return request.app.state.studio


def _body(*types: str) -> dict[str, object]:
    """Describe a body of plain bytes."""
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in types}
    return {"requestBody": {"required": True, "content": content}}


def _bytes(kind: str) -> dict[int | str, dict[str, object]]:
    """Describe an answer of plain bytes."""
    return {200: {"content": {kind: {"schema": {"type": "string", "format": "binary"}}}, "description": "the file"}}


class Octets(Response):
    """Bytes."""

    media_type = "application/octet-stream"


class Page(Response):
    """A page that is saved, not shown."""

    media_type = "text/html"


class Events(StreamingResponse):
    """Events as they happen."""

    media_type = "text/event-stream"


def _attachment(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


# ------------------------------------------------------------------------------------------------- drawings


@router.post(
    "/api/drawings",
    response_model=schemas.Drawing,
    tags=["read"],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/AskedDrawing"}}},
        }
    },
)
async def read_drawing(request: Request) -> Response:
    """Read a drawing in Python: the same answer as the page's own."""
    asked = _asked_drawing(request.scope[PARSED])
    answer = await studio_of(request).read_drawing(decoded(asked.ink), asked.rows, asked.cols, asked.model)
    return Response(answer, media_type="application/json")


def _asked_drawing(parsed: object) -> schemas.AskedDrawing:
    """Return the fields of a body that was parsed: at two hundred a second, what FastAPI does is too much."""
    try:
        return schemas.AskedDrawing.model_validate(parsed)
    except ValidationError as error:
        raise RequestValidationError([{**each, "loc": ("body", *each["loc"])} for each in error.errors()]) from error


# ------------------------------------------------------------------------------------------------- about


@router.get("/healthz", response_model=schemas.Health, tags=["studio"])
async def healthz() -> dict[str, str]:
    """Say that the studio answers."""
    return {"status": "ok"}


@router.get("/api/about", response_model=schemas.About, tags=["studio"])
async def about(request: Request) -> dict[str, object]:
    """Say what this studio is, what it takes, and which model to begin with."""
    studio = studio_of(request)
    return {
        "version": __version__,
        "languages": ["en", "de"],
        "limits": {
            "photo_bytes": limits.MAX_PHOTO_BYTES,
            "model_bytes": limits.MAX_MODEL_BYTES,
            "data_bytes": limits.MAX_DATA_BYTES,
            "drawing_side": limits.MAX_DRAWING_SIDE,
            "jobs_running": limits.MAX_RUNNING_JOBS,
            "jobs_waiting": limits.MAX_WAITING_JOBS,
        },
        "start": studio.start,
        "jobs_running": studio.jobs.count("running"),
        "jobs_waiting": studio.jobs.count("waiting"),
    }


# ------------------------------------------------------------------------------------------------- models


@router.get("/api/models", response_model=schemas.Models, tags=["models"])
async def models(request: Request) -> dict[str, object]:
    """List the models, oldest first; waits for the first one after the very first start."""
    await studio_of(request).start_model.wait()
    return {"models": studio_of(request).models()}


@router.post(
    "/api/models",
    response_model=schemas.Model,
    status_code=201,
    tags=["models"],
    openapi_extra=_body("application/octet-stream"),
)
async def add_model(request: Request, name: Name) -> dict[str, object]:
    """Keep a model file (.inklens); the same file again is the same model."""
    return await studio_of(request).add_model(await request.body(), name, "upload")


@router.get("/api/models/{model}", response_model=schemas.Model, tags=["models"])
async def model(request: Request, model: ModelId) -> dict[str, object]:
    """Tell what is known of a model."""
    return studio_of(request).model(model)


@router.delete("/api/models/{model}", status_code=204, tags=["models"])
async def drop_model(request: Request, model: ModelId) -> None:
    """Delete a model."""
    studio_of(request).drop_model(model)


@router.get("/api/models/{model}/web", response_class=Octets, responses=_bytes(Octets.media_type), tags=["models"])
async def model_web(request: Request, model: ModelId, lightly: bool = False) -> Response:
    """Return a model as the bytes that the page loads (`decodeModel`); lightly: without path, samples and check."""
    content = await studio_of(request).web(model)
    asset = Asset(light(content) if lightly else content, Octets.media_type)
    accepts, known = request.headers.get("accept-encoding", ""), request.headers.get("if-none-match")
    status, content, headers = await asyncio.to_thread(asset.answer, accepts, known)
    return Octets(content, status, headers=headers)


@router.get("/api/models/{model}/file", response_class=Octets, responses=_bytes(Octets.media_type), tags=["models"])
async def model_file(request: Request, model: ModelId) -> Response:
    """Return a model's file (.inklens)."""
    return Octets(studio_of(request).model_file(model), headers=_attachment(f"{model}.inklens"))


@router.get("/api/models/{model}/page", response_class=Page, responses=_bytes("text/html"), tags=["models"])
async def model_page(request: Request, model: ModelId, language: Language = "en") -> Response:
    """Return the page that `inklens export` writes, to be saved."""
    studio = studio_of(request)
    answer = await studio.ask_page(model, language)
    return Page(answer, headers={**_attachment(f"{model}.html"), "Content-Security-Policy": "sandbox"})


@router.get("/api/models/{model}/evaluation", response_model=schemas.Evaluation, tags=["judge"])
async def evaluation(request: Request, model: ModelId, part: Half = "test") -> dict[str, object]:
    """Judge a model on one half of its rows."""
    return await studio_of(request).about_model("evaluation", model, part=part)


ClassNumber = Annotated[int, Path(ge=0, lt=10_000, description="of the model's classes, from 0")]


@router.get("/api/models/{model}/cells/{true}/{predicted}", response_model=schemas.Cell, tags=["judge"])
async def cell(
    request: Request,
    model: ModelId,
    true: ClassNumber,
    predicted: ClassNumber,
    part: Half = "test",
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, object]:
    """Open one cell of the confusion matrix: its images, the surest answer first."""
    asked = {"true": true, "predicted": predicted, "part": part, "offset": offset, "limit": limit}
    return await studio_of(request).about_model("cell", model, **asked)


@router.get("/api/models/{model}/rows/{part}/{index}", response_model=schemas.Row, tags=["judge"])
async def row(
    request: Request, model: ModelId, part: Half, index: Annotated[int, Path(ge=0, lt=10_000_000)]
) -> dict[str, object]:
    """Tell one row: its answer, why, what would change it, and who votes for it."""
    return await studio_of(request).about_model("row", model, part=part, index=index)


@router.get("/api/models/{model}/comparison/{other}", response_model=schemas.Comparison, tags=["judge"])
async def comparison(request: Request, model: ModelId, other: ModelId) -> dict[str, object]:
    """Compare two models on rows that neither was fitted on."""
    return await studio_of(request).compare(model, other)


# ------------------------------------------------------------------------------------------------- reading


@router.post(
    "/api/read",
    response_model=schemas.Readings,
    tags=["read"],
    openapi_extra=_body("image/*", "application/octet-stream"),
)
async def read(
    request: Request,
    model: Annotated[str | None, Query(pattern="^[0-9a-f]{16}$")] = None,
    many: bool | None = None,
    recipe: Recipe | None = None,
    pixel_filter: Annotated[float | None, Query(ge=0, le=100)] = None,
    polarity: Literal["auto", "dark", "light"] | None = None,
    threshold: Annotated[float | None, Query(gt=0, lt=1)] = None,
    lines: bool | None = None,
    pen: Annotated[str | None, Query(pattern=r"^(auto|none|0\.[0-4][0-9]{0,3})$")] = None,
    centre: bool | None = None,
    orientation: Annotated[int | None, Query(ge=1, le=8)] = None,
) -> dict[str, object]:
    """Read a photo, the body: every digit with its probabilities, its frame and the steps that made it."""
    asked = {
        "recipe": recipe,
        "pixel_filter": pixel_filter,
        "polarity": polarity,
        "threshold": threshold,
        "lines": lines,
        "pen": pen if pen in (None, "auto", "none") else float(pen),
        "centre": centre,
        "orientation": orientation,
    }
    settings: dict[str, object] = {name: value for name, value in asked.items() if value is not None}
    return await studio_of(request).read_photo(await request.body(), model, settings, many)


# ------------------------------------------------------------------------------------------------- digits


@router.get("/api/digits", response_model=schemas.Digits, tags=["digits"])
async def digits(request: Request) -> dict[str, object]:
    """List one's own digits, oldest first."""
    return {"digits": studio_of(request).digits()}


@router.post("/api/digits", response_model=schemas.Digit, status_code=201, tags=["digits"])
async def add_digit(request: Request, asked: schemas.AskedDigit) -> dict[str, object]:
    """Keep a digit of one's own."""
    return studio_of(request).add_digit(decoded(asked.pixels), asked.label, asked.read_as, asked.model)


@router.delete("/api/digits/{digit}", status_code=204, tags=["digits"])
async def drop_digit(request: Request, digit: EntryId) -> None:
    """Delete a digit."""
    studio = studio_of(request)
    studio.store.drop(studio.store.digits, digit)


# ------------------------------------------------------------------------------------------------- data


@router.get("/api/datasets", response_model=schemas.Datasets, tags=["data"])
async def datasets(request: Request) -> dict[str, object]:
    """List data sets that a model can be fitted to."""
    return {"datasets": await studio_of(request).datasets()}


@router.post(
    "/api/datasets",
    response_model=schemas.Dataset,
    status_code=201,
    tags=["data"],
    openapi_extra=_body("application/octet-stream", "application/zip"),
)
async def add_dataset(request: Request, name: Name, kind: Literal["zip", "npz"]) -> dict[str, object]:
    """Keep labelled images: a zip of pictures (one folder a class) or of MNIST's four files, or an NPZ of X and y."""
    return await studio_of(request).add_dataset(request.stream(), name, kind)


@router.post("/api/datasets/openml", response_model=schemas.Job, status_code=202, tags=["data"])
async def fetch_dataset(request: Request, asked: schemas.AskedOpenml) -> dict[str, object]:
    """Bring a data set of OpenML, as a job."""
    return studio_of(request).fetch(asked.name).to_json()


@router.delete("/api/datasets/{dataset}", status_code=204, tags=["data"])
async def drop_dataset(request: Request, dataset: EntryId) -> None:
    """Delete an upload."""
    studio = studio_of(request)
    studio.store.drop(studio.store.datasets, dataset)


# ------------------------------------------------------------------------------------------------- jobs


@router.get("/api/jobs", response_model=schemas.Jobs, tags=["jobs"])
async def jobs(request: Request) -> dict[str, object]:
    """List jobs, the newest first."""
    return {"jobs": [job.to_json() for job in studio_of(request).jobs.all()]}


@router.post("/api/jobs", response_model=schemas.Job, status_code=202, tags=["jobs"])
async def add_job(request: Request, asked: Annotated[schemas.AskedJob, Body()]) -> dict[str, object]:
    """Put a job in line: fit, path, labels or tolerance."""
    return studio_of(request).submit(asked.model_dump()).to_json()


@router.get("/api/jobs/{job}", response_model=schemas.Job, tags=["jobs"])
async def job(request: Request, job: JobId) -> dict[str, object]:
    """Tell how a job is getting on."""
    return studio_of(request).jobs.get(job).to_json()


@router.delete("/api/jobs/{job}", response_model=schemas.Job, tags=["jobs"])
async def cancel_job(request: Request, job: JobId) -> dict[str, object]:
    """Cancel a job: a fit keeps the best model so far, with its proven bound."""
    jobs = studio_of(request).jobs
    await jobs.cancel(jobs.get(job))
    return jobs.get(job).to_json()


EVENTS = """Follow a job by server-sent events.

`state` (the job's document), `progress` (as in it), `maps` (n_classes, n_features, scale, coef: int8 in base64, times
scale), and at the end one of `done`, `failed`, `cancelled`, `died` with the document. After a lost connection,
`Last-Event-ID` or `after` says where to go on.
"""


@router.get(
    "/api/jobs/{job}/events",
    response_class=Events,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "events"}},
    tags=["jobs"],
    description=EVENTS,
)
async def job_events(
    request: Request, job: JobId, after: Annotated[int, Query(ge=0, le=10_000_000)] = 0
) -> StreamingResponse:
    """Follow a job by server-sent events."""
    studio = studio_of(request)
    found = studio.jobs.get(job)
    last = request.headers.get("last-event-id", "")
    if not studio.streams.take(1):
        raise busy()
    return Events(_events(studio, found, int(last) if last.isascii() and last.isdigit() and len(last) < 9 else after))


async def _events(studio: Studio, job: Job, after: int) -> AsyncIterator[str]:
    """Yield events as lines; a comment says that the connection lives."""
    try:
        async for event in job.follow(after, studio.closing):
            if event is None:
                yield ": still there\n\n"
            else:
                yield f"id: {event.number}\nevent: {event.name}\ndata: {json.dumps(event.data)}\n\n"
    finally:
        studio.streams.give(1)
