"""The command line in a process of its own, forked from one that has imported all it needs."""

import gc
import multiprocessing
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HEAVY = [
    "inklens.cli.main",
    "inklens.displays",
    "inklens.tutorial.page",
    "inklens.siblings.page",
    "inklens.classroom.checking",
    "inklens.classroom.homework",
    "inklens.notebook.lesson",
    "inklens.cli.explaining",
    "inklens.cli.judging",
    "inklens.cli.models",
    "inklens.cli.photos",
    "inklens.exports.model",
    "inklens.tasks.figures",
    "inklens.tasks.verification",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "safetensors.numpy",
]
CAN_FORK = "forkserver" in multiprocessing.get_all_start_methods()


def run(*args, fresh=False, **options):
    """Return what a command printed and its exit code, as `subprocess.run` does; `fresh` starts a new interpreter."""
    args = list(map(str, args))
    if fresh or not CAN_FORK or not options.keys() <= {"input", "env", "cwd", "timeout"}:
        options = {"capture_output": True, "text": True, "timeout": 120} | options
        return subprocess.run([sys.executable, "-m", "inklens", *args], **options)
    with tempfile.TemporaryDirectory() as folder:
        streams = [Path(folder) / name for name in ("in", "out", "err")]
        for path in streams:
            path.write_text("")
        streams[0].write_text(options.get("input") or "", encoding="utf-8")
        where, environment = options.get("cwd") or Path.cwd(), options.get("env") or dict(os.environ)
        process = _server().Process(target=_serve, args=(args, streams, where, environment))
        process.start()
        process.join(options.get("timeout", 120))
        if process.is_alive():
            process.kill()
            raise subprocess.TimeoutExpired(args, options.get("timeout", 120))
        out, err = (path.read_text(encoding="utf-8", errors="replace") for path in streams[1:])
        return subprocess.CompletedProcess(args, process.exitcode, out, err)


def _server():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(HEAVY)
    return context


def _serve(args, streams, where, environment):
    gc.freeze()  # a search for garbage among what was imported would copy all its pages
    gc.set_threshold(50_000)  # as in the tests themselves
    os.chdir(where)
    os.environ.clear()
    os.environ.update(environment)
    for number, (path, mode) in enumerate(zip(streams, "rww", strict=True)):
        with path.open(mode) as stream:
            os.dup2(stream.fileno(), number)
    sys.stdin, sys.stdout, sys.stderr = (open(n, mode, encoding="utf-8", closefd=False) for n, mode in enumerate("rww"))  # noqa: SIM115
    sys.argv = ["inklens", *args]
    from inklens.cli.main import main

    try:
        main(args)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
