"""What the studio takes and how long it waits: every limit has a name, a unit and a reason."""

import re
from dataclasses import dataclass

KB, MB = 1_000, 1_000_000

MAX_JSON_BYTES = 2 * MB  # a drawing of 1,024 x 1,024 pixels in base64 has 1.4 MB
MAX_DRAWING_SIDE = 1_024  # pixels
MAX_PHOTO_BYTES = 40 * MB  # phones write at most 20 MB; the page refuses more as well
MAX_MODEL_BYTES = 64 * MB  # ten classes on 28 x 28 strokes have 2 MB
MAX_DATA_BYTES = 128 * MB  # MNIST has 55 MB unpacked; uploads of data go to a file, not into memory
MAX_HELD_BYTES = 160 * MB  # of bodies in memory at one time, over all requests
MAX_FOLDER_BYTES = 2_000 * MB  # of the studio's folder: uploads beyond are refused

MAX_REQUESTS = 160  # answered at one time: a browser opens 6, and 64 photos may wait
MAX_STREAMS = 64  # of events, of those
MAX_CONNECTIONS = 512  # half of what a process may usually open
MAX_PHOTOS = 64  # read or waiting at one time
PHOTOS_AT_ONCE = 2  # decoders, of at most 256 MB each
MAX_RUNNING_JOBS = 2
MAX_WAITING_JOBS = 10
MAX_JOBS_KEPT = 100  # ended ones, in memory
MAX_EVENTS_KEPT = 1_000  # of a job

HEADER_SECONDS = 10.0  # until a request's header has come
BODY_SECONDS = 30.0  # until its body has, unless at least so many bytes a second come:
BODY_BYTES_PER_SECOND = 1_000
READER_SECONDS = 30.0  # that a client may leave what it was sent unread
KEEP_ALIVE_SECONDS = 15
LINGER_SECONDS, LINGER_BYTES = 1.0, 8 * MB  # that are read of a body that was refused, so that the answer arrives
SHUTDOWN_SECONDS = 20  # that answers in progress may take when the studio ends

ANSWER_SECONDS = 60.0  # of a question to a child process
PHOTO_SECONDS = 10.0  # of the clock; of its processor:
PHOTO_CPU_SECONDS = 5
DATA_SECONDS = 120.0  # until an upload is data
DATA_CPU_SECONDS = 60
BOX_BYTES = 256 * 1024 * 1024  # address space that a decoder may take beyond what it starts with
DATA_BOX_BYTES = 1024 * 1024 * 1024  # the same, where an upload becomes rows

RETRY_SECONDS = 2  # said with every 429 and 503

BINARY = ("application/octet-stream",)
PICTURES = ("image/*", *BINARY)
ARCHIVES = ("application/zip", *BINARY)
JSON = ("application/json",)


@dataclass(frozen=True)
class BodyRule:
    """What a request may carry.

    Parameters
    ----------
    types : tuple of str
        Content types; none: no body at all.
    most : int
        Bytes.
    held : bool
        Whether it is kept in memory.
    """

    types: tuple[str, ...] = ()
    most: int = 0
    held: bool = True


NO_BODY = BodyRule()
POSTS = {
    "/api/models": BodyRule(BINARY, MAX_MODEL_BYTES),
    "/api/read": BodyRule(PICTURES, MAX_PHOTO_BYTES),
    "/api/drawings": BodyRule(JSON, MAX_JSON_BYTES),
    "/api/digits": BodyRule(JSON, 100 * KB),
    "/api/datasets": BodyRule(ARCHIVES, MAX_DATA_BYTES, held=False),
    "/api/datasets/openml": BodyRule(JSON, 10 * KB),
    "/api/jobs": BodyRule(JSON, MAX_JSON_BYTES),
}
PATH = re.compile(r"/(?:[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}(?:/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}){0,7})?")


def body_rule(method: str, path: str) -> BodyRule:
    """Return what a request may carry."""
    return POSTS.get(path, NO_BODY) if method == "POST" else NO_BODY
