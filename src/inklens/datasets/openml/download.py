"""Fetch one file over HTTP in bounded time: retries with back-off, resume, and only from origins that are allowed."""

import errno
import hashlib
import http.client
import io
import queue
import random
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPMessage
from pathlib import Path
from typing import IO, BinaryIO, NamedTuple
from urllib.parse import urlsplit

from inklens.datasets.unpack import MAX_DATA_BYTES, unpacked
from inklens.errors import DataError, DownloadError, OutputError
from inklens.names import whole_number
from inklens.progress import Progress

CHUNK_BYTES = 64 << 10
QUEUED_CHUNKS = 16  # 1 MB between the network and the disk
PROGRESS_BYTES = 64 << 10  # the stall clock starts again each time so much has arrived: about 1 kB/s at least
MAX_REDIRECTS = 5
MAX_RESTARTS = 5  # from the first byte: a server that cuts off and cannot resume would keep us for ever
MOST_DECLARED = 1 << 60  # bytes; no server has a longer file, and what is longer than we take is refused as it comes
MAX_ANSWER_BYTES = 16 << 20  # of JSON: the features of 10,000 columns take 2 MB
NO_SUCH_PART = 416
NO_NETWORK = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN)
RETRIABLE_STATUS = (408, 425, 429, NO_SUCH_PART)  # and every 5xx


@dataclass(frozen=True)
class Limits:
    """How long to try.

    Parameters
    ----------
    stall_s : float
        Seconds without progress, all retries together, before giving up.
    read_s : float
        Seconds of silence before one attempt is given up.
    back_off_s : float
        First pause between attempts; it doubles each time, up to 8 times.
    unreachable_s : float
        Seconds before giving up where there is no way to the server at all: no network, or no name server.
    """

    stall_s: float = 60.0
    read_s: float = 15.0
    back_off_s: float = 0.5
    unreachable_s: float = 1.5


PATIENT = Limits()


def origin_of(url: str) -> str:
    """Return scheme, host and port of an address, such as ``"https://www.openml.org"``."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def check_origin(url: str, origins: tuple[str, ...]) -> str:
    """Return the URL if it may be asked: over HTTP, and of an allowed origin."""
    if origin_of(url) not in origins or not url.startswith(("https://", "http://")):
        raise DownloadError(f"refused to ask {origin_of(url)}; allowed is only {', '.join(origins)}")
    return url


def fetch_bytes(url: str, *, origins: tuple[str, ...], limits: Limits = PATIENT) -> bytes:
    """Return a small resource, such as a JSON answer.

    Raises
    ------
    DownloadError
        Not reachable within the limits, refused, or longer than `MAX_ANSWER_BYTES`. A status in the answer is kept as
        ``error.status``.
    """
    answer = io.BytesIO()
    _Download(url, answer, origins, limits, max_bytes=MAX_ANSWER_BYTES).run()
    return answer.getvalue()


def fetch_file(
    url: str,
    part: Path,
    *,
    md5: str | None,
    origins: tuple[str, ...],
    limits: Limits = PATIENT,
    progress: Progress | None = None,
) -> bytes:
    """Fetch a large file by way of `part`, which a later call resumes, and return its verified content.

    A content with another md5 is fetched once more from the start; then the error names both checksums.

    Raises
    ------
    DownloadError
        Not reachable within the limits, or other content than expected.
    """
    for _ in range(2):
        _fetch_part(url, part, origins, limits, progress)
        data, found, reason = _content(part, url)
        for of_no_more_use in (part, _etag_path(part)):
            with suppress(OSError):  # it came whole; the cache sweeps its folder when that is stored
                of_no_more_use.unlink()
        if found == md5 or (md5 is None and not reason):
            return data
    raise DownloadError(
        f"{url} does not send what was expected: expected md5 {md5}, got {found}{reason}; nothing was kept in "
        f"{str(part.parent)!r}; try again later"
    )


def _fetch_part(url: str, part: Path, origins: tuple[str, ...], limits: Limits, progress: Progress | None) -> None:
    """Fetch what is missing of a part, and record which version of the file it is of."""
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        for path in (part, _etag_path(part)):
            if path.exists() and not path.is_file():  # a pipe, which would be waited for
                path.unlink()
        done, etag = _come_so_far(part)
        with part.open("r+b" if done else "wb") as file:
            download = _Download(url, file, origins, limits, progress=progress, done=done, etag=etag)
            try:
                download.run()
            finally:
                file.flush()
                _etag_path(part).write_text(download.etag or "", encoding="utf-8")
    except DownloadError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write {str(part)!r}: {error.strerror}; make room or set INKLENS_CACHE") from error


def _etag_path(part: Path) -> Path:
    return part.with_suffix(".etag")


def _come_so_far(part: Path) -> tuple[int, str | None]:
    """Return how far an earlier call came, and with which version of the file; without a version, from the start."""
    try:
        etag = _etag_path(part).read_text(encoding="utf-8")
        return (part.stat().st_size, etag) if etag else (0, None)
    except (OSError, ValueError):
        return 0, None


def _content(part: Path, url: str) -> tuple[bytes, str, str]:
    """Return the unpacked content, its md5, and a hint when it is no data at all."""
    try:
        with part.open("rb") as file:
            data = b"".join(unpacked(file, limit=MAX_DATA_BYTES, name=url))
    except DataError as error:
        return b"", f"none ({error})", ""
    page = data[:200].lstrip().lower().startswith((b"<!doctype", b"<html"))
    found = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return data, found, " (the server sent a web page)" if page else ""


class _Transient(Exception):
    """A fault that may be gone at the next attempt."""


class _Unreachable(_Transient):
    """There is no way to the server: no network, or nobody knows its name."""


class _Start(NamedTuple):
    """Where an answer begins, how long the whole file is, and its version (RFC 9110, section 13.1.5)."""

    offset: int
    total: int | None
    etag: str | None


Message = _Start | bytes


@dataclass
class _Download:
    """One file on its way into `sink`."""

    url: str
    sink: BinaryIO
    origins: tuple[str, ...]
    limits: Limits
    max_bytes: int = MAX_DATA_BYTES
    progress: Progress | None = None
    done: int = 0  # bytes that have come
    etag: str | None = None

    def __post_init__(self) -> None:
        self._mark, self._since, self._restarts = self.done, time.monotonic(), 0

    def run(self) -> None:
        """Run attempts until one ends well, or nothing has come for `limits.stall_s`."""
        pause_s = self.limits.back_off_s
        while True:
            try:
                return self._attempt()
            except _Unreachable as error:
                if time.monotonic() - self._since + pause_s > self.limits.unreachable_s:
                    raise DownloadError(
                        f"cannot reach {self.url}: {error}; this machine seems to be offline: use --data embedded "
                        "(real digits, no network), a copy on disk such as idx:DIR, or fetch it where there is a "
                        "network: inklens data fetch mnist"
                    ) from error
                reason = str(error)
            except _Transient as error:
                reason = str(error)
            if self._left_s() <= pause_s or self._restarts > MAX_RESTARTS:
                raise DownloadError(
                    f"cannot fetch {self.url}: {reason}; no progress for {self.limits.stall_s:g} s; check the network "
                    "and try again (what has come is kept and resumed), or use --data embedded"
                )
            if self.progress:
                self.progress(self.done, None, f"trying again: {reason}")
            time.sleep(pause_s * random.uniform(0.8, 1.0))
            pause_s = min(2 * pause_s, 8 * self.limits.back_off_s)

    def _left_s(self) -> float:
        """Return the seconds until the download counts as stalled."""
        return self.limits.stall_s - (time.monotonic() - self._since)

    def _attempt(self) -> None:
        """Receive the file once, from where the last attempt ended."""
        total = None
        for message in _in_thread(self._answer(), lambda: min(self.limits.read_s, self._left_s())):
            if isinstance(message, bytes):
                self._receive(message, total)
                continue
            self._restarts += message.offset < self.done
            self.done, total, self.etag = message
            self._mark = min(self._mark, self.done)
            self._check_length(total or 0)
        if total not in (None, self.done):
            raise _Transient(f"the connection ended after {self.done:,} of {total:,} bytes")

    def _receive(self, chunk: bytes, total: int | None) -> None:
        self._check_length(self.done + len(chunk))
        self.sink.seek(self.done)
        self.sink.truncate()
        self.sink.write(chunk)
        self.done += len(chunk)
        if self.done >= self._mark + PROGRESS_BYTES:
            self._mark, self._since = self.done, time.monotonic()
        if self.progress:
            self.progress(self.done, total, "downloading")
        if self._left_s() <= 0:
            raise _Transient("the server sends hardly anything")

    def _check_length(self, length: int) -> None:
        if length > self.max_bytes:
            raise DownloadError(f"{self.url} sends {length:,} bytes or more; at most {self.max_bytes:,} are fetched")

    def _answer(self) -> Iterator[Message]:
        """Ask once: where the answer begins, then its bytes."""
        headers, asked = {"User-Agent": "inklens", "Accept-Encoding": "gzip"}, 0
        if self.done and self.etag:
            asked = self.done
            headers |= {"Range": f"bytes={asked}-", "If-Range": self.etag}
        request = urllib.request.Request(check_origin(self.url, self.origins), headers=headers)
        opener = urllib.request.build_opener(_CheckedRedirects(self.origins))
        try:
            with opener.open(request, timeout=self.limits.read_s) as response:
                yield _start(response, asked)
                while chunk := response.read1(CHUNK_BYTES):
                    yield chunk
        except urllib.error.HTTPError as error:
            with error:
                if error.code == NO_SUCH_PART:
                    yield _Start(0, None, None)  # so the next attempt asks for all
                raise _refused(error, self.url) from error
        except DownloadError:
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            cause = getattr(error, "reason", error)
            if isinstance(cause, socket.gaierror) or getattr(cause, "errno", None) in NO_NETWORK:
                raise _Unreachable(str(cause)) from error
            raise _Transient(f"{type(error).__name__}: {getattr(error, 'reason', error)}") from error


def _in_thread(messages: Iterator[Message], patience_s: Callable[[], float]) -> Iterator[Message]:
    """Run blocking network calls beside us: name look-up and slow headers have no timeout of their own."""
    inbox: queue.Queue[Message | Exception | None] = queue.Queue(QUEUED_CHUNKS)
    given_up = threading.Event()

    def run() -> None:
        try:
            for message in messages:
                inbox.put(message)
                if given_up.is_set():
                    return
            inbox.put(None)
        except Exception as error:
            inbox.put(error)

    threading.Thread(target=run, daemon=True, name="inklens-download").start()
    try:
        while (message := inbox.get(timeout=max(0.01, patience := patience_s()))) is not None:
            if isinstance(message, Exception):
                raise message
            yield message
    except queue.Empty:
        raise _Transient(f"the server was silent for {patience:.3g} s") from None
    finally:
        given_up.set()
        with suppress(queue.Empty):
            inbox.get_nowait()  # room for the one message that the thread may be waiting to put


def _start(response: http.client.HTTPResponse, asked: int) -> _Start:
    """Read the head of an answer to a request from byte `asked` on."""
    length = response.headers.get("Content-Length", "")
    offset = asked if response.status == http.HTTPStatus.PARTIAL_CONTENT else 0  # 0: another version, or no parts
    if offset and not response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
        raise _Transient("the server answered with another part than was asked for")
    rest = whole_number(length, MOST_DECLARED)
    return _Start(offset, None if rest is None else offset + rest, response.headers.get("ETag"))


def _refused(error: urllib.error.HTTPError, url: str) -> Exception:
    """Return what a status of failure means: to try again, or not."""
    text = f"the server answered {error.code} {error.reason}"
    if error.code >= 500 or error.code in RETRIABLE_STATUS:
        return _Transient(text)
    failure = DownloadError(f"cannot fetch {url}: {text}; check name and version")
    failure.status = error.code
    return failure


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects only to origins that are allowed, and only a few."""

    max_redirections = MAX_REDIRECTS

    def __init__(self, origins: tuple[str, ...]) -> None:
        self._origins = origins

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        """Check the target before it is asked."""
        try:
            check_origin(newurl, self._origins)
        except DownloadError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)
