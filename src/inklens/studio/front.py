"""The application as the server sees it: the browser's files at once, the routes as soon as they are loaded.

FastAPI and the interface's types take most of a start. The page draws its first picture from files alone, the model to
begin with among them, so they are loaded in a thread meanwhile.
"""

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from inklens.studio.guard import values
from inklens.studio.problems import Problem
from inklens.studio.static import ADDRESSES, FIRST, OCTETS, Asset
from inklens.studio.studio import Studio
from inklens.web.light import light


class Front:
    """What stands behind the guard.

    Parameters
    ----------
    studio : Studio
        It is opened and closed with the server.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self._routes: asyncio.Task[ASGIApp] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            return await self._live(receive, send)
        if scope["path"] in (*ADDRESSES, FIRST):
            return await self._give_asset(scope, send)
        if self._routes is None:
            raise Problem(503, "closing", "the studio is not open")
        routes = await asyncio.shield(self._routes)
        await routes(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Open and close the studio when the server says so."""
        await receive()
        self._routes = asyncio.create_task(asyncio.to_thread(self._load))
        await self.studio.open()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.studio.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _load(self) -> ASGIApp:
        from inklens.studio.app import create_app

        app = create_app(self.studio.settings)
        app.state.studio = self.studio
        return app

    async def _give_asset(self, scope: Scope, send: Send) -> None:
        if scope["method"] != "GET":
            raise Problem(405, "method", "this address takes another method")
        more: dict[str, str] = {}
        if scope["path"] == FIRST:
            model = await self.studio.chosen(None)
            asset, more = Asset(light(await self.studio.web(model)), OCTETS), {"X-Model": model}
        else:
            asset = await self.studio.asset(scope["path"])
        accepts, known = (values(scope["headers"], name) for name in (b"accept-encoding", b"if-none-match"))
        status, body, headers = asset.answer(
            b",".join(accepts).decode("latin-1"), known[0].decode("latin-1") if known else None
        )
        said = [(name.lower().encode(), value.encode()) for name, value in {**headers, **more}.items()]
        said.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": said})
        await send({"type": "http.response.body", "body": body})
