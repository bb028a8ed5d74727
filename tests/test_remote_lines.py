"""What travels between the driver and its workers, past Dask and through it: nothing is lost, mixed up or left behind.

Rows of the robustness table: X1, X3, X9.
"""

import os
import socket
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from inklens import cluster
from inklens.linear.rows.remote import keeper, lines, shards, wire
from inklens.linear.rows.remote.remote_rows import RemoteRows
from inklens.linear.rows.rows import Rows

da = pytest.importorskip("dask.array")
pytest.importorskip("distributed")
pytestmark = pytest.mark.skipif(not lines.HAS_SOCKETS, reason="sockets of files")

N, P, K = 900, 12, 3
X = np.random.default_rng(0).integers(0, 256, (N, P)).astype(np.uint8)
WEIGHTS = np.random.default_rng(1).uniform(0.5, 2.0, N)
MESSAGES = {
    "none": {},
    "numbers": {"a": 1.5, "text": "x", "all": (1, None)},
    "arrays": (np.arange(7.0), np.arange(12, dtype=np.uint8).reshape(3, 4).T, np.zeros((0, 5))),
    "large": np.arange(1 << 18),
    "many": [np.full(3, float(i)) for i in range(wire.AT_ONCE * 3 + 1)],
}


@pytest.fixture
def pair():
    """Both ends of a socket whose system buffers hold little, so that messages go in pieces."""
    one, other = socket.socketpair()
    for end in (one, other):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 12)
        end.settimeout(20.0)
    with one, other:
        yield one, other


@pytest.fixture(scope="module")
def client():
    with cluster.opened("local:1") as opened:
        yield opened


@pytest.fixture
def rows(client):
    rows = RemoteRows.on_workers(da.from_array(X, chunks=(130, -1)), client=client)
    yield rows
    rows.close()


def used(rows):
    return {type(place.line) for place in rows.shards._places.values()}


@pytest.mark.parametrize("name", MESSAGES)
def test_messages_arrive_as_they_were_together_and_in_order(name, pair):
    message = MESSAGES[name]
    with ThreadPoolExecutor(1) as pool:
        sent = pool.submit(lambda: [wire.send(pair[0], wire.frames(i), wire.frames(message)) for i in range(2)])
        found = [wire.receive(pair[1]) for _ in range(2)]
        sent.result()
    assert [number for number, _ in found] == [0, 1]
    for _, there in found:
        np.testing.assert_equal(there, message)
    through = wire.packed(message)
    assert isinstance(through, bytes) == (wire.n_bytes(message) <= wire.SMALL_BYTES)
    np.testing.assert_equal(wire.unpacked(through), message)


def test_arrays_that_arrive_may_be_changed_and_are_aligned(pair):
    sent = np.arange(5.0)
    wire.send(pair[0], wire.frames(("a", np.arange(3, dtype=np.uint8), sent)))
    [(_, _, there)] = wire.receive(pair[1])
    there += 1.0
    assert there.flags.aligned
    np.testing.assert_array_equal(sent, np.arange(5.0))


def test_who_asks_past_dask_is_the_owner_and_alone():
    path = Path(lines.listen(lambda *messages: [os.getpid(), *messages]))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    line = lines.OnThisComputer(str(path))
    answers = [line.send(wire.Letter(f"question {i}"), i).result(20.0) for i in range(3)]
    assert answers == [[os.getpid(), f"question {i}", i] for i in range(3)]
    assert not path.parent.exists()
    [thread] = [thread for thread in threading.enumerate() if thread.name == "inklens-line"]
    line.close()
    thread.join(20.0)
    assert not thread.is_alive()


def test_where_nobody_comes_nothing_stays(monkeypatch):
    monkeypatch.setattr(lines, "OPEN_SECONDS", 0.05)
    path = Path(lines.listen(lambda: None))
    for thread in threading.enumerate():
        if thread.name == "inklens-line":
            thread.join(20.0)
    assert not path.parent.exists()


def listening(tmp_path):
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(tmp_path / "line"))
    door.listen(1)
    return door


@pytest.mark.parametrize("sent", [b"\x02", b"\x02\x00\x00\x00", None])
def test_what_breaks_off_is_an_error_and_not_waited_for(sent, tmp_path, monkeypatch):
    """A worker that is late is asked whether it lives: one that lives, and owes half a message, would be trusted."""
    monkeypatch.setattr(lines, "STALL_SECONDS", 0.1)
    with listening(tmp_path) as door:
        line = lines.OnThisComputer(str(tmp_path / "line"))
        other, _ = door.accept()
        with other:
            large = np.zeros(1 << 22) if sent is None else None  # nobody reads it
            waited = line.send(wire.Letter("question"), large)
            if sent is not None:
                with pytest.raises(TimeoutError):
                    waited.result(0.01)
                other.sendall(sent)
            with pytest.raises(ConnectionError, match="broke off"):
                waited.result(20.0)
        line.close()


def test_a_worker_that_goes_is_seen_at_once(tmp_path):
    with listening(tmp_path) as door:
        line = lines.OnThisComputer(str(tmp_path / "line"))
        door.accept()[0].close()
        with pytest.raises(ConnectionError):
            line.send(wire.Letter("question"), None).result(20.0)
        line.close()


def test_both_ways_bring_the_same_bits(client, rows, monkeypatch):
    """Workers of this computer are asked past Dask; where that is impossible, through it."""
    rng = np.random.default_rng(2)
    proba, D, d = rng.dirichlet(np.ones(K), N), rng.normal(size=(K, P)), rng.normal(size=K)
    past = rows.hessian_product(proba, WEIGHTS, D, d)
    assert used(rows) == {lines.OnThisComputer}
    for place in rows.shards._places.values():
        place.hang_up()
    monkeypatch.setattr(lines, "HAS_SOCKETS", False)
    through = rows.hessian_product(proba, WEIGHTS, D, d)
    assert used(rows) == {lines.ThroughDask}
    assert rows.traffic.n_lost == 0
    for one, other in zip(past, through, strict=True):
        np.testing.assert_array_equal(one, other)
    monkeypatch.setattr(wire, "SMALL_BYTES", 0)
    np.testing.assert_array_equal(rows.hessian_product(proba, WEIGHTS, D, d)[0], past[0])
    np.testing.assert_allclose(past[0], Rows.of(X).hessian_product(proba, WEIGHTS, D, d)[0], rtol=1e-9)


def test_an_answer_that_nobody_waited_for_is_not_taken_for_the_next(rows, monkeypatch):
    """As after Ctrl-C: the best point is proven, with other questions, while the old answers are on their way."""
    answer = shards.Shards._answer

    def interrupted(self, *asked):
        raise KeyboardInterrupt

    expected = WEIGHTS @ X.astype(np.float64)
    np.testing.assert_allclose(rows.column_sums(WEIGHTS), expected, rtol=1e-12)
    monkeypatch.setattr(shards.Shards, "_answer", interrupted)
    with pytest.raises(KeyboardInterrupt):
        rows.column_squares(WEIGHTS)
    monkeypatch.setattr(shards.Shards, "_answer", answer)
    np.testing.assert_allclose(rows.column_sums(WEIGHTS), expected, rtol=1e-12)
    assert used(rows) == {lines.OnThisComputer}
    assert rows.traffic.n_lost == 0


def test_after_an_error_no_shard_goes_on_behind_the_next_question():
    own, gate, begun, ended = keeper.Keeper.__new__(keeper.Keeper), threading.Event(), [], []

    def answered(number):
        if number == 0:
            threading.Timer(0.2, gate.set).start()  # the other thread has begun, and ends after this has failed
            raise ValueError
        begun.append(number)
        gate.wait(20.0)
        ended.append(number)
        return number, 0.0

    own.pool = ThreadPoolExecutor(2)
    with pytest.raises(ValueError):
        list(own._each(answered, list(range(9))))
    assert sorted(begun) == sorted(ended)  # threads may end in another order than they began
    assert [number for number, _ in own._each(lambda number: (number, 0.0), list(range(9)))] == list(range(9))
