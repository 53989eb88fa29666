"""The app: routes, and what stands before all of them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request, Response, Security
from fastapi.security import APIKeyHeader
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scorerec.core.errors import DataError
from scorerec.serve.catalogue import NotThereError
from scorerec.serve.config import ServeConfig
from scorerec.serve.http import access, answers, messages
from scorerec.serve.http.access import Doorkeeper, Key
from scorerec.serve.http.keeper import Keeper
from scorerec.serve.http.metrics import CONTENT_TYPE, Meters
from scorerec.serve.http.once import Once
from scorerec.serve.http.pages import STATIC, pages, problem_page, require_own_site
from scorerec.serve.http.problems import ProblemError, responses, tell_problems
from scorerec.serve.http.queue import ModelThread
from scorerec.serve.service import Service

_ABOUT = (
    "Recommendations by an LLM that reads evidence, with reasons that can be checked. Every answer names the model, "
    "the corpus and the second up to which it knows. Errors are application/problem+json: what was wanted, and what "
    "to do."
)
_KEY = APIKeyHeader(name="X-API-Key", auto_error=False, description="where the service has keys")
GivenKey = Annotated[str | None, Security(_KEY)]
_ALWAYS = responses(401, 403, 413, 422, 429, 500, 503)
UserId = Annotated[messages.Id, Path(description="id of the user")]
OnceKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        max_length=200,
        description="the same request with the same key is done once, and answered alike for a day",
    ),
]


def _keeper(request: Request) -> Keeper:
    return request.app.state.keeper


def _admitting(scope: access.Scope) -> Callable[..., Awaitable[Keeper]]:
    async def admitted(request: Request, key: GivenKey) -> Keeper:
        keeper = _keeper(request)
        keeper.door.admit(key, scope, request.client.host if request.client else "")
        return keeper

    return admitted


async def _calling(request: Request, key: GivenKey) -> tuple[Keeper, str]:
    """Return who keeps the service, and the name of who writes."""
    keeper = _keeper(request)
    return keeper, keeper.door.admit(key, "write", request.client.host if request.client else "")


def _asked(request: messages.OfSomebody, keeper: Keeper, key: str | None) -> answers.Asked:
    """Return a request, and whether what the LM reads of a known user may be told.

    Raises:
        ProblemError: it sets a history that the asker made up beside a known user: neighbours that differ tell who.
    """
    tells_all = keeper.door.may(key, "admin")
    if not tells_all and request.user_id is not None and request.history is not None:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "a user_id together with a history tells whose behaviours are evidence",
            field="history",
            remedy="give one of them, or use a key with the scope admin",
        )
    return answers.Asked(request, tells_all)


def _require_own_history(asked: answers.Asked) -> None:
    """Refuse to tell of a known user what they liked, which reasons and prompts do, but to who may see it anyway."""
    if not asked.may_tell:
        raise ProblemError(
            HTTPStatus.FORBIDDEN,
            "reasons tell what a user liked, and this key may not see that of a user by their id",
            field="user_id",
            remedy="give the history, or use a key with the scope admin",
        )


Reads = Annotated[Keeper, Depends(_admitting("read"))]
Caller = Annotated[tuple[Keeper, str], Depends(_calling)]
Rules = Annotated[Keeper, Depends(_admitting("admin"))]


routes = APIRouter()


@routes.post("/v1/score", responses=_ALWAYS | responses(404), tags=["recommending"])
async def score(asked: messages.ScoreRequest, keeper: Reads, key: GivenKey = None) -> messages.ScoreAnswer:
    """Score items for a user, or for anybody by what they liked: the probability of Yes.

    What the LM read of others is told of a history; of a user by their id, to keys with the scope admin alone.
    """
    return await keeper.ask(answers.scores, _asked(asked, keeper, key))


@routes.post("/v1/recommend", responses=_ALWAYS | responses(404), tags=["recommending"])
async def recommend(asked: messages.RecommendRequest, keeper: Reads, key: GivenKey = None) -> messages.RecommendAnswer:
    """Recommend items to a user, or to anybody by what they liked. What they have rated does not come again."""
    given = _asked(asked, keeper, key)
    if asked.explain:
        _require_own_history(given)
    return await keeper.ask(answers.recommendations, given)


@routes.post("/v1/explain", responses=_ALWAYS | responses(404), tags=["recommending"])
async def explain(asked: messages.ExplainRequest, keeper: Reads, key: GivenKey = None) -> messages.ExplainAnswer:
    """Say why an item has its score: what the answer is without each part of what the LM read.

    Of a user by their id, whose history it tells, to keys with the scope admin alone.
    """
    _require_own_history(_asked(asked, keeper, key))
    return await keeper.ask(answers.explanations, asked)


@routes.get("/v1/items", responses=_ALWAYS, tags=["catalogue"])
async def items(
    keeper: Reads,
    q: Annotated[str, Query(min_length=1, max_length=200, description="words of the title, or their beginnings")],
    count: Annotated[int, Query(ge=1, le=100, description="most items")] = 10,
) -> messages.ItemsAnswer:
    """Find items by their titles, the most popular first."""
    return await keeper.ask(answers.items, answers.Search(q, count))


@routes.post("/v1/behaviours", responses=_ALWAYS | responses(404, 409), tags=["users"])
async def behaviours(
    asked: messages.BehavioursRequest, caller: Caller, once: OnceKey = None
) -> messages.BehavioursAnswer:
    """Add interactions: they are on disk with the answer, and known at the next request; nothing is trained."""
    keeper, name = caller
    body = asked.model_dump_json().encode()
    named = None if once is None else Once(json.dumps([name, once]), body)
    return await keeper.ask(answers.added, answers.Write(asked, named), "single")


@routes.get("/v1/users/{user_id}", responses=_ALWAYS | responses(404), tags=["users"])
async def user(
    user_id: UserId,
    keeper: Rules,
    count: Annotated[int, Query(ge=0, le=1000, description="of the latest items that are told")] = 20,
) -> messages.UserAnswer:
    """Tell what is known of a user."""
    return await keeper.ask(answers.users, answers.Look(user_id, count))


@routes.delete("/v1/users/{user_id}", responses=_ALWAYS | responses(404), tags=["users"])
async def forget(user_id: UserId, keeper: Rules) -> messages.ForgottenAnswer:
    """Forget a user: with the answer, no file of the run tells of them. Models are not trained anew."""
    try:
        found = await keeper.forget(user_id)
    except DataError:
        raise NotThereError(f"nothing is known of a user {user_id!r}", "user_id", "look at the id") from None
    versions = await keeper.ask(answers.refreshed, None, "control")
    return messages.ForgottenAnswer(
        versions=versions,
        rows=sum(found.rows.values()),
        prompts_changed=found.prompts_changed,
        not_unlearnt=list(found.models),
    )


@routes.post("/v1/reload", status_code=HTTPStatus.NO_CONTENT, responses=_ALWAYS | responses(409), tags=["operating"])
async def reload(keeper: Rules, request: Request) -> None:
    """Load the run anew beside the one that serves, and swap them; a worse one never takes its place."""
    require_own_site(request)
    if (why := await keeper.reload()) is not None:
        raise ProblemError(HTTPStatus.CONFLICT, why, remedy="the run that was loaded before still serves")


@routes.get("/livez", tags=["operating"])
async def livez() -> messages.Health:
    """Say that the process lives."""
    return messages.Health()


@routes.get("/readyz", responses=responses(503), tags=["operating"])
async def readyz(request: Request) -> messages.Health:
    """Say whether requests are answered at once."""
    if not _keeper(request).is_warm:
        raise ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "still warming up", headers={"Retry-After": "1"})
    return messages.Health()


@routes.get("/metrics", tags=["operating"], response_class=Response)
async def metrics(request: Request) -> Response:
    """Tell Prometheus of requests, seconds by stage, the queue, tokens, and scores that were known."""
    return Response(_keeper(request).meters.text(), media_type=CONTENT_TYPE)


def create_app(service: Service, config: ServeConfig, keys: list[Key], is_one_of_many: bool = False) -> FastAPI:
    """Return an app that answers with a loaded run.

    Args:
        service: the run.
        config: how it is served.
        keys: who may come in.
        is_one_of_many: whether other processes serve the same run at the same address.
    """
    thread = ModelThread(service, config.max_waiting, config.max_together)
    meters = Meters(lambda: thread.n_waiting, is_one_of_many)
    door = Doorkeeper(keys, config.requests_per_minute)
    keeper = Keeper(service.run.folder, config, door, thread, meters)

    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        thread.start()
        tasks = [asyncio.create_task(keeper.warm()), asyncio.create_task(keeper.watch())]
        yield
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await asyncio.to_thread(thread.stop)

    app = FastAPI(
        title="scorerec",
        version=version("scorerec"),
        description=_ABOUT,
        lifespan=running,
        docs_url=None,
        redoc_url=None,
    )
    app.state.keeper = keeper
    tell_problems(app, keeper.note, problem_page)
    app.add_middleware(_Measured, keeper=keeper)
    if not keys:  # no page of another site may name this machine otherwise, and then read all
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1", "[::1]"])
    app.add_middleware(_Limited, most=config.max_bytes)
    app.include_router(routes)
    app.include_router(pages)
    app.mount("/static", STATIC)
    return app


class _Limited:
    """Refuses requests that are too long, also those that do not say how long they are."""

    def __init__(self, app: ASGIApp, most: int):
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        said = dict(scope["headers"]).get(b"content-length", b"0")
        if said.isdigit() and int(said) > self._most:
            await self._problem().response()(scope, receive, send)
            return
        n_bytes = 0

        async def counted() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > self._most:  # of this kind alone, for the route that reads lets no other one through
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE.value, str(self._problem()))
            return message

        await self._app(scope, counted, send)

    def _problem(self) -> ProblemError:
        detail = f"wanted at most {self._most} bytes"
        return ProblemError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, remedy="divide the request")


class _Measured:
    """Counts requests and their seconds, by route: paths hold ids of users."""

    def __init__(self, app: ASGIApp, keeper: Keeper):
        self._app, self._keeper = app, keeper

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, status = time.perf_counter(), HTTPStatus.INTERNAL_SERVER_ERROR.value

        async def sent(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, sent)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self._keeper.meters.requests.labels(route, str(status)).inc()
            self._keeper.meters.seconds.labels(route).observe(time.perf_counter() - begin)
