"""A model as JSON that any language reads: weights, card and certificate, as `docs/weights.schema.json` describes."""

from collections.abc import Mapping

from inklens import __version__
from inklens.web.payload import WebReader, parse, web_model

FORMAT, SCHEMA_VERSION = "inklens-weights", 1
HOW = {
    "pixels": "z = coef x + intercept with x the picture's pixels row by row, ink 1 and paper 0; p = softmax(z)",
    "upright": "z = coef x + intercept with x the pixels of the deskewed picture row by row; p = softmax(z)",
    "strokes": "z = coef x + intercept with x the picture's directed strokes in windows; p = softmax(z)",
}


def weights_document(reader: WebReader) -> dict[str, object]:
    """Return a model as what JSON can hold; its numbers are those of the model file, to the last digit.

    Examples
    --------
    >>> import numpy as np
    >>> from inklens import DigitReader
    >>> document = weights_document(DigitReader(np.eye(2, 4), np.zeros(2), ("a", "b"), (2, 2)))
    >>> document["coef"], document["certificate"]
    ([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]], None)
    """
    header, _ = parse(web_model(reader))
    said: Mapping[str, object] = {name: header[name] for name in ("card", "certificate", "penalty", "accuracy")}
    return {
        "schema_version": SCHEMA_VERSION,
        "format": FORMAT,
        "inklens": __version__,
        "formula": HOW[reader.features],
        "classes": list(reader.classes),
        "image_shape": list(reader.image_shape),
        "features": reader.features,
        "coef": reader.coef.tolist(),
        "intercept": reader.intercept.tolist(),
        **said,
    }
