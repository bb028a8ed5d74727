"""Errors as answers (RFC 9457): a stable code, a sentence that says what to do, a number to find it in the log.

What is said comes from inklens or from here, never from a library: no trace, no path, no text of somebody else.
"""

import json
import logging
import secrets
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from inklens.studio import limits

LOG = logging.getLogger("inklens.studio")
CONTENT_TYPE = "application/problem+json"
BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
UNREAD = (400, 408, 413, 415, 503)  # the body may not have been read: the connection serves no other request


class Problem(Exception):
    """An answer that is an error.

    Parameters
    ----------
    status : int
        Of HTTP.
    code : str
        Stable short name of the reason.
    detail : str
        What was expected, what came, what to do.
    """

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the answer besides its content type."""
        said = {"Connection": "close"} if self.status in UNREAD else {}
        return {**said, "Retry-After": str(limits.RETRY_SECONDS)} if self.status in BUSY else said

    def to_json(self) -> dict[str, object]:
        """Return the document; its `id` is new each time, and stands in the log."""
        number = secrets.token_hex(6)
        LOG.log(logging.WARNING if self.status == 500 else logging.INFO, "problem %s: %s", number, self.code)
        return {
            "type": f"urn:inklens:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "id": number,
        }

    def body(self) -> bytes:
        """Return the document as bytes."""
        return json.dumps(self.to_json(), ensure_ascii=False).encode()


def not_found(what: str) -> Problem:
    """Return the answer about something that is not there.

    >>> not_found("model").detail
    'there is no such model; it may have been deleted: load the list again'
    """
    return Problem(404, "not-found", f"there is no such {what}; it may have been deleted: load the list again")


# ------------------------------------------------------------------------------------------------- fields

# kind of error -> what to say; the names in braces are the limits that the error states
SENTENCES = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
    "literal_error": "is none of {expected}",
    "enum": "is none of {expected}",
    "greater_than": "has to be greater than {gt}",
    "greater_than_equal": "has to be at least {ge}",
    "less_than": "has to be less than {lt}",
    "less_than_equal": "may be at most {le}",
    "string_too_short": "needs at least {min_length} characters",
    "string_too_long": "may have at most {max_length} characters",
    "too_long": "may have at most {max_length} entries",
    "too_short": "needs at least {min_length} entries",
    "string_pattern_mismatch": "has another form than was expected",
    "finite_number": "has to be a finite number",
}
KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "dict": "an object",
    "model": "an object",
    "list": "a list",
}


def field_sentence(error: Mapping[str, object]) -> str:
    """Say what is wrong with one field, in our words.

    >>> field_sentence({"loc": ("body", "C"), "type": "greater_than", "ctx": {"gt": 0.0}})
    'C has to be greater than 0.0'
    >>> field_sentence({"loc": ("query", "limit"), "type": "int_parsing"})
    'limit has to be a whole number'
    """
    place, kind, said = error.get("loc"), str(error.get("type")), error.get("ctx")
    names = [str(part) for part in place[1:]] if isinstance(place, Sequence) else []
    what = ".".join(name for name in names if len(name) <= 40) or "the body"
    if kind in SENTENCES:
        try:
            return f"{what} {SENTENCES[kind].format(**(said if isinstance(said, Mapping) else {}))}"
        except KeyError:
            return f"{what} cannot be used"
    wanted = KINDS.get(kind.split("_")[0])
    return f"{what} has to be {wanted}" if wanted else f"{what} cannot be used"


def fields_problem(errors: Sequence[Mapping[str, object]]) -> Problem:
    """Return the answer about fields that cannot be used, the first three of them."""
    told = "; ".join(dict.fromkeys(map(field_sentence, errors[:3])))
    return Problem(422, "fields", f"{told}; see the interface's description for what each field takes")
