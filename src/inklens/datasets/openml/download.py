"""Fetch one file over HTTP in bounded time: retries with back-off, resume, and only from hosts that are allowed."""

import hashlib
import http.client
import json
import queue
import random
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from inklens.datasets.unpack import MAX_DATA_BYTES, unpacked
from inklens.errors import DataError, DownloadError, OutputError

Progress = Callable[[int, int | None, str], object]

CHUNK_BYTES = 64 << 10
PROGRESS_BYTES = 64 << 10  # the stall clock starts again each time so much has arrived: about 1 kB/s at least
MAX_REDIRECTS = 5
MAX_RESTARTS = 5
RETRIABLE_STATUS = (408, 425, 429)  # and every 5xx


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
    """

    stall_s: float = 60.0
    read_s: float = 15.0
    back_off_s: float = 0.5


PATIENT = Limits()


@dataclass(frozen=True)
class Hosts:
    """Who may be asked: ``https`` to pinned hosts, or one other base that the user set."""

    pinned: tuple[str, ...]
    base: str | None = None

    def check(self, url: str) -> str:
        """Return the URL if it may be asked."""
        parts = urlsplit(url)
        if self.base is not None:
            allowed = urlsplit(self.base)
            ok = (parts.scheme, parts.netloc) == (allowed.scheme, allowed.netloc) and parts.scheme in ("http", "https")
        else:
            ok = parts.scheme == "https" and parts.hostname in self.pinned and parts.port in (None, 443)
        if not ok:
            expected = self.base or f"https to {', '.join(self.pinned)}"
            raise DownloadError(f"refused to ask {parts.scheme}://{parts.netloc}; allowed is only {expected}")
        return url


def fetch_bytes(url: str, *, hosts: Hosts, limits: Limits = PATIENT, max_bytes: int = 16 << 20) -> bytes:
    """Return a small resource, such as a JSON answer.

    Raises
    ------
    DownloadError
        Not reachable within the limits, refused, or longer than `max_bytes`. A status in the answer is kept as
        ``error.status``.
    """
    data = bytearray()

    def receive(start: int, chunk: bytes) -> None:
        if start + len(chunk) > max_bytes:
            raise DownloadError(f"{url} sends more than {max_bytes:,} bytes; expected a short answer")
        data[start:] = chunk

    _fetch(url, receive, hosts=hosts, limits=limits, resume=_Resume(), progress=None)
    return bytes(data)


def fetch_file(
    url: str, part: Path, *, md5: str | None, hosts: Hosts, limits: Limits = PATIENT, progress: Progress | None = None
) -> bytes:
    """Fetch a large file by way of `part`, which a later call resumes, and return its verified content.

    A content with another md5 is fetched once more from the start; then the error names both checksums.

    Raises
    ------
    DownloadError
        Not reachable within the limits, or other content than expected.
    """
    for attempt in (1, 2):
        _fetch_part(url, part, hosts=hosts, limits=limits, progress=progress)
        data, found, reason = _content(part, url)
        part.unlink(missing_ok=True)
        _state_path(part).unlink(missing_ok=True)
        if found == md5 or (md5 is None and not reason):
            return data
        if attempt == 2:
            raise DownloadError(
                f"{url} does not send what was expected: expected md5 {md5}, got {found}{reason}; nothing was kept in "
                f"{str(part.parent)!r}; try again later"
            )
    raise AssertionError("unreachable")


@dataclass
class _Resume:
    """How far a file has come, and which version of it (RFC 9110, section 13.1.5)."""

    done: int = 0
    etag: str | None = None


def _fetch_part(url: str, part: Path, *, hosts: Hosts, limits: Limits, progress: Progress | None) -> None:
    resume = _load_state(part, url)
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("r+b" if resume.done else "wb") as file:

            def receive(start: int, chunk: bytes) -> None:
                file.seek(start)
                file.truncate()
                file.write(chunk)

            try:
                _fetch(url, receive, hosts=hosts, limits=limits, resume=resume, progress=progress)
            finally:
                file.flush()
                _state_path(part).write_text(json.dumps({"url": url, "etag": resume.etag}), encoding="utf-8")
    except DownloadError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write {str(part)!r}: {error.strerror}; make room or set INKLENS_CACHE") from error


def _state_path(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _load_state(part: Path, url: str) -> _Resume:
    """Return how far an earlier call came; from the start when the server named no version of the file."""
    try:
        state = json.loads(_state_path(part).read_text(encoding="utf-8"))
        if state["url"] == url and isinstance(state["etag"], str):
            return _Resume(part.stat().st_size, state["etag"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return _Resume()


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


def _fetch(url: str, receive, *, hosts: Hosts, limits: Limits, resume: _Resume, progress: Progress | None) -> None:
    """Run attempts until one ends well, or nothing has come for `limits.stall_s`."""
    clock = _StallClock(limits.stall_s, resume.done)
    pause, reason = limits.back_off_s, ""
    while True:
        try:
            return _attempt(url, receive, hosts=hosts, limits=limits, resume=resume, clock=clock, progress=progress)
        except _Transient as error:
            reason = str(error)
        if clock.left() <= pause:
            raise DownloadError(
                f"cannot fetch {url}: {reason}; no progress for {limits.stall_s:g} s; check the network and try again "
                "(what has come is kept and resumed), or use --data embedded"
            )
        if progress:
            progress(resume.done, None, f"trying again: {reason}")
        time.sleep(pause * random.uniform(0.8, 1.0))
        pause = min(2 * pause, 8 * limits.back_off_s)


class _Transient(Exception):
    """A fault that may be gone at the next attempt."""


class _StallClock:
    """Seconds left until the download counts as stalled.

    Bytes that come again after a start from 0 count as progress only for the first `MAX_RESTARTS`, or a server that
    cuts off and cannot resume would keep us for ever.
    """

    def __init__(self, stall_s: float, done: int) -> None:
        self.stall_s, self.mark, self.since = stall_s, done, time.monotonic()
        self.restarts = 0

    def start(self, offset: int) -> None:
        """Note where an answer begins."""
        if offset < self.mark and self.restarts < MAX_RESTARTS:
            self.restarts += 1
            self.mark = offset

    def left(self) -> float:
        return self.stall_s - (time.monotonic() - self.since)

    def advance(self, done: int) -> None:
        if done >= self.mark + PROGRESS_BYTES:
            self.mark, self.since = done, time.monotonic()


def _attempt(url, receive, *, hosts, limits, resume, clock, progress) -> None:
    """Receive the file once, from where the last attempt ended."""
    total = None
    for kind, value in _in_thread(_messages(hosts.check(url), resume, hosts, limits), limits, clock):
        if kind == "start":
            resume.done, total, resume.etag = value
            if (total or 0) > MAX_DATA_BYTES:
                raise DownloadError(f"{url} announces {total:,} bytes; at most {MAX_DATA_BYTES:,} are fetched")
            clock.start(resume.done)
        elif kind == "chunk":
            receive(resume.done, value)
            resume.done += len(value)
            if resume.done > MAX_DATA_BYTES:
                raise DownloadError(f"{url} sends more than {MAX_DATA_BYTES:,} bytes; stopped")
            clock.advance(resume.done)
            if progress:
                progress(resume.done, total, "downloading")
            if clock.left() <= 0:
                raise _Transient("the server sends hardly anything")
        elif kind == "error":
            raise value
        elif total is not None and resume.done != total:
            raise _Transient(f"the connection ended after {resume.done:,} of {total:,} bytes")
        else:
            return


def _in_thread(messages: Iterator[tuple], limits: Limits, clock: _StallClock) -> Iterator[tuple]:
    """Run the blocking network calls beside us: name look-up and slow headers have no timeout of their own."""
    inbox: queue.Queue = queue.Queue(maxsize=16)
    closed = threading.Event()

    def run() -> None:
        for message in messages:
            while not closed.is_set():
                try:
                    inbox.put(message, timeout=0.5)
                    break
                except queue.Full:
                    continue
            if closed.is_set():
                return messages.close()  # type: ignore[attr-defined]

    threading.Thread(target=run, daemon=True, name="inklens-download").start()
    try:
        while True:
            yield inbox.get(timeout=max(0.01, min(limits.read_s, clock.left())))
    except queue.Empty:
        raise _Transient(f"the server was silent for {min(limits.read_s, limits.stall_s):g} s") from None
    finally:
        closed.set()


def _messages(url: str, resume: _Resume, hosts: Hosts, limits: Limits) -> Iterator[tuple]:
    """Yield ("start", (offset, total, etag)), ("chunk", bytes) ..., ("end", None); or ("error", exception)."""
    headers = {"User-Agent": "inklens", "Accept-Encoding": "gzip"}
    if resume.done and resume.etag:
        headers |= {"Range": f"bytes={resume.done}-", "If-Range": resume.etag}
    opener = urllib.request.build_opener(_CheckedRedirects(hosts))
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=limits.read_s) as response:
            yield "start", _start(response, resume.done)
            while chunk := response.read1(CHUNK_BYTES):
                yield "chunk", chunk
            yield "end", None
    except urllib.error.HTTPError as error:
        with error:
            if error.code == 416:  # no such part: the next attempt begins at 0
                resume.etag = None
            yield "error", _http_error(error, url)
    except (DownloadError, _Transient) as error:
        yield "error", error
    except (OSError, http.client.HTTPException, ValueError) as error:
        yield "error", _Transient(_reason(error))


def _start(response, asked: int) -> tuple[int, int | None, str | None]:
    """Return where the answer begins, how long the whole file is, and its version."""
    length = response.headers.get("Content-Length", "")
    etag = response.headers.get("ETag")
    etag = etag if etag and not etag.startswith("W/") else None
    offset = 0
    if response.status == 206:
        offset = asked
        if not response.headers.get("Content-Range", "").startswith(f"bytes {asked}-"):
            raise _Transient("the server answered with another part than was asked for")
    return offset, offset + int(length) if length.isdecimal() else None, etag


def _http_error(error: urllib.error.HTTPError, url: str) -> Exception:
    if error.code >= 500 or error.code in RETRIABLE_STATUS:
        return _Transient(f"the server answered {error.code} {error.reason}")
    if error.code == 416:
        return _Transient("the server has no such part")
    failure = DownloadError(
        f"cannot fetch {url}: the server answered {error.code} {error.reason}; check name and version"
    )
    failure.status = error.code  # type: ignore[attr-defined]
    return failure


def _reason(error: Exception) -> str:
    inner = getattr(error, "reason", None) or error
    return f"{type(inner).__name__}: {inner}" if str(inner) else type(inner).__name__


class _CheckedRedirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects only to hosts that are allowed, and only a few."""

    max_redirections = MAX_REDIRECTS
    max_repeats = 2

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        """Check the target before it is asked."""
        try:
            self._hosts.check(newurl)
        except DownloadError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)
