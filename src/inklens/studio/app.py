"""The routes as an application, with every error as a problem document; the guard and the files are before it."""

import logging
from collections.abc import Sequence

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from inklens import __version__
from inklens.errors import OutputError
from inklens.studio import schemas
from inklens.studio.problems import CONTENT_TYPE, Problem, fields_problem
from inklens.studio.routes import router
from inklens.studio.studio import Settings

LOG = logging.getLogger("inklens.studio")
DESCRIPTION = (
    "What the studio's page asks its server, on 127.0.0.1 only. Errors are problem documents (RFC 9457). Pictures are "
    "base64: `pixels` bytes with 255 full ink, `frame` float32."
)


def create_app(settings: Settings) -> FastAPI:
    """Return the routes of a studio, which whoever serves them puts into `app.state.studio`."""
    app = FastAPI(
        title="inklens studio",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.include_router(router)
    app.add_exception_handler(Exception, _unexpected)
    for kind in (Problem, HTTPException, RequestValidationError, OutputError):
        app.add_exception_handler(kind, _problem)
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    return app


# ------------------------------------------------------------------------------------------------- errors


def problem_for(error: Exception) -> Problem:
    """Return what to answer about an error that was raised on purpose."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        errors: Sequence[dict[str, object]] = list(error.errors())
        return fields_problem(errors)
    if isinstance(error, HTTPException) and error.status_code == 405:
        return Problem(405, "method", "this address takes another method")
    if isinstance(error, HTTPException) and error.status_code == 404:
        return Problem(404, "not-found", "there is nothing at this address")
    if isinstance(error, OutputError):
        return Problem(507, "output", "the studio cannot write into its folder; is the disk full?")
    return Problem(400, "request", "this request cannot be understood")


async def _problem(_: Request, error: Exception) -> Response:
    problem = problem_for(error)
    return Response(problem.body(), problem.status, headers=problem.headers, media_type=CONTENT_TYPE)


async def _unexpected(_: Request, error: Exception) -> Response:
    LOG.error("unexpected", exc_info=error)
    return await _problem(_, Problem(500, "internal", "this failed inside of the studio; its terminal says more"))


# ------------------------------------------------------------------------------------------------- description


def describe(app: FastAPI) -> dict[str, object]:
    """Return the OpenAPI document: every operation may answer with a problem document."""
    if app.openapi_schema is None:
        document = FastAPI.openapi(app)
        for model in (schemas.Problem, schemas.AskedDrawing):
            document["components"]["schemas"][model.__name__] = model.model_json_schema()
        for name in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(name, None)
        content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        document["components"]["responses"] = {"Problem": {"description": "an error", "content": content}}
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None)
                operation["responses"]["default"] = {"$ref": "#/components/responses/Problem"}
        app.openapi_schema = document
    return app.openapi_schema
