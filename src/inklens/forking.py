"""Processes forked by one small server that has loaded what they need; new ones where the system cannot fork so."""

from collections.abc import Sequence
from multiprocessing import get_all_start_methods, get_context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext, SpawnContext


def context(preloaded: Sequence[str]) -> "ForkServerContext | SpawnContext":
    """Return what starts processes; the server loads these modules, unless it runs already."""
    if "forkserver" not in get_all_start_methods():
        return get_context("spawn")
    forked = get_context("forkserver")
    forked.set_forkserver_preload(list(preloaded))
    return forked


def prepare(preloaded: Sequence[str]) -> None:
    """Start the server, so that it loads while its parent still does."""
    if "forkserver" in get_all_start_methods():
        from multiprocessing import forkserver

        context(preloaded)
        forkserver.ensure_running()
