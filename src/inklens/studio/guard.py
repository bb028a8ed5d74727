"""Who may ask what: the checks before any route, and the headers after each.

Every check is a function of its own that returns a `Problem` or None. All decide on the path as the server took it
apart (`scope["path"]`), never on an address put together from what a client sent.
"""

import asyncio
import re
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inklens import strict_json
from inklens.studio import limits
from inklens.studio.limits import BodyRule, body_rule
from inklens.studio.problems import CONTENT_TYPE, Problem

Headers = Sequence[tuple[bytes, bytes]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "worker-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), microphone=(), geolocation=()"),
)
METHODS = ("GET", "POST", "DELETE")
SAFE = ("GET",)


# ------------------------------------------------------------------------------------------------- checks


def hosts_of(port: int) -> frozenset[bytes]:
    """Return the names under which this computer calls itself.

    >>> sorted(hosts_of(8000))
    [b'127.0.0.1:8000', b'[::1]:8000', b'localhost:8000']
    """
    names = frozenset(f"{name}:{port}".encode() for name in ("127.0.0.1", "localhost", "[::1]"))
    return names | {name.partition(b":80")[0] for name in names} if port == 80 else names


def check_host(headers: Headers, hosts: frozenset[bytes]) -> Problem | None:
    """Refuse any other name for this server: a page of another site may have it point here (DNS rebinding)."""
    if values(headers, b"host") in [[host] for host in hosts]:
        return None
    return Problem(421, "host", "the studio answers under 127.0.0.1 and localhost, at its own port; open that address")


def check_site(method: str, path: str, headers: Headers, hosts: frozenset[bytes]) -> Problem | None:
    """Refuse what a page of another site asks for; a link from there may open the studio's own page."""
    origins, sites = values(headers, b"origin"), values(headers, b"sec-fetch-site")
    refusal = Problem(403, "cross-site", "the studio answers its own page only; open it at its address")
    if origins and origins not in [[b"http://" + host] for host in hosts]:
        return refusal
    if not sites or sites == [b"same-origin"]:
        return None
    opens = method == "GET" and path == "/" and values(headers, b"sec-fetch-mode") == [b"navigate"]
    typed = sites == [b"none"] and method in SAFE
    return None if opens or typed else refusal


def check_method(method: str) -> Problem | None:
    """Refuse methods that no route has."""
    return None if method in METHODS else Problem(405, "method", f"expected one of {', '.join(METHODS)}")


def check_path(path: str) -> Problem | None:
    """Refuse every path with more in it than our own have: dots that climb, backslashes, control characters, ..."""
    return None if limits.PATH.fullmatch(path) else Problem(404, "not-found", "there is nothing at this address")


def check_body(headers: Headers, rule: BodyRule) -> Problem | None:
    """Refuse a body of another kind, or one that says that it is too large."""
    lengths, coded = values(headers, b"content-length"), values(headers, b"transfer-encoding")
    if not rule.types:
        empty = not coded and lengths in ([], [b"0"])
        return None if empty else Problem(413, "no-body", "this request takes no body")
    if values(headers, b"content-encoding") not in ([], [b"identity"]):
        return Problem(415, "content-type", "a body is taken as it is; send it without Content-Encoding")
    kinds = [value.partition(b";")[0].strip().lower().decode("latin-1") for value in values(headers, b"content-type")]
    if len(kinds) != 1 or not any(_fits(kinds[0], kind) for kind in rule.types):
        return Problem(415, "content-type", f"expected a body of type {' or '.join(rule.types)}")
    if lengths and not (len(lengths) == 1 and re.fullmatch(rb"\d{1,15}", lengths[0])):
        return Problem(400, "content-length", "expected one Content-Length in bytes")
    return too_large(rule) if lengths and int(lengths[0]) > rule.most else None


def too_large(rule: BodyRule) -> Problem:
    """Return the answer about a body beyond its limit."""
    size = f"{rule.most / limits.MB:g} MB" if rule.most >= limits.MB else f"{rule.most / limits.KB:g} kB"
    return Problem(413, "too-large", f"the body may have {size} at most; send a smaller one")


def check_json(body: bytes) -> Problem | None:
    """Refuse a body that is no plain JSON."""
    try:
        strict_json.parse(body)
    except strict_json.JsonError as error:
        return Problem(400, "json", f"{error}; send plain JSON (RFC 8259)")
    return None


def values(headers: Headers, name: bytes) -> list[bytes]:
    """Return all values of a header, in order.

    >>> values([(b"host", b"a"), (b"host", b"b")], b"host")
    [b'a', b'b']
    """
    return [value for key, value in headers if key == name]


def _fits(kind: str, wanted: str) -> bool:
    return kind == wanted or (wanted.endswith("/*") and kind.startswith(wanted[:-1]))


def checks(scope: Scope, hosts: frozenset[bytes]) -> Iterator[Problem | None]:
    """Yield what each check says of a request, in their order."""
    method, path, headers = scope["method"], scope["path"], scope["headers"]
    yield check_host(headers, hosts)
    yield check_site(method, path, headers, hosts)
    yield check_method(method)
    yield check_path(path)
    yield check_body(headers, body_rule(method, path))


# ------------------------------------------------------------------------------------------------- middleware


class Quota:
    """How much of something is taken at one time."""

    def __init__(self, most: int) -> None:
        self.most, self.taken = most, 0

    def take(self, amount: int) -> bool:
        """Take so much if it is left."""
        if self.taken + amount > self.most:
            return False
        self.taken += amount
        return True

    def give(self, amount: int) -> None:
        """Give back what was taken."""
        self.taken -= amount


def busy() -> Problem:
    """Return the answer where there is no room for one more."""
    return Problem(503, "busy", "the studio is busy; try again in a moment")


class Guard:
    """The checks and limits in front of an application."""

    def __init__(self, app: ASGIApp, *, port: int) -> None:
        self.app, self.hosts = app, hosts_of(port)
        self.requests, self.bytes_held = Quota(limits.MAX_REQUESTS), Quota(limits.MAX_HELD_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let the application do it."""
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        body = _Body(receive, body_rule(scope["method"], scope["path"]), self.bytes_held)
        answered = _Answer(send, body, has_body=_has_body(scope["headers"]))
        refusal = next((found for found in checks(scope, self.hosts) if found), None)
        if refusal is None and not self.requests.take(1):
            return await answered.refuse(busy())
        if refusal is not None:
            return await answered.refuse(refusal)
        try:
            await self._let_in(scope, body, answered)
        except Problem as problem:  # of the body; one that a route meets is answered by the application
            await answered.refuse(problem)
        finally:
            body.give_back()
            self.requests.give(1)

    async def _let_in(self, scope: Scope, body: "_Body", answered: "_Answer") -> None:
        receive: Receive = body.receive
        if body.rule.types == limits.JSON:
            whole = await body.whole()
            refusal = check_json(whole)
            if refusal is not None:
                return await answered.refuse(refusal)
            receive = _replay(whole, body.receive)
        await self.app(scope, receive, answered.send)


def _replay(whole: bytes, rest: Receive) -> Receive:
    """Return what gives a body that was read already once more, and then what follows it."""
    waiting: list[Message] = [{"type": "http.request", "body": whole, "more_body": False}]

    async def receive() -> Message:
        return waiting.pop() if waiting else await rest()

    return receive


class _Body:
    """A request's body, counted as it comes."""

    def __init__(self, receive: Receive, rule: BodyRule, quota: Quota) -> None:
        self._receive, self.rule, self._quota = receive, rule, quota
        self._read = self._held = 0
        self._is_whole = False

    async def receive(self) -> Message:
        """Return the next part, within the limits."""
        message = await self._receive()
        self._is_whole |= not message.get("more_body", False)
        if message["type"] == "http.request":
            length = len(message.get("body", b""))
            self._read += length
            if self._read > self.rule.most:
                raise too_large(self.rule)
            if self.rule.held and not self._quota.take(length):
                raise busy()
            self._held += length if self.rule.held else 0
        return message

    async def whole(self) -> bytes:
        """Return all of it."""
        parts, more = [], True
        while more:
            message = await self.receive()
            if message["type"] != "http.request":
                break
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        return b"".join(parts)

    async def linger(self) -> None:
        """Read on for a moment, and throw it away: a client that still sends would not see the answer otherwise."""
        left = limits.LINGER_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(limits.LINGER_SECONDS):
                while left > 0 and not self._is_whole:
                    message = await self._receive()
                    left -= len(message.get("body", b""))
                    self._is_whole = not message.get("more_body", False)

    def give_back(self) -> None:
        """Count it no longer."""
        self._quota.give(self._held)


class _Answer:
    """An answer with the headers that all have."""

    def __init__(self, send: Send, body: _Body, *, has_body: bool) -> None:
        self._send, self._started, self._status = send, False, 0
        self._body, self._has_body = body, has_body

    async def send(self, message: MutableMapping[str, object]) -> None:
        """Send a part."""
        if message["type"] == "http.response.start":
            self._started, self._status = True, int(str(message["status"]))
            message["headers"] = with_security(message.get("headers", []))  # type: ignore[arg-type]
        elif self._status >= 400 and self._has_body and not message.get("more_body"):
            await self._send({**message, "more_body": True})
            await self._body.linger()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def refuse(self, problem: Problem) -> None:
        """Send an error, unless an answer has begun."""
        if self._started:
            return
        body = problem.body()
        headers = [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        headers += [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
        await self.send({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _has_body(headers: Headers) -> bool:
    """Whether a body follows for which nobody has to ask first."""
    length = values(headers, b"content-length")
    return not values(headers, b"expect") and (
        length not in ([], [b"0"]) or bool(values(headers, b"transfer-encoding"))
    )


def with_security(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return headers with those of security, of which the answer's own count first."""
    there = {name.lower() for name, _ in headers}
    added = [(name, value) for name, value in SECURITY_HEADERS if name not in there]
    if b"cache-control" not in there:
        added.append((b"cache-control", b"no-store"))
    return [*headers, *added]
