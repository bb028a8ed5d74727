"""Fill a virtual environment with the pinned requirements and inklens itself.

    python scripts/install.py .venv/bin/python

uv does it in a third of pip's time; where uv cannot be had, pip does it. The pip that runs this script
works on the other environment (`pip --python`), so the environment needs no ensurepip.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
UV = ["--require-hashes", "-r", str(ROOT / "requirements/uv.txt")]
PINNED = ["--require-hashes", "-r", str(ROOT / "requirements/dev.txt")]
PROJECT = ["--no-deps", "-e", str(ROOT)]


def main(target: str) -> None:
    """Install into the environment whose interpreter is `target`."""
    pip = [sys.executable, "-m", "pip", "--python", target, "install", "-q", "--disable-pip-version-check"]
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode:
        sys.exit(
            f"inklens: {sys.executable} has no pip; install it (Debian: apt install python3-pip), then run make again"
        )
    uv = [str(Path(target).with_name("uv")), "pip", "install", "-q", "--python", target]
    print("inklens: setting up .venv (about half a minute)", file=sys.stderr)
    if _succeed([*pip, *UV]) and _succeed([*uv, *PINNED], [*uv, *PROJECT]):
        return
    print("inklens: uv could not do it, so pip does (about a minute)", file=sys.stderr)
    for what in (PINNED, PROJECT):
        if subprocess.run([*pip, *what]).returncode:
            sys.exit("inklens: set-up failed (see above); with a network, run make again: it goes on where it stopped")


def _succeed(*commands: list[str]) -> bool:
    """Run commands without a word until one fails; uv trusts the certificates that the system trusts, as pip does."""
    environment = {"UV_SYSTEM_CERTS": "1", **os.environ}
    return all(subprocess.run(command, capture_output=True, env=environment).returncode == 0 for command in commands)


if __name__ == "__main__":
    main(sys.argv[1])
