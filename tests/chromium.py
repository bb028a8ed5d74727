"""Chromium for tests: which one is there, what a test without it is marked with, and one that runs.

The headless shell is the same engine without the windows round it, and takes half of the time.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["CHROMIUM", "IS_REQUIRED", "NEEDS_BROWSER", "WHOLE", "chromium_runs", "needs_browser"]

WHOLE = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
"""What people have; benchmarks time this one."""
CHROMIUM = shutil.which("chromium-headless-shell") or WHOLE
IS_REQUIRED = bool(os.environ.get("INKLENS_REQUIRE_BROWSER"))
NEEDS_BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(
        CHROMIUM is None and not IS_REQUIRED,
        reason="no chromium here; install it, or set INKLENS_REQUIRE_BROWSER to fail instead",
    ),
]


def needs_browser(test):
    """Mark a test as one that needs Chromium; a whole file says ``pytestmark = NEEDS_BROWSER``."""
    for mark in NEEDS_BROWSER:
        test = mark(test)
    return test


@contextmanager
def chromium_runs(program: str | None = CHROMIUM) -> Iterator[object]:
    """Start Chromium, and give Playwright's browser; one at a time in a process.

    Playwright's program is compiled once for all starts.
    """
    from playwright.sync_api import sync_playwright

    os.environ.setdefault("NODE_COMPILE_CACHE", str(Path(tempfile.gettempdir()) / "node-compile-cache"))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()
