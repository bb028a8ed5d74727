"""What the process that forks all others has loaded before: a child must neither wait for it nor, boxed, read it."""

import os
import signal

signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is the parent's to answer
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # the solver's kernels have threads of their own

from inklens.quiet import process_is_ours  # noqa: E402 (after the number of threads is set)
from inklens.studio import work  # noqa: E402

process_is_ours()
work.warm_up()
