"""Errors as RFC 9457 has them (application/problem+json): what was wanted, where, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException

from scorerec.core.errors import ArtifactError, DataError, ScorerecError
from scorerec.serve.catalogue import NotThereError
from scorerec.text.cleaning import clean

_LONGEST = 100  # characters of the name of a field
MEDIA_TYPE = "application/problem+json"


class ProblemMessage(BaseModel):
    """What went wrong."""

    title: str = Field(description="the kind of problem")
    status: int = Field(description="HTTP status")
    detail: str = Field(description="what was wanted, and what came")
    field: str | None = Field(None, description="of the request that is to be changed")
    remedy: str | None = Field(None, description="what to do")


class ProblemError(Exception):
    """A request that is not answered.

    Args:
        status: of the answer.
        detail: what was wanted, and what came.
        field: of the request that is to be changed.
        remedy: what to do.
        headers: of the answer.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        field: str | None = None,
        remedy: str | None = None,
        headers: Mapping[str, str] | None = None,
    ):
        super().__init__(detail)
        self.message = ProblemMessage(
            title=status.phrase, status=status.value, detail=detail, field=field, remedy=remedy
        )
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """Return the answer."""
        content = self.message.model_dump(exclude_none=True)
        return JSONResponse(content, self.message.status, self.headers, media_type=MEDIA_TYPE)


def problem_of(error: ScorerecError) -> ProblemError:
    """Return what a request is told of an error that scorerec raises on purpose."""
    if isinstance(error, NotThereError):
        return ProblemError(HTTPStatus.NOT_FOUND, str(error), field=error.field, remedy=error.remedy)
    if isinstance(error, DataError):
        return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
    if isinstance(error, ArtifactError):
        return ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers={"Retry-After": "5"})
    return ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return these answers as the OpenAPI document tells them."""
    schema = {"schema": {"$ref": "#/components/schemas/ProblemMessage"}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: schema}, "model": ProblemMessage}
        for status in statuses
    }


Page = Callable[[Request, ProblemError], Response | None]


def tell_problems(app: FastAPI, note: Callable[[str, BaseException], None], page: Page) -> None:
    """Let an app answer every error as a problem.

    Args:
        app: whose.
        note: told of errors that are scorerec's own fault.
        page: shows a problem to people; None where a program asks.
    """

    def answered(request: Request, error: ProblemError) -> Response:
        return page(request, error) or error.response()

    @app.exception_handler(ProblemError)
    async def _problem(request: Request, error: ProblemError) -> Response:
        return answered(request, error)

    @app.exception_handler(ScorerecError)
    async def _known(request: Request, error: ScorerecError) -> Response:
        found = problem_of(error)
        if found.message.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            note(type(error).__name__, error)
        return answered(request, found)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        return answered(request, _of_faults(error.errors()))

    @app.exception_handler(ValidationError)  # of a form
    async def _invalid_form(request: Request, error: ValidationError) -> Response:
        return answered(request, _of_faults(error.errors(include_input=False, include_url=False)))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        found = ProblemError(HTTPStatus(error.status_code), str(error.detail), headers=error.headers)
        return answered(request, found)

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> Response:
        note(type(error).__name__, error)
        detail = f"an unexpected {type(error).__name__}; this is a bug, and the log of the service has its traceback"
        return answered(request, ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, detail))


def _of_faults(faults: Sequence[Mapping[str, Any]]) -> ProblemError:
    """Return what is wrong with a request; the first fault's field is named, what was sent is not repeated."""
    told = []
    for fault in faults:
        place = ".".join(str(part) for part in fault["loc"] if part not in ("body", "query", "path", "header"))
        told.append((clean(place)[:_LONGEST], str(fault["msg"])))
    detail = "; ".join(f"{place or 'request'}: {message}" for place, message in told[:5])
    remedy = "/docs says what each field may be"
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, detail, field=told[0][0] or None, remedy=remedy)
