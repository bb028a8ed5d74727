"""The commands that a page prints: as they run in the page's folder, on the page's own model, data and split."""

import shlex
from dataclasses import dataclass

from inklens.pages.folder import MODEL


@dataclass(frozen=True)
class Shell:
    """How the reader of a page calls the program.

    Parameters
    ----------
    program : str
        ``inklens``, or its path where the shell does not find it by name.
    rows : str
        Options that name the run's data and split, such as ``--data mnist --train 7500``; empty for the defaults.
    data : str
        The option that names the data of the page's model, where its file does not do so in every folder.
    picture : str or None
        The picture that the page explains, a file beside it; None where that is a test row.
    sample : int
        Which one, then.

    Examples
    --------
    >>> shell = Shell(rows="--data mnist", picture="picture.png")
    >>> shell.fit("--C 10 -o more.inklens")
    'inklens fit --data mnist --C 10 -o more.inklens'
    >>> shell.on_picture("explain", "-o why.png")
    'inklens explain picture.png --model model.inklens -o why.png'
    >>> Shell(sample=33).on_picture("explain")
    'inklens explain --model model.inklens --sample 33'
    """

    program: str = "inklens"
    rows: str = ""
    data: str = ""
    picture: str | None = None
    sample: int = 0

    def __call__(self, command: str) -> str:
        """Return a command that needs neither model nor rows."""
        return f"{self.program} {command}"

    def fit(self, options: str) -> str:
        """Return a fit to the run's rows."""
        return self(_joined("fit", self.rows, options))

    def demo(self, options: str) -> str:
        """Return another run of the tutorial on these data; it writes a folder of its own."""
        return self(_joined("demo", self.rows, options))

    def path(self, options: str) -> str:
        """Return the path along C on the run's rows."""
        return self(_joined("path", self.rows, options))

    def on_picture(self, command: str, options: str = "") -> str:
        """Return a command about what the page explains, answered by the page's model."""
        if self.picture is not None:
            return self(_joined(command, shlex.quote(self.picture), f"--model {MODEL}", options))
        return self(_joined(command, f"--model {MODEL} --sample {self.sample}", self.data, options))

    def on_model(self, command: str, options: str = "") -> str:
        """Return a command about the page's model and its rows."""
        return self(_joined(command, f"--model {MODEL}", self.data, options))


def _joined(*words: str) -> str:
    return " ".join(filter(None, words))
