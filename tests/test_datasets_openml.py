"""OpenML against a local server that misbehaves in every way servers do."""

import errno
import gzip
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from datasets_makers import arff_text, openml_answers, sample
from openml_server import (
    BOUND_S,
    FILE,
    HASTY,
    PATIENT,
    SPEC,
    VAIN,
    Server,
    body,
    change_a_byte,
    cut_off,
    drip,
    garbage,
    not_found,
    packed,
    redirect_away,
    redirect_loop,
    reply,
    reset,
    server_error,
    stall,
    stall_half_way,
    too_long,
    web_page,
)

from inklens.datasets import available, clear, fetch, info, load_dataset
from inklens.datasets.openml import cache, client, download
from inklens.datasets.openml.catalogue import find_known
from inklens.datasets.openml.client import OpenML
from inklens.datasets.openml.download import Limits, fetch_bytes
from inklens.datasets.options import LoadOptions, PixelOptions
from inklens.errors import DataError, DownloadError, OutputError, ParameterError
from inklens.tasks import doctor


@pytest.fixture
def server(monkeypatch, tmp_path):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("INKLENS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "none"))
    server = Server()
    monkeypatch.setenv("INKLENS_OPENML_URL", server.url)
    yield server
    server.stop()


def load(server, limits=HASTY, *, name="digits@3", offline=False, progress=None):
    return client.load(name, LoadOptions(offline=offline), progress, server=OpenML(server.url, limits))


def assert_right(dataset):
    X, y = sample()
    np.testing.assert_array_equal(dataset.X, X)
    np.testing.assert_array_equal(dataset.y, y)


def files_in(tmp_path):
    return sorted(p.name for p in (tmp_path / "cache").rglob("*") if p.is_file())


def test_fetches_once_and_works_offline_ever_after(server, tmp_path):
    told = []
    assert_right(load(server, progress=lambda *step: told.append(step)))
    assert told[-1][:2] == (len(body()), len(body()))
    n_requests = len(server.requests)
    assert_right(load_dataset(SPEC, offline=True))
    assert_right(load_dataset("openml:digits", offline=True))
    assert len(server.requests) == n_requests
    assert files_in(tmp_path) == ["X.npy", "lock", "meta.json", "y.npy"]


def test_newest_active_version_when_none_is_named(server):
    assert load(server, name="digits").source == SPEC


@pytest.mark.parametrize(
    "faults",
    [
        [stall],
        [cut_off],
        [stall_half_way],
        [reset, reset],
        [server_error, server_error, server_error],
        [garbage],
        [web_page],
        [change_a_byte],
        [too_long],
        [packed],
        [reset, cut_off, stall_half_way],
    ],
    ids=lambda faults: "+".join(fault.__name__ for fault in faults),
)
@pytest.mark.parametrize("etag", ['"v1"', None], ids=["resumes", "restarts"])
def test_passing_faults_are_overcome(server, faults, etag):
    server.etag, server.faults = etag, list(faults)
    assert_right(load(server, limits=PATIENT))


def test_resumes_where_it_was_cut_off(server):
    server.faults = [cut_off]
    load(server)
    assert server.ranges == [None, "bytes=150000-"]
    assert server.statuses == [200, 206]


def test_a_later_call_resumes_what_an_earlier_one_left(server):
    server.faults = [stall_half_way] + [stall] * 50
    with pytest.raises(DownloadError):
        load(server, VAIN)
    server.faults, server.ranges = [], []
    assert_right(load(server))
    assert server.ranges == ["bytes=100000-"]


def test_another_version_of_the_file_is_fetched_from_the_start(server):
    server.faults = [stall_half_way] + [stall] * 50
    with pytest.raises(DownloadError):
        load(server, VAIN)
    X, y = sample()
    server.content, server.etag = arff_text(X[:20], y[:20]).encode(), '"v2"'  # shorter than what has come
    server.answers = {p: json.dumps(a).encode() for p, a in openml_answers(server.content).items()}
    server.faults, server.ranges = [], []
    np.testing.assert_array_equal(load(server).X, X[:20])
    assert server.ranges == ["bytes=100000-"]  # the answer was the whole file, and it was right at once


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (stall, "silent"),
        (drip, "hardly anything|silent"),
        (reset, "reset|Remote"),
        (server_error, "503"),
        (garbage, "BadStatus|Invalid|header"),
        (cut_off, "ended after"),
        (not_found, "404"),
        (web_page, "web page"),
        (change_a_byte, "expected md5 .*, got"),
        (redirect_loop, "302"),
        (redirect_away, "refused"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_lasting_faults_end_in_bounded_time_with_one_error(server, tmp_path, fault, words):
    server.etag, server.faults = None, [fault] * 1000
    started = time.monotonic()
    with pytest.raises(DownloadError, match=words):
        load(server, VAIN)
    assert time.monotonic() - started < BOUND_S
    assert "X.npy" not in files_in(tmp_path)
    assert "meta.json" not in files_in(tmp_path)


def test_unreachable_server_is_one_clear_error(server):
    server.stop()
    with pytest.raises(DownloadError, match="embedded"):
        load(server, VAIN)


@pytest.mark.parametrize(
    "error",
    [socket.gaierror(-3, "Temporary failure in name resolution"), OSError(errno.ENETUNREACH, "Network is unreachable")],
    ids=["no name server", "no network"],
)
def test_a_machine_without_a_network_is_told_so_soon_and_one_that_comes_back_goes_on(server, monkeypatch, error):
    plain, left = socket.create_connection, [10**6]

    def create_connection(*args, **options):
        left[0] -= 1
        if left[0] >= 0:
            raise error
        return plain(*args, **options)

    monkeypatch.setattr(socket, "create_connection", create_connection)
    started, limits = time.monotonic(), Limits(stall_s=1000, read_s=1000, back_off_s=0.02, unreachable_s=0.2)
    with pytest.raises(DownloadError, match=r"offline: use --data embedded .*idx:DIR") as refusal:
        load(server, limits)
    assert error.strerror in str(refusal.value)
    assert time.monotonic() - started < BOUND_S
    left[0] = 1
    assert_right(load(server, PATIENT))


def test_how_far_a_download_is_and_why_it_is_tried_again_is_told(server):
    server.faults, told = [cut_off, server_error], []
    load(server, PATIENT, progress=lambda *step: told.append(step))
    trials = [text for _, _, text in told if text.startswith("trying again: ")]
    ended, refused = trials
    assert "ended after 150,000 of" in ended
    assert "503" in refused
    done = [(done, total) for done, total, text in told if text == "downloading"]
    assert [step for step, _ in done] == sorted({step for step, _ in done})
    assert done[-1] == (len(server.content), len(server.content))


def test_bytes_that_come_too_slowly_are_no_progress(monkeypatch):
    """A clock that goes on by a second with each chunk: at 100 kB a second all comes, at a byte a second little."""
    now = [0.0]
    monkeypatch.setattr(download.time, "monotonic", lambda: now[0])

    def fetched(size, n_chunks):
        def answer(_):
            yield download._Start(0, None, None)
            for _ in range(n_chunks):
                now[0] += 1.0
                yield bytes(size)

        monkeypatch.setattr(download._Download, "_answer", answer)
        limits = Limits(stall_s=20, read_s=1000, back_off_s=100)
        return len(fetch_bytes("http://made/x", origins=("http://made",), limits=limits))

    assert fetched(100_000, 60) == 6_000_000
    with pytest.raises(DownloadError, match="the server sends hardly anything; no progress for 20 s"):
        fetched(1, 60)


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "undeclared"])
def test_an_answer_that_is_longer_than_any_is_refused_before_it_is_held(server, monkeypatch, declared):
    def endless(handler, _):
        handler.send_response(200)
        if declared:
            handler.send_header("Content-Length", str(1 << 40))
        handler.end_headers()
        while not server.stopping.is_set():
            handler.wfile.write(bytes(1 << 16))

    monkeypatch.setattr(download, "MAX_ANSWER_BYTES", 1 << 20)
    server.faults = [endless] * 50
    with pytest.raises(DownloadError, match=r"sends [\d,]+ bytes or more; at most 1,048,576 are fetched"):
        fetch_bytes(server.url + FILE, origins=(server.url,), limits=PATIENT)
    assert len(server.ranges) == 1, "asked again"


def another_part(handler, server):
    headers = [("ETag", server.etag), ("Content-Range", f"bytes 7-{len(server.content) - 1}/{len(server.content)}")]
    reply(handler, server.content[7:], status=206, headers=headers)


def no_such_part(handler, server):
    assert handler.headers.get("Range")
    reply(handler, b"", status=416)


@pytest.mark.parametrize("fault", [another_part, no_such_part], ids=lambda fault: fault.__name__)
def test_a_part_that_was_not_asked_for_is_never_joined_on(server, fault):
    server.faults, ranges = [cut_off, fault], [None, "bytes=150000-"]
    assert_right(load(server, PATIENT))
    assert server.ranges == [*ranges, None if fault is no_such_part else ranges[1]]


def test_what_is_given_up_draws_no_more_from_the_network():
    drawn, gone_on = [], threading.Event()

    def endless():
        for number in range(10**6):
            drawn.append(number)
            yield bytes(1)
            if number == 2 * download.QUEUED_CHUNKS:
                gone_on.set()

    messages = download._in_thread(endless(), lambda: 60.0)
    for _ in range(3 * download.QUEUED_CHUNKS):
        next(messages)
    assert gone_on.is_set()
    messages.close()
    for thread in threading.enumerate():
        if thread.name == "inklens-download":
            thread.join(BOUND_S)
            assert not thread.is_alive()
    assert len(drawn) < 5 * download.QUEUED_CHUNKS


def test_a_download_that_finds_no_room_is_the_one_error(server, monkeypatch):
    plain = Path.open

    def full(path, *args, **options):
        if path.name == "download.part":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return plain(path, *args, **options)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OutputError, match=r"cannot write .*download.part.*No space left.*set INKLENS_CACHE"):
        load(server)
    monkeypatch.undo()


def test_a_download_that_bursts_is_refused_and_leaves_nothing(server, tmp_path):
    server.content = gzip.compress(bytes(150 << 20), 1)
    with pytest.raises(DownloadError, match=r"got none \(.* unpacks to over 200 times its size"):
        load(server, PATIENT)
    assert len(server.ranges) == 2, "once more, in case that it was damaged on its way"
    assert not [name for name in files_in(tmp_path) if name != "lock"]


def test_settings_of_pixels_hold_for_a_download_and_not_for_what_is_kept_of_it(server):
    X, _ = sample()
    for options, expected in ((PixelOptions(invert=True), 255 - X), (PixelOptions(), X)):
        dataset = client.load("digits@3", LoadOptions(options), None, server=OpenML(server.url, PATIENT))
        np.testing.assert_array_equal(dataset.X, expected)
    assert len(server.ranges) == 1, "the second came from the cache"


@pytest.mark.parametrize("name", ["X.npy", "y.npy", "meta.json"])
@pytest.mark.parametrize("damage", [b"", b"<html>", None])
def test_damaged_cache_is_fetched_once_more(server, tmp_path, name, damage):
    load(server)
    path = next((tmp_path / "cache").rglob(name))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data if damage is None else damage)
    before = server.requests.count(FILE)
    assert_right(load(server))
    assert server.requests.count(FILE) <= before + 1


def test_damaged_cache_without_network_names_path_and_both_hashes(server, tmp_path):
    load(server)
    path = next((tmp_path / "cache").rglob("X.npy"))
    found = bytearray(path.read_bytes())
    expected = hashlib.sha256(found).hexdigest()
    found[-1] ^= 1
    path.write_bytes(found)
    with pytest.raises((DataError, DownloadError)) as caught:
        load(server, offline=True)
    for part in (str(path), expected, hashlib.sha256(found).hexdigest()):
        assert part in str(caught.value)


def scikit_learn_cache(server, tmp_path, monkeypatch, content):
    """Fill scikit-learn's cache with the server's answers and another content."""
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "sk"))
    for path, data in {**server.answers, FILE: content}.items():
        target = tmp_path / "sk" / "openml" / "openml.org" / (path.strip("/") + ".gz")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(gzip.compress(data, 1))


def test_scikit_learns_copy_is_taken_without_a_network(server, tmp_path, monkeypatch):
    scikit_learn_cache(server, tmp_path, monkeypatch, body())
    assert_right(load(server, offline=True))
    assert server.requests == []


def test_a_changed_copy_of_scikit_learn_is_passed_over(server, tmp_path, monkeypatch):
    changed = body()[:-20] + b"7" + body()[-19:]
    scikit_learn_cache(server, tmp_path, monkeypatch, changed)
    with pytest.raises(DownloadError, match="offline"):
        load(server, offline=True)
    assert_right(load(server))
    assert server.requests == [FILE]


def test_the_pinned_checksum_counts_not_the_servers(server):
    mnist = find_known("mnist_784", 1)
    server.answers = {p.replace("digits", mnist.name): answer for p, answer in server.answers.items()}
    server.answers[mnist.url_path] = body()
    with pytest.raises(DownloadError, match=mnist.md5):
        load(server, name="mnist_784@1")
    assert set(server.requests) == {mnist.url_path}


def test_letters_of_emnist_are_turned(server):
    """Nothing but the catalogue knows that: 47 classes are no digits that could be compared."""
    emnist = find_known("EMNIST_Balanced", 1)
    X, _ = sample()
    y = np.array([str(i % 47) for i in range(len(X))])
    server.content = arff_text(X, y, classes=[str(i) for i in range(47)]).encode()
    answers = openml_answers(server.content, name=emnist.name, version=1)
    about = f"/api/v1/json/data/{answers[next(iter(answers))]['data']['dataset'][0]['did']}"
    answers[about]["data_set_description"]["url"] = server.url + FILE
    server.answers = {path: json.dumps(answer).encode() for path, answer in answers.items()}
    dataset = load(server, name="emnist_balanced")
    np.testing.assert_array_equal(dataset.images(), X.reshape(-1, 28, 28).transpose(0, 2, 1))
    np.testing.assert_array_equal(dataset.y, y)


def test_unknown_name_and_offline_are_said(server):
    with pytest.raises(DataError, match="no data set nothing"):
        load(server, name="nothing@1")
    with pytest.raises(DownloadError, match=r"offline.*inklens data fetch openml:other@1"):
        load_dataset("openml:other@1", offline=True)


def test_json_that_is_none_is_said(server):
    for path in server.answers:
        server.answers[path] = b"<html>"
    with pytest.raises(DownloadError, match="expected JSON"):
        load(server)
    for path in server.answers:
        server.answers[path] = b"[1]"
    with pytest.raises(DownloadError, match="cannot be read"):
        load(server)


@pytest.mark.parametrize("sparse", [False, True])
def test_named_classes_and_sparse_rows(server, sparse):
    X, y = sample()
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    named = np.array(names)[y.astype(int)]
    server.content = arff_text(X, named, classes=names, sparse=sparse).encode()
    server.answers = {p: json.dumps(a).encode() for p, a in openml_answers(server.content).items()}
    dataset = load(server)
    np.testing.assert_array_equal(dataset.X, X)
    np.testing.assert_array_equal(dataset.y, named)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"@DATA", b"@NOTHING", "no ARFF"),
        (b"% comment", b"junk", "no ARFF"),
        (b"@ATTRIBUTE pixel3 real", b"@ATTRIBUTE pixel3 string", "type 'string'"),
        (b"@ATTRIBUTE pixel3 real", b"@ATTRIBUTE pixel3 {a,b}", "no pixels"),
        (b",0,0,0\n", b",0,0\n", "row"),
        (b"@DATA\n0,", b"@DATA\n?,", r"missing values \(\?\): row 1"),
        (b"@DATA\n0,", b"@DATA\nx,", "row 1, column 'pixel1': 'x' is no number"),
        (b"0,1,2,3,4,5,6,7,8,9}", b"0,1,2,3,4,5,6,7,8}", "no class of 'class'"),
        (b"class {", b"klass {", "no column 'class'"),
    ],
)
def test_unusable_arff_is_a_data_error(server, old, new, words):
    if old == b",0,0,0\n":
        server.content = body()[: body().rindex(b",")] + b"\n"
    else:
        assert old in body()
        server.content = body().replace(old, new, 1)
    server.answers = {p: json.dumps(a).encode() for p, a in openml_answers(server.content).items()}
    with pytest.raises(DataError, match=words):
        load(server)


def test_list_info_fetch_clear(server, tmp_path):
    assert not info(SPEC).cached
    fetched = fetch(SPEC)
    assert fetched.cached
    assert fetched.cached_bytes > 200 * 784
    assert "first use" in fetched.trust
    assert [entry.spec for entry in available() if entry.cached] == ["embedded", "allographs", SPEC]
    assert clear("openml:digits") == fetched.cached_bytes
    assert clear("all") == 0
    assert not info(SPEC).cached
    assert files_in(tmp_path) == []
    with pytest.raises(ParameterError, match="not kept in the cache"):
        clear("embedded")


@pytest.mark.parametrize(
    "url",
    [
        "http://www.openml.org/x",
        "https://evil.org/x",
        "https://www.openml.org:8443/x",
        "https://www.openml.org@evil.org/x",
        "file:///etc/passwd",
    ],
)
def test_only_pinned_hosts_over_https(url):
    with pytest.raises(DownloadError, match="refused"):
        fetch_bytes(url, origins=client.PINNED_ORIGINS)


@pytest.mark.parametrize("is_told", [True, False], ids=["told", "untold"])
def test_a_second_writer_waits_says_so_and_gives_up_in_time(tmp_path, is_told):
    entry, told, entered = cache.Entry.of("one", tmp_path), [], []

    def second():
        with entry.locked(max_wait_s=0.2, progress=(lambda *step: told.append(step)) if is_told else None):
            entered.append(True)

    with ThreadPoolExecutor(1) as pool:
        with entry.locked():
            with pytest.raises(DownloadError, match=r"holds .*one"):
                pool.submit(second).result()
            assert [step[2] for step in told] == ["waiting for another process that fetches the same data"] * is_told
        assert not entered
        pool.submit(second).result()
    assert entered == [True]


def test_what_a_dead_writer_left_is_swept(server, tmp_path):
    folder = tmp_path / "cache" / "datasets" / "openml-digits-3"
    folder.mkdir(parents=True)
    for name in (".X.npy.abc.part", "download.part", "download.part.json"):
        (folder / name).write_bytes(b"half")
    assert_right(load(server))
    assert files_in(tmp_path) == ["X.npy", "lock", "meta.json", "y.npy"]


def test_a_cache_that_cannot_be_written_is_said(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("INKLENS_CACHE", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="set INKLENS_CACHE"):
        load(server)


def _load_in_child(url, folder):
    os.environ["INKLENS_CACHE"] = folder
    client.load("digits@3", LoadOptions(), server=OpenML(url, Limits(stall_s=60, read_s=30)))


@pytest.mark.slow
def test_six_processes_fetch_once_and_a_dead_owner_holds_no_lock(server, tmp_path):
    context = multiprocessing.get_context("spawn")
    owner, *others = (
        context.Process(target=_load_in_child, args=(server.url, str(tmp_path / "cache"))) for _ in range(6)
    )
    server.faults = [stall_half_way]
    owner.start()
    deadline = time.monotonic() + 30
    while not server.ranges and time.monotonic() < deadline:
        time.sleep(0.02)
    for other in others:
        other.start()
    os.kill(owner.pid, signal.SIGKILL)
    for child in (owner, *others):
        child.join(120)
    assert [child.exitcode for child in others] == [0] * 5
    assert server.ranges == [None, None]  # the owner's, and one for all others
    before = len(server.requests)
    assert_right(load(server))
    assert len(server.requests) == before
    assert files_in(tmp_path) == ["X.npy", "lock", "meta.json", "y.npy"]


META_OF_ANOTHER_SHAPE = [
    *({"sha256": sums} for sums in ({}, [], {"../../X.npy": "0", "y.npy": "1"}, {"X.npy": 1, "y.npy": 2})),
    *({"image_shape": shape} for shape in ([28], "28", [0, 28], [1.5, 2], None)),
    *(
        {"n_samples": -1},
        {"n_train": "x"},
        {"notes": 3},
        {"origin": []},
        {"origin": {}},
        {"name": None},
        {"format": "1"},
    ),
    *(b"{}", b"[]", b"null", b"[" * 100_000, b'{"format": 1}', b"\xff", b"1e999", b""),
]


@pytest.mark.parametrize("change", META_OF_ANOTHER_SHAPE, ids=lambda change: repr(change)[:30])
def test_a_bad_entry_is_listed_as_bad_and_hides_nothing(server, tmp_path, change):
    load(server)
    datasets = tmp_path / "cache" / "datasets"
    bad = datasets / "openml-bad-1"
    shutil.copytree(datasets / "openml-digits-3", bad)
    meta = json.loads((bad / "meta.json").read_bytes())
    (bad / "meta.json").write_bytes(change if isinstance(change, bytes) else json.dumps({**meta, **change}).encode())
    (datasets / "a file").write_bytes(b"")
    listed = {entry.path: entry for entry in available(tmp_path / "cache")}
    assert listed[str(datasets / "openml-digits-3")].cached
    assert not listed[str(bad)].cached
    assert "damaged" in listed[str(bad)].title


def long(path):
    with path.open("wb") as file:
        file.truncate(1 << 32)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
@pytest.mark.parametrize("name", ["meta.json", "X.npy", "y.npy"])
@pytest.mark.parametrize("made", [os.mkfifo, os.mkdir, lambda path: path.symlink_to(path.name), long])
def test_what_is_no_file_in_the_cache_is_a_bad_entry_and_never_waited_for(server, tmp_path, name, made):
    load(server)
    path = tmp_path / "cache" / "datasets" / "openml-digits-3" / name
    path.unlink()
    made(path)
    assert any(entry.path == str(path.parent) for entry in available(tmp_path / "cache"))
    if made is not long or name == "meta.json":  # four gigabytes take their time to add up
        with pytest.raises(DataError):
            cache.Entry(path.parent).load()


def full(path):
    path.mkdir()
    (path / "more").write_bytes(b"more")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
@pytest.mark.parametrize(
    "made", [os.mkfifo, full, lambda path: path.symlink_to(path.name)], ids=["FIFO", "full", "loop"]
)
@pytest.mark.parametrize("name", ["meta.json", "X.npy", "lock"])
def test_what_is_no_file_in_the_cache_is_replaced_and_removed(server, tmp_path, name, made):
    """What `data list` advises for a damaged entry works: fetch brings it again, clear removes it."""
    load(server)
    datasets = tmp_path / "cache" / "datasets"
    shutil.copytree(datasets / "openml-digits-3", datasets / "openml-another-1")
    path = datasets / "openml-digits-3" / name
    for mend in (lambda: assert_right(load(server)), lambda: clear("all")):
        cache._remove(path)
        made(path)
        mend()
    assert not list(datasets.iterdir()), "neither the bad entry is left, nor the one beside it"


def test_clearing_an_entry_that_leads_elsewhere_removes_nothing_there(server, tmp_path):
    load(server)
    datasets = tmp_path / "cache" / "datasets"
    (datasets / "openml-digits-3").rename(tmp_path / "mine")
    for target in (tmp_path / "mine", tmp_path / "nowhere"):
        (datasets / "openml-digits-3").symlink_to(target)
        assert clear("openml:digits@3") == 0
        assert not list(datasets.iterdir())
    assert {"X.npy", "y.npy", "meta.json"} <= {path.name for path in (tmp_path / "mine").iterdir()}


def test_one_entry_that_cannot_be_removed_keeps_no_other(server, tmp_path, monkeypatch):
    load(server)
    datasets = tmp_path / "cache" / "datasets"
    for name in ("openml-a-1", "openml-z-1"):
        shutil.copytree(datasets / "openml-digits-3", datasets / name)
    remove = cache._remove

    def stubborn(path):
        if "openml-digits" in str(path):
            raise PermissionError(errno.EPERM, "Operation not permitted", str(path))
        remove(path)

    monkeypatch.setattr(cache, "_remove", stubborn)
    with pytest.raises(OutputError, match=r"openml-digits-3.*not permitted; remove it by hand"):
        clear("all")
    assert [path.name for path in datasets.iterdir()] == ["openml-digits-3"]


def test_a_cache_that_may_not_be_looked_into_hides_nothing_else(tmp_path, monkeypatch):
    """As a user without rights there: the superuser may look everywhere."""

    def refused(path):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refused)
    assert [entry.spec for entry in available(tmp_path)][:2] == ["embedded", "mnist"]
    assert info("mnist", tmp_path).cached_bytes == 0
    assert not doctor._data_cache().ok
    with pytest.raises(DataError, match=r"cannot look into the cache.*Permission denied"):
        clear("all", tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
@pytest.mark.parametrize("name", ["download.part", "download.etag"])
def test_a_pipe_in_the_place_of_a_download_is_neither_waited_for_nor_written_to(server, tmp_path, name):
    folder = cache.Entry.of(cache.openml_key("digits", 3), tmp_path / "cache").folder
    folder.mkdir(parents=True)
    os.mkfifo(folder / name)
    assert_right(load(server))


def test_an_older_entry_stays_until_the_new_one_is_whole(server, tmp_path, monkeypatch):
    dataset = load(server)
    entry = cache.Entry(tmp_path / "cache" / "datasets" / "openml-digits-3")
    origin = entry.meta()["origin"]

    def killed(*_):
        raise KeyboardInterrupt

    for failing in ("write_text", "sha256_of"):
        monkeypatch.setattr(cache, failing, killed)
        with pytest.raises(KeyboardInterrupt):
            entry.store(dataset, origin)
        monkeypatch.undo()
        assert np.array_equal(entry.load().X, dataset.X)
    for _ in range(3):
        entry.store(dataset, origin)
        assert np.array_equal(entry.load().X, dataset.X)
        assert len(files_in(tmp_path)) <= 4
