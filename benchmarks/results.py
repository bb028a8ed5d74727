"""`RESULTS.md` in sections: each benchmark replaces its own and leaves the others."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).with_name("RESULTS.md")
HEAD = """# Results

What was measured, on which machine and commit, beside the peer in one run. `make bench` writes this file anew;
a ratio above 1 means that inklens is faster.
"""


def write_section(title: str, body: str) -> None:
    """Put `body` under ``## title``, with machine, commit and date."""
    text = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else HEAD
    head, *sections = text.split("\n## ")
    kept = {section.partition("\n")[0]: section.partition("\n")[2].strip("\n") for section in sections}
    kept[title] = f"\n{machine()}\n\n{body.strip()}"
    RESULTS.write_text(
        head.rstrip("\n") + "\n" + "".join(f"\n## {name}\n{part}\n" for name, part in kept.items()), encoding="utf-8"
    )


def machine() -> str:
    """Name processor, cores, Python, commit and date in one line."""
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    return (
        f"*{_processor()}, {cores()} cores, {platform.system()}, Python {platform.python_version()}, commit "
        f"{commit.stdout.strip() or 'unknown'}, {datetime.now(UTC):%Y-%m-%d}*"
    )


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def table(header: list[str], rows: list[list]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *[[str(cell) for cell in row] for row in rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                flags = " with AVX-512" if "avx512f" in info.read_text() else ""
                return line.partition(":")[2].strip() + flags
    return platform.processor() or platform.machine()
