"""Pages for people: rendered here, good without a script, and quicker with the small one that comes from here too."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from jinja2 import Environment, PackageLoader, select_autoescape
from starlette.staticfiles import StaticFiles

from scorerec.serve.http import answers, messages
from scorerec.serve.http.access import COOKIE, Scope
from scorerec.serve.http.keeper import Keeper
from scorerec.serve.http.problems import ProblemError
from scorerec.serve.words import percent

STATIC = StaticFiles(directory=Path(__file__).parent / "static")
_TOP, _FOUND = 8, 12
_SECURITY = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_templates = Environment(
    loader=PackageLoader("scorerec.serve.http"), autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True
)
_templates.filters["percent"] = percent
_templates.filters["date"] = lambda second: time.strftime("%Y-%m-%d %H:%M", time.gmtime(second))
_templates.globals["link"] = lambda path, **query: f"{path}?{urlencode(_without_none(query), doseq=True)}"

pages = APIRouter(include_in_schema=False)
Ids = Annotated[list[messages.Id], Query(default_factory=list, max_length=messages.MOST_HISTORY)]


@pages.get("/")
async def home(request: Request, history: Ids, dislikes: Ids, q: str = "", user: str = "") -> Response:
    """Choose a user, or make up a history by searching titles."""
    keeper = _let_in(request, "read")
    found = await keeper.ask(answers.items, answers.Search(q[:200], _FOUND)) if q.strip() else None
    return _page(
        "home.html",
        q=q,
        found=found,
        **await _said(keeper, history, dislikes),
        user=user,
        knows_dislikes=keeper.knows_dislikes,
    )


@pages.get("/recommendations")
async def recommendations(request: Request, history: Ids, dislikes: Ids, user: messages.Id | None = None) -> Response:
    """Show what somebody is recommended."""
    keeper = _let_in(request, "read")
    asked = messages.RecommendRequest(**_somebody(user, history, dislikes), top_n=_TOP)
    may_see = user is None or keeper.door.may(_key(request), "admin")
    answer = await keeper.ask(answers.recommendations, answers.Asked(asked, may_see))
    known = await keeper.ask(answers.users, answers.Look(user, 8)) if user and may_see else None
    may_write = keeper.door.may(_key(request), "write")
    return _page(
        "recommendations.html",
        answer=answer,
        user=user,
        **await _said(keeper, history, dislikes),
        known=known,
        may_see=may_see,
        may_write=may_write and user is not None,
    )


@pages.get("/why")
async def why(
    request: Request,
    item: messages.Id,
    history: Ids,
    dislikes: Ids,
    left_out: Annotated[list[messages.PartNumber], Query(default_factory=list, max_length=200)],
    user: messages.Id | None = None,
) -> Response:
    """Show why an item has its score, and what it is without some of what was read."""
    keeper = _let_in(request, "read" if user is None else "admin")
    asked = messages.ExplainRequest(**_somebody(user, history, dislikes), item=item, left_out=left_out, prompt=True)
    answer: messages.ExplainAnswer = await keeper.ask(answers.explanations, asked)
    explanation = answer.item.explanation
    falls = {reason.part: reason for reason in explanation.reasons} if explanation else {}
    is_part = request.headers.get("x-part") == "1"
    return _page(
        "why_part.html" if is_part else "why.html",
        answer=answer,
        falls=falls,
        user=user,
        history=history,
        dislikes=dislikes,
        left_out=left_out,
    )


@pages.post("/rate")
async def rate(request: Request) -> Response:
    """Add a rating of a user, and show what they are recommended now."""
    keeper, given = await _posted(request, "write")
    one = messages.Interaction(user_id=given["user"], item_id=given.get("item", ""), liked=given.get("liked") == "1")
    await keeper.ask(answers.added, answers.Write(messages.BehavioursRequest(interactions=[one])), "single")
    return RedirectResponse(f"/recommendations?{urlencode({'user': given['user']})}", HTTPStatus.SEE_OTHER)


@pages.post("/forget")
async def forget(request: Request) -> Response:
    """Forget a user."""
    keeper, given = await _posted(request, "admin")
    found = await keeper.forget(given["user"])
    return _page("forgotten.html", found=found, rows=sum(found.rows.values()))


@pages.get("/operator")
async def operator(request: Request) -> Response:
    """Show versions, latency, the queue, recent errors, and the corpus' size and age."""
    keeper = _let_in(request, "admin")
    state = await keeper.ask(answers.state, None)
    return _page("operator.html", state=state, keeper=keeper, meters=keeper.meters.summary(), now=int(time.time()))


@pages.get("/enter")
async def enter() -> Response:
    """Ask for an API key."""
    return _page("enter.html")


@pages.post("/enter")
async def entered(request: Request) -> Response:
    """Keep an API key in a cookie that no script sees."""
    require_own_site(request)
    given = await _fields(request)
    request.app.state.keeper.door.admit(given.get("key"), "read", _address(request))
    response = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    is_secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, given.get("key", ""), httponly=True, samesite="strict", secure=is_secure)
    return response


@pages.get("/docs")
async def docs(request: Request) -> Response:
    """Tell programmers what may be asked: the OpenAPI document, for reading."""
    document = request.app.openapi()
    base = str(request.base_url).rstrip("/")
    found = [_operation(document, path, *one) for path, ways in document["paths"].items() for one in ways.items()]
    return _page("docs.html", about=document["info"], operations=found, base=base)


def _operation(document: Mapping[str, Any], path: str, method: str, told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of one way to ask: its fields, and an example to try."""

    def of(schema: Mapping[str, Any]) -> Mapping[str, Any]:
        name = schema.get("$ref", "").rsplit("/", 1)[-1]
        found: Mapping[str, Any] = document["components"]["schemas"].get(name, schema)
        return found

    body = of(told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {}))
    answer = of(told["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {}))
    given = [{"name": one["name"], "where": one["in"], **one} for one in told.get("parameters", [])]
    given += [{"name": name, "where": "body", **one} for name, one in body.get("properties", {}).items()]
    return {
        "path": path,
        "method": method.upper(),
        "summary": told.get("description") or told.get("summary", ""),
        "given": given,
        "answer": answer.get("properties", {}),
        "example": json.dumps(body["example"]) if "example" in body else None,
        "has_key": bool(told.get("security")),
    }


def problem_page(request: Request, error: ProblemError) -> Response | None:
    """Return a problem as a page, to who asks for pages; None: to nobody else."""
    is_page = any(getattr(route, "path", None) == request.url.path for route in pages.routes)
    if not is_page or "text/html" not in request.headers.get("accept", ""):
        return None
    if error.message.status == HTTPStatus.UNAUTHORIZED:
        return RedirectResponse("/enter", HTTPStatus.SEE_OTHER)
    return _page("problem.html", error.message.status, problem=error.message)


def _page(template: str, status: int = HTTPStatus.OK, **given: Any) -> HTMLResponse:
    return HTMLResponse(_templates.get_template(template).render(**given), status, _SECURITY)


def _let_in(request: Request, scope: Scope) -> Keeper:
    keeper: Keeper = request.app.state.keeper
    keeper.door.admit(_key(request), scope, _address(request))
    return keeper


def _key(request: Request) -> str | None:
    return request.headers.get("x-api-key") or request.cookies.get(COOKIE)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def require_own_site(request: Request) -> None:
    """Refuse what a page of another site has a browser send.

    Raises:
        ProblemError: it does.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    is_other = site not in ("same-origin", "none") if site else origin is not None and not _is_own(request, origin)
    if is_other:
        raise ProblemError(HTTPStatus.FORBIDDEN, "this came from another site", remedy="use the pages of this one")


def _is_own(request: Request, origin: str) -> bool:
    return urlsplit(origin).netloc == request.headers.get("host")


async def _posted(request: Request, scope: Scope) -> tuple[Keeper, Mapping[str, str]]:
    """Return who keeps the service, and what a form of a page from here says.

    Raises:
        ProblemError: the form is of another site, or lacks something.
    """
    require_own_site(request)
    keeper, given = _let_in(request, scope), await _fields(request)
    if not given.get("user"):
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "wanted a user, got none", field="user")
    return keeper, given


async def _fields(request: Request) -> dict[str, str]:
    return {name: values[-1] for name, values in parse_qs((await request.body()).decode("utf-8", "replace")).items()}


def _somebody(user: str | None, history: list[str], dislikes: list[str]) -> dict[str, Any]:
    return {"user_id": user} if user else {"history": history, "dislikes": dislikes}


async def _said(keeper: Keeper, history: list[str], dislikes: list[str]) -> dict[str, Any]:
    """Return what somebody new says of themselves, in titles and in ids."""
    return {
        "history": await keeper.ask(answers.titles, answers.Titles("history", history)),
        "ids": history,
        "disliked": await keeper.ask(answers.titles, answers.Titles("dislikes", dislikes)),
        "dislikes": dislikes,
    }


def _without_none(query: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in query.items() if value not in (None, "", [])}
