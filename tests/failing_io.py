"""A process in which single calls of the system fail: commands come as lines of JSON, and each runs in a fork.

Started with `failing_io.c`, compiled, in LD_PRELOAD.
"""

import ctypes
import json
import os
import subprocess
import sys
from pathlib import Path

KINDS = ("open", "write", "fsync", "rename", "unlink", "mkdir")


def compiled(folder):
    """Compile the library; None where that is not possible."""
    library = Path(folder) / "failing_io.so"
    command = ["cc", "-O1", "-shared", "-fPIC", "-o", library, Path(__file__).with_suffix(".c"), "-ldl"]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return library


class Commands:
    """The process, from the tests' side."""

    def __init__(self, library, scratch):
        self._scratch = scratch
        environment = os.environ | {"LD_PRELOAD": str(library), "OPENBLAS_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )

    def run(self, args, folder, *, kind="", nth=0, forever=False, environment=None):
        """Run a command whose n-th call of a kind that touches the folder fails; return code, stderr and counts."""
        order = {"args": list(map(str, args)), "folder": str(folder), "kind": kind, "nth": nth, "forever": forever}
        order |= {"scratch": str(self._scratch), "environment": environment or {}}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def stop(self):
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


def _serve():
    from importlib import import_module

    commands = import_module("inklens.cli.main")
    for module in ("models", "explaining", "export", "judging", "photos", "homework", "classroom", "data", "tutorial"):
        import_module(f"inklens.cli.{module}")
    for module in ("displays", "evaluation", "explanations", "tutorial.run", "pages", "classroom.checking"):
        import_module(f"inklens.{module}")
    calls = ctypes.CDLL(None)
    for line in sys.stdin:
        order = json.loads(line)
        told = Path(order["scratch"]) / "told"
        child = os.fork()
        if not child:
            _child(commands.main, calls, order, told)
        _, status = os.waitpid(child, 0)
        counts, err = told.with_suffix(".counts"), told.with_suffix(".err").read_text()
        found = json.loads(counts.read_text()) if os.WIFEXITED(status) else {}
        print(json.dumps({"code": os.waitstatus_to_exitcode(status), "err": err, "counts": found}), flush=True)


def _child(main, calls, order, told):
    code = 99
    try:
        os.environ.update(order["environment"])
        streams = ((Path(os.devnull), "r"), (told, "w"), (told.with_suffix(".err"), "w"))
        for number, (path, mode) in enumerate(streams):
            with path.open(mode) as stream:
                os.dup2(stream.fileno(), number)
        sys.stdin, sys.stdout, sys.stderr = (open(n, mode, closefd=False) for n, mode in enumerate("rww"))  # noqa: SIM115
        sys.argv = ["inklens", *order["args"]]
        kind = KINDS.index(order["kind"]) if order["kind"] else -1
        calls.failing_io_arm(os.fsencode(order["folder"]), kind, order["nth"], order["forever"])
        try:
            main(order["args"])
        except SystemExit as ended:
            code = ended.code or 0
        counts = {name: calls.failing_io_count(number) for number, name in enumerate(KINDS)}
        calls.failing_io_arm(b"", -1, 0, 0)
        told.with_suffix(".counts").write_text(json.dumps(counts))
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    _serve()
