"""The command line: parse, call one function of `tasks` (or of `pages`, `tutorial`), print.

Results go to stdout, progress and messages to stderr. Exit codes: 0 ok, 1 failed, 2 wrong usage, 130 Ctrl-C.
"""

from inklens.cli.main import main

__all__ = ["main"]
