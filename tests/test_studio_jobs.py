"""Long work of the studio: followed, cancelled, lost and found."""

import os
import signal

import numpy as np
import pytest
import studio as studios

from inklens.studio import jobs, limits


@pytest.fixture
def patient(monkeypatch):
    """A studio that kills no process which is about to give what it has: a busy machine is no failure."""
    monkeypatch.setattr(jobs, "CANCEL_SECONDS", studios.SECONDS)


def test_a_cancelled_fit_keeps_the_best_with_its_bound(studio, patient):
    job = studios.long_fit(studio)
    studio.until(job, lambda known: known["progress"] and known["progress"].get("lower_bound"))
    assert studio.client.delete(f"/api/jobs/{job['id']}").json()["state"] in ("running", "cancelled")
    ended = studio.ended(job)
    assert ended["state"] == "cancelled"
    assert 0 < ended["result"]["lower_bound"] <= ended["result"]["objective"]
    kept = studio.client.get(f"/api/models/{ended['model']}").json()
    assert kept["certificate"]["lower_bound"] == ended["result"]["lower_bound"]
    assert studio.client.delete(f"/api/jobs/{job['id']}").json() == ended
    resumed = studio.job(kind="fit", **studios.LONG, start=ended["model"])
    as_good = 1.01 * ended["result"]["objective"]
    studio.until(resumed, lambda known: known["progress"] and (known["progress"].get("objective") or np.inf) <= as_good)
    studio.client.delete(f"/api/jobs/{resumed['id']}")


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="stops processes")
def test_a_job_that_is_cancelled_before_it_runs_never_does(studio):
    running = [studios.long_fit(studio), studios.long_fit(studio)]
    for job in running:
        studio.until(job, lambda known: known["progress"])
        os.kill(studio.server.studio.jobs.get(job["id"]).task.pid, signal.SIGSTOP)  # neither ends by itself
    waiting = studios.long_fit(studio)
    assert studio.client.delete(f"/api/jobs/{waiting['id']}").json()["state"] == "cancelled"
    lined = [studios.long_fit(studio) for _ in range(limits.MAX_WAITING_JOBS)]
    refused = studio.client.post("/api/jobs", json={"kind": "fit"})
    studios.is_problem(refused, 429)
    assert int(refused.headers["retry-after"]) > 0
    for job in lined:
        assert studio.client.delete(f"/api/jobs/{job['id']}").json()["state"] == "cancelled"
    for job in running:
        os.kill(studio.server.studio.jobs.get(job["id"]).task.pid, signal.SIGCONT)
        studio.client.delete(f"/api/jobs/{job['id']}")
        assert studio.ended(job)["state"] == "cancelled"


def test_a_lost_connection_goes_on_where_it_was(studio):
    job = studio.job(kind="fit", train=1000, test=500, C=0.1)
    first = studios.events(studio, job, most=3)
    rest = studios.events(studio, job, after=first[-1]["id"])
    numbers = [event["id"] for event in first + rest]
    assert numbers == sorted(set(numbers))
    assert rest[-1]["event"] == "done"
    assert [event["id"] for event in studios.events(studio, job, after=first[-1]["id"])][-1] == numbers[-1]


def test_a_job_whose_process_is_killed_is_said_to_have_died(studio):
    job = studios.long_fit(studio)
    studio.until(job, lambda known: known["progress"] and known["progress"].get("objective"))
    os.kill(studio.server.studio.jobs.get(job["id"]).task.pid, signal.SIGKILL)
    ended = studio.ended(job)
    assert (ended["state"], ended["error"]["type"]) == ("died", "urn:inklens:process-died")
    assert studios.events(studio, job)[-1]["event"] == "died"


def test_what_a_job_cannot_do_is_said(studio, fitted):
    shipped = studio.models()[0]["id"]
    ended = studio.ended(studio.job(kind="path", model=shipped, points=5))
    assert (ended["state"], ended["error"]["type"]) == ("failed", "urn:inklens:parameter")
    for asked in (
        {"kind": "fit", "data": "csv:x"},
        {"kind": "fit", "data": "tests"},
        {"kind": "fit", "C": 0},
        {"kind": "fit", "D": 1},
        {"kind": "x"},
    ):
        found = studios.is_problem(studio.client.post("/api/jobs", json=asked), 422)
        assert "pydantic" not in found["detail"]
        assert "Input should" not in found["detail"]


@pytest.mark.slow
def test_a_path_comes_into_the_bytes_for_the_browser(studio, fitted):
    from inklens.web.payload import parse

    before = studio.client.get(f"/api/models/{fitted}/web")
    assert parse(before.content)[0]["path"] is None
    assert studio.ended(studio.job(kind="path", model=fitted, points=5))["state"] == "done"
    after = studio.client.get(f"/api/models/{fitted}/web", headers={"if-none-match": before.headers["etag"]})
    assert len(parse(after.content)[0]["path"]["Cs"]) == 5
    assert studio.client.get(f"/api/models/{fitted}").json()["has_path"]
