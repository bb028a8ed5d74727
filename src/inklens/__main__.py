"""``python -m inklens`` is the same as ``inklens``."""

from inklens.cli import main

main()
