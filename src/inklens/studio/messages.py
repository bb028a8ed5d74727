"""What parent and child processes tell each other: JSON and bytes over a pipe, never objects that could run code."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from inklens.studio import limits

MAX_MESSAGE_BYTES = 1024 * limits.MB  # a child that was taken over cannot fill the parent's memory with one answer


@dataclass(frozen=True)
class Message:
    """A question or an answer.

    Parameters
    ----------
    data : dict
        JSON-ready.
    blobs : tuple of bytes
        Files and arrays.
    """

    data: Mapping[str, object]
    blobs: tuple[bytes, ...] = field(default=(), repr=False)


def send(connection: Connection, message: Message) -> None:
    """Send a message whole."""
    head = {"data": message.data, "blobs": len(message.blobs)}
    connection.send_bytes(json.dumps(head, allow_nan=False).encode())
    for blob in message.blobs:
        connection.send_bytes(blob)


def receive(connection: Connection) -> Message:
    """Return the next message.

    Raises
    ------
    EOFError, OSError, ValueError
        The other side is gone, or sent something else.
    """
    head = json.loads(connection.recv_bytes(MAX_MESSAGE_BYTES))
    blobs = tuple(connection.recv_bytes(MAX_MESSAGE_BYTES) for _ in range(int(head["blobs"])))
    if not isinstance(head["data"], dict):
        raise ValueError("expected an object")
    return Message(head["data"], blobs)
