"""The class over HTTP: a page to join, a page to project, and the few requests that they make.

It is an application of its own, and not the studio with a token: phones of a class can draw and nothing else. No
request trains, uploads, lists models or reads a file.
"""

import asyncio
import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from starlette.types import Receive, Scope, Send

from inklens.classroom.live import LiveClass
from inklens.studio import limits
from inklens.studio.guard import PARSED, Doors, values
from inklens.studio.limits import BodyRule
from inklens.studio.line import quick_worker
from inklens.studio.messages import Message
from inklens.studio.problems import Problem
from inklens.studio.static import CSS, HTML, ICON, JAVASCRIPT, SVG, Asset
from inklens.studio.store import identifier
from inklens.web.bundle import joined, read_static

COOKIE, TEACHERS_COOKIE = "inklens-class", "inklens-wall"
DRAWING_SIDE = 140  # of the pad
INKED = 128  # from which a pixel belongs to a stroke, as for every drawing
MAX_BODY_BYTES = 60 * limits.KB  # a drawing of 140 x 140 in base64 has 26 kB
PAGES = re.compile(r"/(?:join|wall)/[^/]*")  # a link in a chat may open them
JSON = "application/json"
RELOADED = ("/join/class", "/wall/class")  # what the pages make of their address, so that no token is seen
KEEP_SECONDS = 10.0  # between two times that the digits are written down


def doors(address: str, port: int) -> Doors:
    """Return what the class's server lets in: requests to the very address that it printed."""
    names = {f"{address}:{port}", *([address] if port == 80 else [])}
    return Doors(frozenset(name.encode() for name in names), _rule, PAGES)


def _rule(method: str, path: str) -> BodyRule:
    is_json = method == "POST" and path in ("/api/class/digits", "/api/class/name")
    return BodyRule(limits.JSON, MAX_BODY_BYTES) if is_json else BodyRule()


@dataclass(frozen=True)
class Answer:
    """Status, body and headers."""

    body: bytes
    content_type: str = JSON
    status: int = 200
    headers: Mapping[str, str] | None = None


class ClassApp:
    """What stands behind the guard.

    Parameters
    ----------
    live : LiveClass
    model : Path
        The file of the model that reads.
    join_address : str
        What the wall tells the class to open.
    keep : callable
        Called now and then, and at the end, with the class: it writes down what would be lost.
    """

    def __init__(self, live: LiveClass, model: Path, join_address: str, keep: Callable[[LiveClass], None]) -> None:
        self.live, self._join_address, self._keep = live, join_address, keep
        self._model: dict[str, object] = {"id": identifier(model.read_bytes()), "path": str(model)}
        self._reader = quick_worker("inklens-reader")
        self._assets = {
            "/style.css": Asset(read_static("style.css").encode(), CSS),
            "/class.css": Asset(read_static("class.css").encode(), CSS),
            "/icon.svg": Asset(ICON.encode(), SVG),
        }
        self._scripts = {"/join.js": "hosts/class_join.js", "/wall.js": "hosts/class_wall.js"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            return await self._live(receive, send)
        if scope["path"] == "/api/class/events" and scope["method"] == "GET":
            return await self._stream(scope, receive, send)
        answer = await self._answer(scope["method"], scope["path"], scope)
        headers = {"content-type": answer.content_type, "content-length": str(len(answer.body))}
        said = [(k.lower().encode(), v.encode()) for k, v in {**headers, **(answer.headers or {})}.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": said})
        await send({"type": "http.response.body", "body": answer.body})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._reader.start()
        keeping = asyncio.create_task(self._keep_now_and_then())
        await send({"type": "lifespan.startup.complete"})
        await receive()
        keeping.cancel()
        await self._reader.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _keep_now_and_then(self) -> None:
        kept = 0
        while True:
            await asyncio.sleep(KEEP_SECONDS)
            if self.live.n_events != kept:
                kept = self.live.n_events
                await asyncio.to_thread(self._keep, self.live)

    # ------------------------------------------------------------------ routes

    async def _answer(self, method: str, path: str, scope: Scope) -> Answer:
        if method == "GET" and path == "/healthz":
            return _json({"status": "ok"})
        if method == "GET" and path in (*self._assets, *self._scripts):
            return await self._asset(path, scope)
        if method == "GET" and path in RELOADED:
            return self._again(path, scope)
        if method == "GET" and path.startswith("/join/"):
            key = self.live.join(path.removeprefix("/join/"), _client(scope), _cookie(scope, COOKIE))
            return _page("class_join.html", COOKIE, key)
        if method == "GET" and path.startswith("/wall/"):
            key = self.live.open_wall(path.removeprefix("/wall/"), _client(scope))
            return _page("class_wall.html", TEACHERS_COOKIE, key)
        if method == "GET" and path == "/api/class":
            return self._about(scope)
        if method == "POST" and path == "/api/class/name":
            student = self.live.student(_cookie(scope, COOKIE))
            self.live.name(student, _text(scope[PARSED], "name") or "")
            return _json({"name": student.name})
        if method == "POST" and path == "/api/class/digits":
            return await self._add(scope)
        if method == "DELETE" and (number := re.fullmatch(r"/api/class/digits/(\d{1,6})", path)):
            self.live.remove(int(number[1]), _cookie(scope, TEACHERS_COOKIE) or _cookie(scope, COOKIE))
            return Answer(b"", status=204)
        raise Problem(404, "not-found", "there is nothing at this address; the wall shows the one to open")

    def _again(self, path: str, scope: Scope) -> Answer:
        """Return a page that is loaded again: its address has no token any more, but its cookie says who it is."""
        if path == "/wall/class":
            if not self.live.is_teacher(_cookie(scope, TEACHERS_COOKIE)):
                raise _no_wall()
            return _page("class_wall.html")
        self.live.student(_cookie(scope, COOKIE))
        return _page("class_join.html")

    def _about(self, scope: Scope) -> Answer:
        is_teacher = self.live.is_teacher(_cookie(scope, TEACHERS_COOKIE))
        found: dict[str, object] = {"classes": list(self.live.classes), "side": DRAWING_SIDE}
        if is_teacher:
            return _json({**found, "join": self._join_address, "names": self.live.names})
        return _json({**found, "name": self.live.student(_cookie(scope, COOKIE)).name})

    async def _add(self, scope: Scope) -> Answer:
        asked = scope[PARSED]
        student = self.live.student(_cookie(scope, COOKIE))
        self.live.allow_drawing(student)
        label, guess = _text(asked, "label") or "", _text(asked, "guess")
        self.live.check_labels(label, guess)
        try:
            ink = base64.b64decode(_text(asked, "ink") or "", validate=True)
        except (binascii.Error, ValueError) as error:
            raise Problem(422, "fields", "ink has to be bytes in base64") from error
        if len(ink) != DRAWING_SIDE**2:
            raise Problem(422, "fields", f"ink has to be {DRAWING_SIDE} x {DRAWING_SIDE} bytes")
        if max(ink) < INKED:
            raise Problem(422, "blank", "there is nothing on the pad; draw a digit first")
        question = {"do": "drawing", "model": self._model, "rows": DRAWING_SIDE, "cols": DRAWING_SIDE}
        answered = await self._reader.ask(Message(question, (ink,)), seconds=limits.ANSWER_SECONDS)
        answer = json.loads(answered.blobs[0])
        shown = self.live.add(student, answer, label, guess)
        told = {name: answer[name] for name in ("label", "probabilities", "accepted", "reasons")}
        return _json({**told, "number": shown.number, "meant": label, "guess": guess}, 201)

    async def _asset(self, path: str, scope: Scope) -> Answer:
        if path not in self._assets:
            text = await asyncio.to_thread(joined, self._scripts[path])
            self._assets[path] = Asset(text.encode(), JAVASCRIPT)
        accepts, known = (values(scope["headers"], name) for name in (b"accept-encoding", b"if-none-match"))
        status, body, headers = self._assets[path].answer(
            b",".join(accepts).decode("latin-1"), known[0].decode("latin-1") if known else None
        )
        return Answer(body, headers.pop("Content-Type"), status, headers)

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events to the wall until it is closed, or the class ends."""
        if not self.live.is_teacher(_cookie(scope, TEACHERS_COOKIE)):
            raise _no_wall()
        last = b"".join(values(scope["headers"], b"last-event-id"))
        events = self.live.follow(int(last) if last.isdigit() and len(last) < 9 else 0)
        gone = asyncio.create_task(_gone(receive))
        started = False
        try:
            async for part in events:
                if not started:
                    headers = [(b"content-type", b"text/event-stream")]
                    await send({"type": "http.response.start", "status": 200, "headers": headers})
                    started = True
                if gone.done():
                    break
                await send({"type": "http.response.body", "body": part, "more_body": True})
            if started:
                await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            await events.aclose()


async def _gone(receive: Receive) -> None:
    with suppress(Problem):
        while (await receive())["type"] != "http.disconnect":
            pass


def _json(value: object, status: int = 200) -> Answer:
    return Answer(json.dumps(value).encode(), JSON, status)


def _page(name: str, cookie: str = "", key: str = "") -> Answer:
    """Return a page and the key for its requests, which no script can read and no other site's page sends."""
    said = {"Set-Cookie": f"{cookie}={key}; Path=/; HttpOnly; SameSite=Strict"} if key else {}
    return Answer(read_static(name).encode(), HTML, headers={**said, "Cache-Control": "no-store"})


def _no_wall() -> Problem:
    return Problem(401, "wall", "open the wall at the address that the terminal printed")


def _client(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _cookie(scope: Scope, name: str) -> str | None:
    """Return a cookie's value, if it is one of ours."""
    for header in values(scope["headers"], b"cookie"):
        for part in header.decode("latin-1").split(";"):
            key, _, value = part.strip().partition("=")
            if key == name and re.fullmatch(r"[\w-]{16,64}", value, re.ASCII):
                return value
    return None


def _text(asked: object, name: str) -> str | None:
    """Return a text of a JSON body."""
    value = asked.get(name) if isinstance(asked, dict) else None
    if value is not None and not isinstance(value, str):
        raise Problem(422, "fields", f"{name} has to be text")
    return value
