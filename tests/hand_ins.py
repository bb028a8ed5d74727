"""Homework for tests: a class's model, a student's two photos, and what is done with them."""

import io
import zipfile

from handwriting import encoded, photo

from inklens.classroom import Homework
from inklens.tasks.models import fit

TEXTS = "The bar across speaks for a four here.", "Without the bar and the corner it is a seven."


def class_model(folder):
    """A model on pixels, as a class would share it, with its proof."""
    fit("embedded", C=0.1, tol=1e-2).reader.save(folder / "class.inklens")
    return folder / "class.inklens"


def two_photos(folder):
    """A 4, and what has become of it."""
    (folder / "four.png").write_bytes(encoded(photo("4"), "PNG"))
    (folder / "changed.jpg").write_bytes(encoded(photo("7"), "JPEG"))
    return folder / "four.png", folder / "changed.jpg"


def begun(folder, model, pictures):
    """A homework of which the explanations are missing."""
    work = Homework(folder, name="Ada Lovelace", model=model)
    work.put(1, pictures[0], meant="4", guess="4")
    work.put(2, pictures[1], meant="4", guess="9")
    return work


def completed(folder, model, pictures):
    """All of it."""
    work = begun(folder, model, pictures)
    for number, text in enumerate(TEXTS, 1):
        work.explain(number, text)
    return work


def members(data):
    """The files of an archive."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
