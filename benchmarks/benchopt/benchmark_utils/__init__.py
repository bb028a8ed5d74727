"""What the zoo's own runner uses as well: the jobs, the referee, and how each package is called (two folders up)."""

import sys
from pathlib import Path

BENCHMARKS = str(Path(__file__).resolve().parents[2])
if BENCHMARKS not in sys.path:
    sys.path.append(BENCHMARKS)

import _peers as packages  # noqa: E402
import _referee as referee  # noqa: E402
import _zoo_jobs as zoo  # noqa: E402

__all__ = ["packages", "referee", "zoo"]
