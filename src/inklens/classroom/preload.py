"""What the process that forks those of a class's check has loaded before: boxed, they could not."""

import os
import signal

signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is the parent's to answer
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # processes are as many as are asked for

from inklens.classroom import boxed  # noqa: E402 (after the number of threads is set)

boxed.warm_up()
