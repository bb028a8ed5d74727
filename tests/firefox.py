"""Firefox ESR by WebDriver BiDi: as much of the protocol as the tests of the exported page need."""

import base64
import itertools
import json
import re
import shutil
import subprocess
from contextlib import contextmanager

from websockets.sync.client import connect

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")

# No request of the browser's own, and no address that a name could be looked up at.
PREFERENCES = {
    "network.proxy.type": 1,
    "network.proxy.socks": "127.0.0.1",
    "network.proxy.socks_port": 9,  # discard: nobody listens
    "network.proxy.socks_remote_dns": True,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.normandy.enabled": False,
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}
SECONDS = 60  # for one answer, on a busy machine


class Firefox:
    """One window; `said` is what its console says, `asked` every address that it asks for."""

    def __init__(self, socket):
        self.socket, self.ids = socket, itertools.count(1)
        self.said, self.asked = [], []
        self.send("session.new", capabilities={})
        self.context = self.send("browsingContext.getTree")["contexts"][0]["context"]
        self.send("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])

    def send(self, method, **params):
        """Send one command and return its result; events that come before it are kept."""
        number = next(self.ids)
        self.socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv(timeout=SECONDS))
            if message.get("method") == "log.entryAdded":
                self.said.append(message["params"]["text"])
            elif message.get("method") == "network.beforeRequestSent":
                self.asked.append(message["params"]["request"]["url"])
            elif message.get("id") == number:
                assert message["type"] == "success", message
                return message["result"]

    def open(self, url):
        """Load a page."""
        self.send("browsingContext.navigate", context=self.context, url=url, wait="complete")

    def resize(self, width, height):
        """Set the size of the window's inside."""
        size = {"width": width, "height": height}
        self.send("browsingContext.setViewport", context=self.context, viewport=size)

    def evaluate(self, expression):
        """Return the JSON value of an expression, of a promise once it is kept."""
        answer = self.send(
            "script.evaluate",
            expression=f"(async () => JSON.stringify(await ({expression})))()",
            target={"context": self.context},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        return json.loads(answer["result"].get("value", "null"))

    def draw(self, strokes):
        """Draw with the mouse: each stroke a list of points in the window."""
        move = [
            {"type": "pointerMove", "duration": 10, "x": round(x), "y": round(y)} for x, y in itertools.chain(*strokes)
        ]
        actions, at = [], 0
        for stroke in strokes:
            first, *rest = move[at : at + len(stroke)]
            actions += [first, {"type": "pointerDown", "button": 0}, *rest, {"type": "pointerUp", "button": 0}]
            at += len(stroke)
        pen = {"type": "pointer", "id": "pen", "parameters": {"pointerType": "mouse"}, "actions": actions}
        self.send("input.performActions", context=self.context, actions=[pen])

    def screenshot(self):
        """Return the window as PNG."""
        return base64.b64decode(self.send("browsingContext.captureScreenshot", context=self.context)["data"])


@contextmanager
def firefox(profile):
    """Start Firefox with a fresh profile in a folder, without a network."""
    profile.mkdir()
    lines = [f'user_pref("{name}", {json.dumps(value)});\n' for name, value in PREFERENCES.items()]
    (profile / "user.js").write_text("".join(lines))
    command = [FIREFOX, "--headless", "--no-remote", "--remote-debugging-port", "0", "--profile", str(profile)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        try:
            address = next(filter(None, (re.search(r"ws://\S+", line) for line in process.stderr)))[0]
            with connect(f"{address}/session", max_size=None, open_timeout=SECONDS, proxy=None) as socket:
                yield Firefox(socket)
        finally:
            process.terminate()
            process.communicate()
