"""Dask clusters: started on this computer or reached at an address, and checked before any work goes there.

Whoever reaches a scheduler can run code on its workers, and results come back as pickles. So a cluster that is started
here listens on the loopback interface alone, and one elsewhere has to be encrypted unless that is waived.
"""

import ipaddress
import logging
import os
import platform
import re
import socket
import time
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from importlib.util import find_spec
from threading import Event, RLock
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from inklens.errors import ClusterError, MissingPackageError, ParameterError, require

if TYPE_CHECKING:
    from distributed import Client, Future

LOOPBACK = "127.0.0.1"
MOST_WORKERS = 256  # on this computer
CONNECT_SECONDS = 10.0  # until a scheduler has to answer
CLOSE_SECONDS = 20.0  # for one in this process
CHECK_SECONDS = 60.0  # until every worker has said what it runs; busy ones answer between two tasks
LOOK_SECONDS = 0.5  # between two looks at whether a worker is still there, while its answer is waited for
ENCRYPTED = ("tls", "ucx", "wss")  # ways to a scheduler that are encrypted, or (ucx) a cluster's own network
# What a worker on this computer does first: Ctrl-C reaches all processes of a terminal, and is for the one that asked.
# It runs nothing but inklens, whose errors say what libtiff would print.
DEAF = """
import signal

from inklens.quiet import process_is_ours

def dask_setup(worker):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    process_is_ours()
"""
# Dask has workers give memory back at every turn, and look for what they do a hundred times a second: with these, a
# worker takes a quarter less CPU time for reading pictures. Every process of a cluster looks at its pace fifty times a
# second, and at its memory ten times, which took a tenth of a core where three processes had nothing to do.
SPARING = {
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": str(64 << 20),  # bytes
    "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # bytes; the largest that glibc takes
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1 s",
    "distributed.admin.tick.cycle": "5 s",
    "distributed.admin.system-monitor.interval": "5 s",
    "distributed.worker.memory.monitor-interval": "500 ms",
}
# Dask gives a worker of this computer up for good when it has not come back within 15 s of being killed. To start one
# takes two on a quiet computer, and more than that on a busy one.
PATIENT = {"distributed.deploy.lost-worker-timeout": "600 s"}
SET_FOR_WORKERS = "distributed.nanny.pre-spawn-environ"  # what Dask sets in this process before it starts one
ALSO_SET = ("PYTHONHASHSEED", "__DASK_PARENT_PID")
_starting = RLock()  # Dask's settings and these variables are the whole process's: one cluster is started at a time
_changing_levels, _levels, _inside_quiet = RLock(), list[int](), list[None]()
COMPARED = ("Python", "inklens", "numpy", "distributed")


class Where(NamedTuple):
    """What `--dask` asks for: so many workers on this computer, or the address of a scheduler."""

    n_workers: int | None = None  # None: one for each core
    address: str | None = None


class Facts(NamedTuple):
    """What a process runs, as far as results depend on it."""

    python: str
    inklens: str
    numpy: str
    distributed: str


def where(text: str) -> Where:
    """Return what ``local``, ``local:N`` or an address such as ``tls://host:8786`` means.

    Raises
    ------
    ParameterError
        Anything else.

    >>> where("local:4"), where("tls://10.0.0.5:8786")
    (Where(n_workers=4, address=None), Where(n_workers=None, address='tls://10.0.0.5:8786'))
    """
    found = re.fullmatch(r"local(?::(\d{1,6}))?", text)
    if found:
        n_workers = int(found[1]) if found[1] else None
        if n_workers is not None and not 1 <= n_workers <= MOST_WORKERS:
            raise ParameterError(f"expected 1 to {MOST_WORKERS} workers on this computer, got {text!r}")
        return Where(n_workers=n_workers)
    address = text if "://" in text else f"tcp://{text}"
    try:
        parts = urlsplit(address)
        valid = bool(parts.hostname and parts.port) or parts.scheme == "inproc"
    except ValueError:  # a port that is none
        valid = False
    if not valid:
        raise ParameterError(
            f"expected 'local', 'local:N' or a scheduler's address such as 'tls://10.0.0.5:8786' for Dask, got {text!r}"
        )
    return Where(address=address)


@contextmanager
def opened(text: str, *, insecure: bool = False) -> "Iterator[Client]":
    """Open the cluster that a text names (`where`), check it, and close what was opened at the end.

    Parameters
    ----------
    text : str
        ``"local"`` (a process for each core), ``"local:N"``, or a scheduler's address. Certificates for ``tls://`` are
        those of Dask's own configuration (``distributed.comm.tls``).
    insecure : bool, default=False
        Whether a scheduler on another computer may be reached without encryption.

    Raises
    ------
    ParameterError
        A text that names no cluster; a plain ``tcp://`` address on another computer without `insecure`.
    ClusterError
        Nobody answers there, no workers, or workers that run something else than this process (`check`).

    Examples
    --------
    ::

        with cluster.opened("local:2") as client:
            ...
    """
    place = where(text)
    if place.address is not None:
        require_encryption(place.address, insecure=insecure)
        with _reached(place.address) as client:
            check(client)
            yield client
        return
    with _started(place.n_workers or _cores()) as client:
        yield client


def threads_of_each(n_workers: int | None = None) -> tuple[int, int]:
    """Return how many workers are started on this computer, by default one for each core, and the threads of each."""
    n_workers = n_workers or _cores()
    return n_workers, max(1, _cores() // n_workers)


@contextmanager
def _started(n_workers: int) -> "Iterator[Client]":
    """Start workers on this computer; nothing but the loopback interface is listened to."""
    distributed, config = require("distributed", extra="dask"), require("dask", extra="dask").config
    try:
        with _starting, config.set(SPARING), _own_environment({*config.get(SET_FOR_WORKERS, {}), *ALSO_SET}):
            cluster = distributed.LocalCluster(
                n_workers=n_workers,
                threads_per_worker=max(1, _cores() // n_workers),
                processes=True,
                host=LOOPBACK,
                dashboard_address=f"{LOOPBACK}:0",  # None would listen as well, at a port that may be taken
                worker_dashboard_address=None,
                silence_logs=logging.CRITICAL,
                preload=[DEAF],
            )
    except (OSError, RuntimeError, TimeoutError) as error:
        raise ClusterError(
            f"{n_workers} workers could not be started on this computer ({_said(error)}); ask for fewer (local:1)"
        ) from error
    try:
        with (
            config.set(PATIENT),
            distributed.Client(cluster, direct_to_workers=True, set_as_default=False) as client,
        ):
            yield client
    finally:
        cluster.close()


@contextmanager
def _own_environment(names: Iterable[str]) -> Iterator[None]:
    """Take back what Dask sets here for the workers that it starts, such as one thread, which is for them alone.

    All other variables are those of the program, which may set them meanwhile on another thread.
    """
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


class InProcess:
    """A cluster of this process alone, for data of Dask where nobody has started another."""

    def __init__(self, n_workers: int = 1) -> None:
        distributed = require("distributed", extra="dask")
        self.cluster = distributed.LocalCluster(
            n_workers=n_workers,
            threads_per_worker=threads_of_each(n_workers)[1],
            processes=False,
            dashboard_address=f"{LOOPBACK}:0",
            worker_dashboard_address=f"{LOOPBACK}:0",  # None would listen on every interface
            silence_logs=logging.CRITICAL,
        )
        self.client: Client = distributed.Client(self.cluster, set_as_default=False)

    def close(self) -> None:
        """Stop it."""
        with suppress(OSError, TimeoutError):
            self.client.close(timeout=CLOSE_SECONDS)
        with suppress(OSError, TimeoutError):
            self.cluster.close(timeout=CLOSE_SECONDS)


@contextmanager
def _reached(address: str) -> "Iterator[Client]":
    distributed = require("distributed", extra="dask")
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {address} ({_said(error)}); start one with 'dask scheduler', or give the "
            "address that it prints"
        ) from error
    with _quiet():
        try:
            yield client
        finally:
            with suppress(OSError, TimeoutError):  # a scheduler that has gone is closed already
                client.close(timeout=CONNECT_SECONDS)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from logging what becomes an error with a sentence of its own, such as a scheduler that has gone.

    Levels are the whole process's: of all threads inside, the first lowers them, and the last puts them back.
    """
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    with _changing_levels:
        if not _inside_quiet:
            _levels[:] = [logger.level for logger in loggers]
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
        _inside_quiet.append(None)
    try:
        yield
    finally:
        with _changing_levels:
            _inside_quiet.pop()
            if not _inside_quiet:
                for logger, level in zip(loggers, _levels, strict=True):
                    logger.setLevel(level)


def require_encryption(address: str, *, insecure: bool) -> None:
    """Raise `ParameterError` where code and data would cross a network in the clear, unless that is accepted.

    >>> require_encryption("tcp://127.0.0.1:8786", insecure=False)
    >>> require_encryption("tcp://10.0.0.5:8786", insecure=True)
    >>> require_encryption("tcp://10.0.0.5:8786", insecure=False)
    Traceback (most recent call last):
    ...
    inklens.errors.ParameterError: tcp://10.0.0.5:8786 is another computer, reached without encryption: ...
    """
    parts = urlsplit(address)
    if insecure or parts.scheme in (*ENCRYPTED, "inproc") or _is_loopback(parts.hostname or ""):
        return
    raise ParameterError(
        f"{address} is another computer, reached without encryption: whoever listens there or on the way can run code "
        "here and there; give a tls:// address, or --insecure (insecure=True) for a network that you trust"
    )


def is_on_loopback(address: str) -> bool:
    """Tell whether a worker or scheduler is reached without leaving this computer.

    >>> is_on_loopback("tcp://127.0.0.1:8786"), is_on_loopback("tls://10.0.0.5:8786"), is_on_loopback("inproc://a/1/2")
    (True, False, False)
    """
    parts = urlsplit(address)
    return parts.scheme != "inproc" and _is_loopback(parts.hostname or "")


def _is_loopback(host: str) -> bool:
    """Tell whether every address of a host is this computer's loopback interface."""
    try:
        found = {ipaddress.ip_address(host)}
    except ValueError:
        try:
            found = {ipaddress.ip_address(info[4][0]) for info in socket.getaddrinfo(host, None)}
        except (OSError, ValueError):
            return False
    return all(address.is_loopback for address in found)


# ---- what workers run ------------------------------------------------------------------------------------------------


def facts() -> Facts:
    """Return what this process runs; a worker is asked by calling it there."""
    return Facts(platform.python_version(), *(metadata.version(package) for package in COMPARED[1:]))


def check(client: "Client", workers: list[str] | None = None) -> None:
    """Raise `ClusterError` unless every worker runs what this process does; who leaves meanwhile need not.

    Parameters
    ----------
    client : distributed.Client
    workers : list of str or None
        Addresses; None is all.
    """
    workers = list(client.scheduler_info(n_workers=-1)["workers"]) if workers is None else workers
    if not workers:
        raise ClusterError(f"the scheduler at {address_of(client)} has no workers; start some with 'dask worker'")
    own = facts()
    asked = {
        address: client.submit(facts, workers=[address], allow_other_workers=False, pure=False, priority=100)
        for address in workers
    }
    for address, future in asked.items():
        with suppress(WorkerGoneError):
            _compare(own, _answer(client, address, future), address)


class WorkerGoneError(OSError):
    """A worker left while its answer was waited for."""


def result_of(future: "Future", address: str, workers: Callable[[], Container[str]], most_seconds: float) -> object:
    """Return what a task finds that one worker alone may do.

    Dask keeps such a task for ever once its worker has gone, so it is looked for while it is waited for.

    Parameters
    ----------
    future : distributed.Future
    address : str
        Of the worker.
    workers : callable
        Returns the addresses of those that there are.
    most_seconds : float

    Raises
    ------
    WorkerGoneError
        It has gone.
    TimeoutError
        It is there, and has not answered within `most_seconds`.
    """
    done, ends = Event(), time.monotonic() + most_seconds
    future.add_done_callback(lambda _: done.set())  # `result` with a short timeout may lose what comes just then
    while not done.wait(min(LOOK_SECONDS, max(0.0, ends - time.monotonic()))):
        if address not in workers():
            raise WorkerGoneError(f"the worker {address} has gone")
        if time.monotonic() >= ends:
            raise TimeoutError(f"the worker {address} has not answered within {most_seconds:g} s")
    return future.result(timeout=max(LOOK_SECONDS, ends - time.monotonic()))


def _answer(client: "Client", address: str, future: "Future") -> Facts:
    def workers() -> Container[str]:
        return client.scheduler_info(n_workers=-1)["workers"]

    try:
        return Facts(*result_of(future, address, workers, CHECK_SECONDS))  # type: ignore[misc]
    except WorkerGoneError:
        raise
    except TimeoutError as error:
        raise ClusterError(
            f"the worker {address} did not say within {CHECK_SECONDS:.0f} s what it runs; is it stopped, or busy?"
        ) from error
    except Exception as error:  # whatever its Python makes of a function that it does not know
        raise ClusterError(
            f"the worker {address} cannot run inklens ({_said(error)}); install inklens {facts().inklens} there, with "
            f"Python {platform.python_version()}"
        ) from error


def _compare(own: Facts, other: Facts, address: str) -> None:
    different = [
        f"{name} {theirs} (here {ours})"
        for name, ours, theirs in zip(COMPARED, own, other, strict=True)
        if ours != theirs and not (name == "Python" and ours.split(".")[:2] == theirs.split(".")[:2])
    ]
    if different:
        raise ClusterError(
            f"the worker {address} has {', '.join(different)}; the same versions have to be everywhere, so that "
            "results are the same"
        )


# ---- what a user wants to know ---------------------------------------------------------------------------------------


def address_of(client: "Client") -> str:
    """Return the scheduler's address."""
    return str(client.scheduler.address) if client.scheduler is not None else "an unknown address"


def dashboard(client: "Client") -> str | None:
    """Return the link to the cluster's dashboard; None where it has none."""
    if find_spec("bokeh") is None or "dashboard" not in client.scheduler_info(n_workers=0).get("services", {}):
        return None
    return str(client.dashboard_link)


def current_client() -> "Client | None":
    """Return the client that Dask itself would use here; None without one, or without Dask."""
    try:
        distributed = require("distributed", extra="dask")
        return distributed.get_client()
    except (MissingPackageError, ValueError):
        return None


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _said(error: BaseException) -> str:
    """Return what an error says in one short line."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]
