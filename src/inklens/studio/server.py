"""The HTTP server: uvicorn with limits on slow clients and on connections, and an end that is clean."""

import asyncio
import json
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from types import FrameType

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from inklens.studio import limits
from inklens.studio.front import Front
from inklens.studio.guard import SECURITY_HEADERS, Doors, Guard, hosts_of
from inklens.studio.problems import CONTENT_TYPE, Problem
from inklens.studio.studio import Settings, Studio

LOG = logging.getLogger("inklens.studio")
THREADS = 24  # that wait for child processes; a job takes one, a photo too
MAX_HEADER_BYTES = 32_768


class GuardedProtocol(H11Protocol):
    """HTTP/1.1 for clients that may be slow on purpose.

    A header has to be there within `HEADER_SECONDS`; a body within `BODY_SECONDS` or at `BODY_BYTES_PER_SECOND`; and
    what is sent has to be read within `READER_SECONDS`. Otherwise the connection ends.
    """

    _timer: asyncio.TimerHandle | None = None
    _reading_since: float | None = None  # a body
    _read = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or say that there are too many."""
        super().connection_made(transport)
        if len(self.connections) > limits.MAX_CONNECTIONS:
            self._refuse(Problem(503, "busy", "there are too many connections; try again in a moment"))
        else:
            self._wait_for_header()

    def data_received(self, data: bytes) -> None:
        """Pass on what came, and see what is to come next."""
        self._read += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        state = self.conn.their_state
        if state is h11.SEND_BODY:
            self._wait_for_body()
        elif state is h11.IDLE and self.conn.trailing_data[0]:
            if self._reading_since is not None or self._timer is None:
                self._wait_for_header()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Give a client that does not read some time."""
        super().pause_writing()
        self._set_timer(limits.READER_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on with a client that reads again."""
        self._stop_waiting()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, in our words."""
        self._refuse(Problem(400, "http", "this is no HTTP request that can be understood"))

    def _wait_for_header(self) -> None:
        self._reading_since = None
        self._set_timer(limits.HEADER_SECONDS, self._too_slow)

    def _wait_for_body(self) -> None:
        if self._reading_since is None:
            self._reading_since, self._read = self.loop.time(), 0
            self._set_timer(limits.BODY_SECONDS, self._judge_body)

    def _judge_body(self) -> None:
        """Let a body that is long but comes at a fair rate go on."""
        assert self._reading_since is not None
        if self._read < limits.BODY_BYTES_PER_SECOND * (self.loop.time() - self._reading_since):
            return self._too_slow()
        self._reading_since, self._read = self.loop.time(), 0
        self._set_timer(limits.BODY_SECONDS, self._judge_body)

    def _too_slow(self) -> None:
        started = self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete
        if started or self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self.transport.abort()
        else:
            self._refuse(Problem(408, "slow", "the request came too slowly; send it again"))

    def _refuse(self, problem: Problem) -> None:
        """Answer without the application, and close."""
        if self.transport.is_closing():
            return
        body = json.dumps(problem.to_json()).encode()
        said = {"Content-Type": CONTENT_TYPE, "Content-Length": str(len(body)), **problem.headers}
        said["Connection"] = "close"
        head = [f"{name}: {value}".encode() for name, value in said.items()]
        head += [name + b": " + value for name, value in SECURITY_HEADERS]
        first = f"HTTP/1.1 {problem.status} {problem.to_json()['title']}".encode()
        self.transport.write(b"\r\n".join([first, *head, b"", body]))
        self._stop_waiting()
        self.transport.close()

    def _set_timer(self, seconds: float, act: Callable[[], None]) -> None:
        self._stop_waiting(keep_since=True)
        self._timer = self.loop.call_later(seconds, act)

    def _stop_waiting(self, *, keep_since: bool = False) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not keep_since:
            self._reading_since = None


class GuardedServer(uvicorn.Server):
    """A server that ends cleanly on SIGINT and SIGTERM: what is being answered is answered, then it returns.

    Parameters
    ----------
    guard : Guard
        With the application behind it.
    begin_to_close : callable
        Called when the end begins: streams of events have to end at once, so that nobody waits for them.
    """

    def __init__(self, guard: Guard, begin_to_close: Callable[[], None]) -> None:
        self.guard, self._begin_to_close = guard, begin_to_close
        super().__init__(
            uvicorn.Config(
                guard,
                http=GuardedProtocol,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                h11_max_incomplete_event_size=MAX_HEADER_BYTES,
                timeout_keep_alive=limits.KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=limits.SHUTDOWN_SECONDS,
            )
        )
        self._loop: asyncio.AbstractEventLoop | None = None

    def run_on(self, listener: socket.socket) -> None:
        """Serve until a signal, or `handle_exit`, ends it."""

        async def run() -> None:
            self._loop = asyncio.get_running_loop()
            self._loop.set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="inklens"))
            await self.serve(sockets=[listener])

        asyncio.run(run())

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take over the signals while it runs; unlike uvicorn's own, they are not raised again at the end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to end."""
        super().handle_exit(sig, frame)
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(self._begin_to_close)


class Server(GuardedServer):
    """The studio's."""

    def __init__(self, settings: Settings) -> None:
        self.studio = Studio(settings)
        super().__init__(Guard(Front(self.studio), Doors(hosts_of(settings.port))), self.studio.begin_to_close)


def serve(settings: Settings, listener: socket.socket) -> None:
    """Serve until SIGINT or SIGTERM."""
    Server(settings).run_on(listener)
