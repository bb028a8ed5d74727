"""`inklens read --dask`: every picture is one row of a table, whatever happens to a run on the way.

Pictures are read by a cluster inside this process. Where workers die, they are processes, and what they answer is made
up, so that they need not load what reads pictures.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from inklens import DigitReader, load_dataset
from inklens.cli.main import main
from inklens.errors import ClusterError, DataError, OutputError, ParameterError, PhotoError
from inklens.tasks.reading import PictureReading, read

pa = pytest.importorskip("pyarrow")
distributed = pytest.importorskip("distributed")
cloudpickle = pytest.importorskip("cloudpickle")
parquet = pytest.importorskip("pyarrow.parquet")

from inklens import cluster  # noqa: E402
from inklens.tasks.bulk import workers  # noqa: E402
from inklens.tasks.bulk.found import Found  # noqa: E402
from inklens.tasks.bulk.pictures import Search  # noqa: E402
from inklens.tasks.bulk.plan import Batch, Known, paired, planned  # noqa: E402
from inklens.tasks.bulk.rows import schema, to_table  # noqa: E402
from inklens.tasks.bulk.run import read_into_table  # noqa: E402
from inklens.tasks.bulk.sorting import Spool  # noqa: E402
from inklens.tasks.bulk.workers import ReaderOnWorkers, answers  # noqa: E402

N_PICTURES, SIZE = 24, 4


@contextmanager
def inside(n_workers):
    """A cluster in this process; nothing listens."""
    options = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with (
        distributed.LocalCluster(n_workers=n_workers, processes=False, **options) as local,
        distributed.Client(local, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def client():
    with inside(2) as client:
        yield client


@pytest.fixture(scope="module")
def reader():
    """A reader of pixels: quicker than the one that ships."""
    coef = np.random.default_rng(0).normal(size=(10, 784))
    return DigitReader(coef, np.zeros(10), tuple("0123456789"), (28, 28))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    digits = load_dataset("embedded")
    for number in range(N_PICTURES):
        place = folder / ("b" if number % 3 else "a")
        place.mkdir(exist_ok=True)
        picture = Image.fromarray(255 - digits.images(100 * number))
        picture.resize((56, 56)).save(place / f"{number:02d}.png")
    whole = (folder / "a" / "00.png").read_bytes()
    (folder / "a" / "cut.png").write_bytes(whole[:100])
    Image.new("L", (40, 40), 255).save(folder / "blank.png")
    (folder / "notes.txt").write_text("no picture")
    (folder / ".hidden.png").write_bytes(whole)
    return folder


@pytest.fixture
def scans(drawn, tmp_path):
    """A copy that a test may change, with the times of the files."""
    return Path(shutil.copytree(drawn, tmp_path / "scans"))


@pytest.fixture
def begin(client, reader, tmp_path):
    """Read pictures into the test's table."""
    options = {"table": tmp_path / "t.parquet", "reader": reader, "cluster": lambda: nullcontext(client), "size": SIZE}
    return lambda *places, **others: read_into_table(map(str, places), **{**options, **others})


def rows_of(folder):
    return parquet.read_table(folder)


def nobody():
    raise AssertionError("there was nothing to read, and a cluster was opened")


# ---- what stands in the table


def test_every_picture_is_a_row_that_says_what_read_says(begin, scans, reader, tmp_path):
    done = begin(scans)
    table = rows_of(tmp_path / "t.parquet").to_pylist()
    paths = sorted(map(str, [*scans.glob("*/*.png"), scans / "blank.png"]))
    assert [row["path"] for row in table] == paths
    for row, plain in zip(table, read(paths, reader=reader), strict=True):
        entry = plain.to_json()
        there = Path(row["path"]).stat()
        assert (row["size"], row["modified"].value) == (there.st_size, there.st_mtime_ns)
        if entry["error"]:
            assert (row["error_code"], row["error"], row["text"]) == (*entry["error"].values(), None)
            continue
        assert row["text"] == entry["text"]
        assert row["accepted"] == all(digit["accepted"] for digit in entry["digits"])
        assert row["probability"] == min(digit["probability"] for digit in entry["digits"])
        for digit, expected in zip(row["digits"], entry["digits"], strict=True):
            digit["box"] = list(digit["box"].values())
            assert digit == {name: expected[name] for name in digit}
    n_answered = sum(row["accepted"] for row in table)
    assert done.outcomes == (n_answered, len(table) - n_answered - 1, 1)
    assert n_answered > 0
    assert [row["error_code"] for row in table if row["error_code"]] == ["truncated"]
    assert "blank" in next(row["reasons"] for row in table if row["path"].endswith("blank.png"))


@pytest.mark.slow
def test_rows_are_in_order_of_paths_whatever_the_batches(begin, scans, tmp_path):
    for size in (1, 5, 100):
        begin(scans, table=tmp_path / f"{size}", size=size)
    one, five, all_at_once = (rows_of(tmp_path / f"{size}") for size in (1, 5, 100))
    assert one.replace_schema_metadata() == five.replace_schema_metadata() == all_at_once.replace_schema_metadata()
    assert len(list((tmp_path / "5").glob("part-*.parquet"))) == -(-len(one) // 5)


@pytest.mark.skipif(sys.platform != "linux", reason="names that are no UTF-8")
def test_a_name_that_is_no_text_is_escaped(begin, scans, tmp_path):
    odd = scans / "b" / os.fsdecode(b"\xff\n.png")
    shutil.copy(scans / "b" / "01.png", odd)
    assert begin(scans / "b").n_read == 17
    paths = rows_of(tmp_path / "t.parquet")["path"].to_pylist()
    assert f"{scans}/b/\\xff\n.png" in paths
    assert begin(scans / "b", cluster=nobody).n_before == 17


# ---- what a second run does


def test_a_second_run_reads_what_is_new_or_changed(begin, scans, tmp_path):
    first = begin(scans)
    assert (first.n_before, first.n_read) == (0, N_PICTURES + 2)
    assert begin(scans, cluster=nobody).n_before == N_PICTURES + 2
    parts = {path.name: path.read_bytes() for path in (tmp_path / "t.parquet").glob("*.parquet")}
    before = {row["path"]: row for row in rows_of(tmp_path / "t.parquet").to_pylist()}

    shutil.copy(scans / "a" / "00.png", scans / "a" / "cut.png")  # repaired
    shutil.copy(scans / "a" / "00.png", scans / "0.png")  # added in front of all others
    os.utime(scans / "b" / "01.png", ns=(1, 1))
    (scans / "b" / "02.png").unlink()
    second = begin(scans)
    assert (second.n_read, second.n_before, second.n_gone) == (3, N_PICTURES - 1, 1)
    assert second.outcomes.total == N_PICTURES + 3
    assert second.outcomes.failed == 0
    table = rows_of(tmp_path / "t.parquet").to_pylist()
    assert len({row["path"] for row in table}) == len(table) == N_PICTURES + 3
    assert table[-1]["path"].endswith("/0.png")  # a part of its own
    changed = {row["path"] for row in table if row != before.get(row["path"])}
    assert changed == {str(scans / "a" / "cut.png"), str(scans / "0.png"), str(scans / "b" / "01.png")}
    same = [name for name, part in parts.items() if (tmp_path / "t.parquet" / name).read_bytes() == part]
    assert len(same) == len(parts) - 1  # both changed pictures are in one


def test_what_was_not_there_is_looked_for_again(begin, scans, tmp_path):
    late = scans / "late.png"
    assert begin(named=[str(late), str(scans / "a" / "00.png")]).outcomes.failed == 1
    (row,) = [row for row in rows_of(tmp_path / "t.parquet").to_pylist() if row["error_code"]]
    assert (row["path"], row["error_code"], row["text"]) == (str(late), "missing", None)
    shutil.copy(scans / "a" / "00.png", late)
    again = begin(named=[str(late), str(scans / "a" / "00.png")])
    assert (again.n_read, again.outcomes.failed) == (1, 0)


@pytest.mark.parametrize("kept", [[], [0, 2, 6]])
def test_a_run_that_was_killed_is_continued_as_if_it_had_not_been(kept, begin, scans, tmp_path):
    """Parts are written whole and in any order: whichever were, the table ends the same."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    begin(scans, table=whole)
    killed.mkdir()
    for number in kept:
        shutil.copy(whole / f"part-{number:07d}.parquet", killed)
    (killed / ".part-0000003.parquet.0123456789abcdef.part").write_bytes(b"half")
    n_rows = len(rows_of(killed)) if kept else 0
    assert begin(scans, table=killed).n_read == N_PICTURES + 2 - n_rows
    for part in sorted(whole.glob("*.parquet")):
        assert (killed / part.name).read_bytes() == part.read_bytes()
    assert not list(killed.glob("*.part"))


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_written(begin, scans, tmp_path):
    def stop(done, total, what):
        if done >= 2 * SIZE:
            raise KeyboardInterrupt

    stopped = begin(scans, progress=stop)
    assert stopped.interrupted
    assert stopped.n_read == 2 * SIZE == len(rows_of(tmp_path / "t.parquet"))
    assert stopped.to_json()["left"] == N_PICTURES + 2 - 2 * SIZE
    assert begin(scans).n_read == stopped.to_json()["left"]
    begin(scans, table=tmp_path / "at once")
    assert rows_of(tmp_path / "t.parquet") == rows_of(tmp_path / "at once")


def test_progress_counts_up_and_says_how_fast(begin, scans):
    told = []
    begin(scans, progress=lambda *step: told.append(step))
    reading = [(done, total) for done, total, what in told if "pictures/s" in what]
    assert reading == sorted(reading)
    assert reading[-1] == (N_PICTURES + 2, N_PICTURES + 2)


# ---- what is refused


def test_a_table_of_another_model_is_not_continued(begin, scans, reader):
    begin(scans / "a")
    other = DigitReader(reader.coef + 1, reader.intercept, reader.classes, reader.image_shape)
    for options, words in (
        ({"reader": other}, "another --model"),
        ({"reader": reader.with_parameters(pen=None)}, "other options"),
        ({"many": True}, "--many"),
    ):
        with pytest.raises(ParameterError, match=words):
            begin(scans / "a", cluster=nobody, **options)


def test_what_lies_in_the_way_is_named(begin, scans, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="found a file"):
        begin(scans, table=tmp_path / "file", cluster=nobody)
    with pytest.raises(OutputError, match="holds"):
        begin(scans, table=scans, cluster=nobody)
    (tmp_path / "t.parquet").mkdir()
    (tmp_path / "t.parquet" / "part-0000000.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="remove it"):
        begin(scans, cluster=nobody)
    parquet.write_table(pa.table({"a": [1]}), tmp_path / "t.parquet" / "part-0000000.parquet")
    with pytest.raises(OutputError, match="not written by"):
        begin(scans, cluster=nobody)
    with pytest.raises(PhotoError, match="check the name"):
        begin(scans / "none", table=tmp_path / "t2", cluster=nobody)
    with pytest.raises(PhotoError, match="check the pattern"):
        begin(scans / "*.jpg", table=tmp_path / "t2", cluster=nobody)


def test_two_runs_do_not_write_one_table(begin, scans, client):
    @contextmanager
    def meanwhile():
        with pytest.raises(OutputError, match="another run"):
            begin(scans, cluster=nobody)
        yield client

    assert begin(scans, cluster=meanwhile).n_read == N_PICTURES + 2


# ---- what is found, and planned


def test_a_search_finds_what_is_a_picture_once_joined(scans):
    (scans / "a" / "round").symlink_to(scans)
    (scans / "link.png").symlink_to(scans / "a" / "00.png")
    found = {path.path for path in Search([str(scans)])}
    assert found == set(map(str, [*scans.glob("[ab]/*.png"), scans / "blank.png", scans / "link.png"]))
    assert {path.path for path in Search([f"{scans}/**/0?.png"])} <= found
    twice = Spool(Search([str(scans), str(scans / "a")]))
    assert len(twice) > len(found) == len(list(paired(twice, [])))


names = st.text("abc/é", min_size=1, max_size=4)
stamps = st.integers(0, 1)


@given(
    st.dictionaries(names, st.tuples(stamps, stamps), max_size=30),
    st.dictionaries(names, st.tuples(stamps, stamps, st.sampled_from([0, 1, 2, 7]), st.booleans()), max_size=20),
    st.integers(1, 5),
    st.integers(1, 5),
)
def test_a_plan_reads_each_picture_that_is_not_done_once(pictures, rows, size, most_held):
    found = Spool((Found(name, *stamp, name) for name, stamp in pictures.items()), most_held=most_held)
    known = Spool((Known(name, *row) for name, row in rows.items()), most_held=most_held)
    assert list(found) == sorted(found)
    taken = {row[2] for row in rows.values()}
    batches = list(planned(paired(found, known), taken=taken, size=size))
    done = {name for name, row in rows.items() if row[3] and pictures.get(name) == row[:2]}
    assert sorted(picture.path for batch in batches for picture in batch.pictures) == sorted(pictures.keys() - done)
    for batch in batches:
        paths = [picture.path for picture in batch.pictures]
        assert paths == sorted(paths)
        assert batch.replaces == all(name in rows and rows[name][2] == batch.part for name in paths)
        assert batch.replaces or (batch.part not in taken and len(paths) <= size)
    parts = [(batch.part, batch.replaces) for batch in batches]
    assert len(set(parts)) == len(parts)


def test_many_pictures_are_planned_in_little_memory(monkeypatch):
    """What is held at a time does not grow with the number of pictures."""
    held = []
    spool = Spool(most_held=500)
    for number in range(20_000):
        spool.add(Found(f"{number * 7919 % 20_000:06d}", 1, 1, ""))
        held.append(len(spool._held))
    assert max(held) < 500
    batches = planned(paired(spool, []), taken=(), size=100)
    assert [next(batches).pictures[0].path for _ in range(3)] == ["000000", "000100", "000200"]
    assert sum(len(batch.pictures) for batch in batches) == 19_700


# ---- workers that die


class MadeUp(ReaderOnWorkers):
    """Answers without looking; what a name says happens to its worker."""

    def _read(self, picture):
        def once(number):
            if not (mark := Path(picture.source)).exists():
                mark.touch()
                os.kill(os.getpid(), number)

        if "always" in picture.path:
            os.kill(os.getpid(), signal.SIGKILL)
        if "killed" in picture.path:
            once(signal.SIGKILL)
        if "stopped" in picture.path:
            once(signal.SIGSTOP)
        return PictureReading(picture.path, error={"code": "made-up", "message": picture.path})


@pytest.fixture(scope="module")
def by_value():
    """Workers cannot import this file; what they need of it is sent."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module")
def processes(by_value):
    with cluster.opened("local:2") as client:
        yield client


@pytest.fixture
def own_processes(by_value):
    with cluster.opened("local:2") as client:
        yield client


def test_a_batch_goes_to_a_third_where_the_second_has_gone(reader):
    """Two have it at most; one that is not among those that compute any more does not have it."""
    given, processing = [], {}
    client = SimpleNamespace(
        processing=lambda: processing,
        submit=lambda *_, workers, key, **__: (
            given.append(workers) or SimpleNamespace(key=key, add_done_callback=lambda call: None)
        ),
    )
    desk = workers._Desk(client, MadeUp(reader, None, schema(reader.classes, {})))
    desk.threads = {"a": 1, "b": 1, "c": 1}
    job = workers._Job(Batch(0, ()), since=0.0, given=0.0, futures=[SimpleNamespace(key="first")])
    processing["a"] = ("first",)
    desk._again(job)
    assert given.pop() == ["b", "c"]
    processing["b"] = (job.futures[-1].key,)
    desk._again(job)
    assert given == []
    del processing["b"], desk.threads["b"]
    desk._again(job)
    assert given == [["c"]]


def made_up(client, reader, names):
    """Return the paths and codes of the rows, batch by batch of two."""
    pictures = [Found(name, 1, 1, name) for name in names]
    batches = [Batch(k, tuple(pictures[2 * k : 2 * k + 2])) for k in range(-(-len(pictures) // 2))]
    answered = dict(answers(client, iter(batches), MadeUp(reader, None, schema(reader.classes, {}))))
    rows = [row for batch in batches for row in to_table(answered[batch]).to_pylist()]
    return [(row["path"], row["error_code"]) for row in rows]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX")
def test_a_batch_whose_worker_dies_is_read_again(processes, reader, tmp_path):
    names = [f"{tmp_path}/{number:02d}" + ("killed" if number == 3 else "") for number in range(14)]
    assert made_up(processes, reader, names) == [(name, "made-up") for name in names]
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="signals of POSIX")
def test_a_picture_that_no_worker_survives_is_a_row(processes, reader, tmp_path, monkeypatch):
    monkeypatch.setattr(processes.cluster.scheduler, "allowed_failures", 0)
    names = [f"{tmp_path}/{number:02d}" + ("always" if number == 3 else "") for number in range(8)]
    assert made_up(processes, reader, names) == [(name, "crashed" if "always" in name else "made-up") for name in names]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="signals of POSIX")
def test_a_batch_whose_worker_stands_still_is_read_by_another(reader, tmp_path, monkeypatch, own_processes):
    processes = own_processes  # of which none was killed before: a killed one may still be on its way back
    monkeypatch.setattr(workers, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(workers, "TIDY_SECONDS", 0.1)
    names = [f"{tmp_path}/{number:02d}" + ("stopped" if number == 4 else "") for number in range(8)]
    pids = processes.run(os.getpid).values()
    try:
        assert made_up(processes, reader, names) == [(name, "made-up") for name in names]
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def test_a_cluster_that_goes_is_said(begin, scans, tmp_path):
    """The message says that the same command goes on; what was written stays."""
    with inside(1) as client:

        def leave(done, total, what):
            if done == 2 * SIZE:
                client.close()

        with pytest.raises(ClusterError, match=f"has gone.*{2 * SIZE} pictures .*same command"):
            begin(scans, cluster=lambda: nullcontext(client), progress=leave)
    assert len(rows_of(tmp_path / "t.parquet")) == 2 * SIZE


# ---- the command


@pytest.fixture
def command(client, monkeypatch, capsys):
    monkeypatch.setattr("inklens.cluster.opened", lambda *_, **__: nullcontext(client))

    def typed(*words, code=0, stdin=""):
        monkeypatch.setattr("sys.stdin", StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            main(list(map(str, words)))
        out, err = capsys.readouterr()
        assert ended.value.code == code, err
        return out, err

    return typed


@pytest.mark.slow
def test_the_command_makes_a_table_and_says_what_is_in_it(command, scans, tmp_path):
    table, dask = tmp_path / "t.parquet", ("--dask", "local:2")
    listed = "".join(f"{path}\n" for path in sorted(scans.glob("a/*.png")))
    out, _ = command("read", *dask, "-o", table, "--list", "-", "--json", stdin=listed)
    document = json.loads(out)
    assert document["schema_version"] == 1
    assert (document["pictures"], document["errors"], document["left"]) == (9, 1, 0)
    out, err = command("read", scans, *dask, "-o", table)
    assert (out.count("\n"), err) == (3, "")
    assert "26 pictures" in out
    assert "9 had been read before" in out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--dask", "local"], 2, "-o DIR"),
        (["-o", "t.parquet"], 2, "--dask local"),
        (["--dask", "local", "-o", "t", "--anyway"], 2, "--anyway"),
        (["--dask", "nowhere", "-o", "t"], 2, "local:N"),
        (["--dask", "tcp://10.0.0.5:8786", "-o", "t"], 2, "--insecure"),
        (["--dask", "local", "-o", "t", "none"], 1, "check the name"),
    ],
)
def test_wrong_usage_costs_nothing(words, code, said, command, scans, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out, err = command("read", scans, *words, code=code)
    assert out == ""
    assert said in err
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("t*/part*"))


def test_workers_of_this_computer_are_ours_and_let_no_library_print():
    code = (
        "from inklens import cluster; from inklens.quiet import is_process_ours\n"
        "found = {}; exec(cluster.DEAF, found); found['dask_setup'](None); assert is_process_ours()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
