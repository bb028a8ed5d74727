"""The documentation names every public name and every command, and builds without a warning."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import inklens
from inklens.cli.main import COMMANDS
from inklens.pages.glossary import to_rst

ROOT = Path(__file__).parents[1]
PAGES = "\n".join(path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.rst")])


def test_every_public_name_is_documented():
    missing = [name for name in inklens.__all__ if not name.startswith("_") and not re.search(rf"\b{name}\b", PAGES)]
    assert missing == []


def test_every_command_is_shown_in_use():
    missing = [name for name in COMMANDS if f"inklens {name}" not in PAGES]
    assert missing == []


def test_the_glossary_is_that_of_the_report():
    assert (ROOT / "docs/glossary.rst").read_text(encoding="utf-8") == to_rst()
    assert "glossary" in (ROOT / "docs/index.rst").read_text(encoding="utf-8").split()


def test_nothing_speaks_of_one_machine():
    patterns = re.compile(r"(^|[^\w./-])/(work|root|tmp)/\w")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True).stdout.split()
    for name in tracked:
        path = ROOT / name
        if path.suffix in {".py", ".md", ".rst", ".toml", ".c", ".h", ".html", ".txt", ""} and path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            assert not patterns.search(text), f"{name} names a path of one machine"


@pytest.mark.slow
def test_the_documentation_builds_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(ROOT / "docs"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for page in tmp_path.glob("*.html"):
        hosts = re.findall(r"""(?:src|href)=["']https?://([^/"']+)""", page.read_text(encoding="utf-8"))
        loaded = re.findall(r"""<(?:script|img|iframe)[^>]+src=["']https?://""", page.read_text(encoding="utf-8"))
        assert loaded == [], f"{page.name} loads from another host: {hosts}"
