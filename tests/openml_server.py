"""A local server that answers as OpenML does, and misbehaves in every way servers do."""

import gzip
import http.server
import json
import socket
import struct
import threading
from contextlib import suppress
from functools import lru_cache

from datasets_makers import arff_text, openml_answers, sample

from inklens.datasets.openml.download import Limits

HASTY = Limits(stall_s=1.5, read_s=0.4, back_off_s=0.02)
PATIENT = Limits(stall_s=20, read_s=0.8, back_off_s=0.02)  # a busy machine may sleep a second between two bytes
VAIN = Limits(stall_s=0.6, read_s=0.3, back_off_s=0.1, unreachable_s=0.3)  # for what is to fail: three attempts
BOUND_S = 30  # far above HASTY's limits, far below for ever
FILE = "/data/v1/download/5/digits.arff"
SPEC = "openml:digits@3"


@lru_cache
def body():
    """An ARFF of about 400 kB."""
    X, y = sample()
    return arff_text(X, y).encode()


class Server:
    """Answers OpenML's paths; `faults` are used up one per request of the file, then it behaves."""

    def __init__(self):
        self.answers = {path: json.dumps(answer).encode() for path, answer in openml_answers(body()).items()}
        self.content, self.faults, self.requests, self.ranges, self.statuses = body(), [], [], [], []
        self.etag = '"v1"'
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            statuses = outer.statuses

            def log_message(self, *_):
                pass

            def do_GET(self):
                self.close_connection = True
                outer.requests.append(self.path)
                with suppress(ConnectionError):
                    if self.path == FILE:
                        outer.ranges.append(self.headers.get("Range"))
                        fault = outer.faults.pop(0) if outer.faults else send_file
                        fault(self, outer)
                    elif self.path in outer.answers:
                        reply(self, outer.answers[self.path])
                    else:
                        reply(self, b"{}", status=412)

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.stopping = threading.Event()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def stop(self):
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def reply(handler, data, *, status=200, headers=(), length=None):
    if handler.path == FILE:
        handler.statuses.append(status)
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(data) if length is None else length))
    for name, value in headers:
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)


def send_file(handler, server):
    """Behave: whole file, or the part that was asked for when the version is still the same."""
    start = int((handler.headers.get("Range") or "bytes=0-")[6:-1])
    tag = [("ETag", server.etag)] if server.etag else []
    if start and server.etag and handler.headers.get("If-Range") == server.etag:
        part = [("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")]
        reply(handler, server.content[start:], status=206, headers=[*tag, *part])
    else:
        reply(handler, server.content, headers=tag)


def stall(handler, server):
    server.stopping.wait(5)


def stall_half_way(handler, server):
    headers = [("ETag", server.etag)] if server.etag else []
    reply(handler, server.content[:100_000], length=len(server.content), headers=headers)
    server.stopping.wait(5)


def cut_off(handler, server):
    headers = [("ETag", server.etag)] if server.etag else []
    reply(handler, server.content[:150_000], length=len(server.content), headers=headers)


def drip(handler, server):
    reply(handler, b"", length=len(server.content))
    for byte in server.content[:10_000]:
        if server.stopping.wait(0.02):
            break
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()


def reset(handler, server):
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def web_page(handler, server):
    reply(handler, b"<!DOCTYPE html><html>down for maintenance</html>")


def server_error(handler, server):
    reply(handler, b"oops", status=503)


def not_found(handler, server):
    reply(handler, b"no", status=404)


def change_a_byte(handler, server):
    reply(handler, server.content[:-20] + b"7" + server.content[-19:])


def too_long(handler, server):
    reply(handler, server.content + b"0,0\n", length=len(server.content) + 4)


def packed(handler, server):
    data = gzip.compress(server.content, 1)
    reply(handler, data, headers=[("Content-Encoding", "gzip"), ("ETag", '"gz"')])


def garbage(handler, server):
    handler.wfile.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")


def redirect_loop(handler, server):
    reply(handler, b"", status=302, headers=[("Location", FILE)])


def redirect_away(handler, server):
    reply(handler, b"", status=302, headers=[("Location", "http://169.254.169.254/latest/")])
