"""The notebook's widgets: their traits in Python, their frame in a browser, and both in real JupyterLab."""

import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
from chromium import NEEDS_BROWSER, chromium_runs, needs_browser
from drawn_digits import DIGITS, draw, write

from inklens import DigitReader, SoftmaxRegression, flip, load_dataset, softmax_path
from inklens.errors import DataError, ParameterError
from inklens.web.page import widget_module

pytest.importorskip("anywidget")
from traitlets import TraitError

from inklens.notebook import Confusion, CSlider, DrawDigit, Flip, models, plain

LIMIT = 95_000  # bytes of a widget's module


@pytest.fixture(scope="module")
def split():
    return load_dataset("embedded").split(train=1500, test=500, seed=9)


@pytest.fixture(scope="module")
def reader(split):
    return DigitReader.from_estimator(SoftmaxRegression(C=0.02, tol=1e-2).fit(split.X_train / 255, split.y_train))


@pytest.fixture(scope="module")
def path(split):
    return softmax_path(split.X_train / 255, split.y_train, Cs=5, C=0.1, tol=1e-2)


# ------------------------------------------------------------------------------------------------- traits


def from_browser(widget, _frame=b"", **state):
    """What a front end would tell; bytes come as the kernel hands them on."""
    widget._handle_custom_msg({"state": state}, [memoryview(_frame)] if _frame else [])


def test_what_is_drawn_becomes_variables(reader):
    pad, seen = DrawDigit(reader), []
    pad.observe(lambda change: seen.append(change["new"]), "label")
    frame = np.linspace(0, 1, 784).reshape(28, 28)
    from_browser(pad, _frame=frame.astype("<f4").tobytes(), label="7", accepted=True, probabilities={"7": 0.9})
    assert pad.frame.shape == (28, 28)
    assert pad.frame == pytest.approx(frame, abs=1e-7)
    assert (pad.label, pad.accepted, pad.probabilities, seen) == ("7", True, {"7": 0.9}, ["7"])
    assert pad._asked == b""  # what the browser told is not told back


def test_a_frame_that_is_set_goes_to_the_browser_and_is_answered_at_once(reader, split):
    pad, frame = DrawDigit(reader), split.X_test[3].reshape(28, 28) / 255
    for given in (frame, frame.ravel(), frame):
        pad.frame = given
        assert np.frombuffer(pad._asked, "<f4").reshape(28, 28) == pytest.approx(frame, abs=1e-7)
        p = reader.predict_proba(frame[None])[0]
        assert pad.label == reader.classes[int(p.argmax())]
        assert list(pad.probabilities.values()) == pytest.approx(p.tolist())
    pad.clear()
    assert pad.label == ""
    assert pad._asked != frame.astype("<f4").tobytes()
    assert pad.frame.sum() == 0


@pytest.mark.parametrize("wrong", [np.zeros((27, 28)), np.full((28, 28), 1.5), np.full((28, 28), np.nan), np.zeros(3)])
def test_what_is_no_frame_is_refused_and_nothing_changes(reader, wrong):
    pad = DrawDigit(reader)
    with pytest.raises(TraitError, match=r"expected a frame of 28 x 28 numbers from 0 \(paper\) to 1 \(ink\)"):
        pad.frame = wrong
    assert pad.frame.shape == (28, 28)
    assert pad._asked == b""


def test_a_flip_is_that_of_python(reader, split):
    frame = split.X_test[0].reshape(28, 28) / 255
    target = next(name for name in reader.classes if name != reader.predict(frame[None])[0])
    widget = Flip(reader, frame, target=target)
    assert widget.flip.ink_changed == flip(reader, frame, target).ink_changed
    widget.target = None
    assert widget.flip.ink_changed <= flip(reader, frame, target).ink_changed
    with pytest.raises(TraitError, match="expected one of the classes 0, 1"):
        widget.target = "x"


def test_the_slider_names_points_of_the_path(path, split):
    slider = CSlider(path, split)
    assert slider.C == path.Cs[-1]
    from_browser(slider, _point=1)
    assert (slider.C, slider.index) == (path.Cs[1], 1)
    assert np.array_equal(slider.coef, path.coefs[1])
    slider.C = path.Cs[2] * 1.01
    assert (slider.C, slider._point) == (path.Cs[2], 2)
    from_browser(slider, _point=-1)
    assert slider.C == path.Cs[-1]
    with pytest.raises(ParameterError, match=r"write CSlider\(path, split\)"):
        CSlider(path)


def test_a_cell_of_the_matrix_gives_its_images(reader, split):
    matrix = Confusion(reader, split)
    assert len(matrix.images) == 0
    y, answers = split.y_test, reader.predict(split.X_test.reshape(-1, 28, 28) / 255)
    from_browser(matrix, selected=["4", "4"])
    assert np.array_equal(matrix.images.reshape(-1, 784), split.X_test[(y == "4") & (answers == "4")])
    with pytest.raises(TraitError, match="expected one of the classes"):
        matrix.selected = ["4", "x"]
    with pytest.raises(TraitError, match="expected two classes"):
        matrix.selected = ["4"]
    with pytest.raises(DataError, match="which data set"):
        _ = models.TestHalf(split).dataset


@pytest.mark.parametrize("widget", [DrawDigit, Flip, CSlider, Confusion], ids=lambda widget: widget.__name__)
def test_a_module_is_small_and_imports_nothing(widget):
    module = widget_module(widget.HOST)
    assert len(module.encode()) <= LIMIT
    assert not re.search(r"https?:", module)


@pytest.mark.slow
def test_without_anywidget_a_page_says_what_to_install(reader, path, split):
    code = (
        "import sys; sys.modules['anywidget'] = None\n"
        "from importlib import util; found = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'anywidget' else found(name, *rest)\n"
        "from inklens import DigitReader; from inklens.notebook import DrawDigit\n"
        "print(repr(DrawDigit(DigitReader.shipped())))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == f"DrawDigit: {plain.INSTALL}", done.stderr
    frame = split.X_test[0].reshape(28, 28) / 255
    stands_in = [
        plain.DrawDigit(reader),
        plain.Flip(reader, frame),
        plain.CSlider(path, split),
        plain.Confusion(reader, split),
    ]
    for shown in stands_in:
        text = shown._repr_html_()
        assert "pip install" in text.partition("<iframe")[0]
        assert text.count("<iframe") == 1


# ------------------------------------------------------------------------------------------------- browser

# What anywidget gives to a module: a model with get, on and send; here without a kernel.
NOTEBOOK = """<!doctype html><html lang="en"><title>notebook</title><body><div id="cell"></div></body></html>"""
OPEN = """async ({ module, traits, bytes }) => {
  const values = { ...traits };
  const buffer = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  for (const [name, text] of Object.entries(bytes)) values[name] = buffer(text);
  const listeners = {};
  window.model = {
    get: (name) => values[name],
    set: (name, value) => { values[name] = value; },
    send: ({ state }, callbacks, [frame]) => { Object.assign(values, state, frame ? { _frame: frame } : {}); },
    on: (event, listener) => { listeners[event] = listener; },
    python: (name, value) => { values[name] = value; listeners[`change:${name}`]?.(); },
  };
  const url = URL.createObjectURL(new Blob([module], { type: 'text/javascript' }));
  const { default: widget } = await import(url);
  document.getElementById('cell').replaceChildren();
  window.close_ = widget.render({ model: window.model, el: document.getElementById('cell') });
}"""


@pytest.fixture(scope="module")
def window():
    with chromium_runs() as chromium:
        page = chromium.new_page(viewport={"width": 1100, "height": 1000})
        page.said = []
        page.on("console", lambda message: page.said.append(message.text))
        page.on("pageerror", lambda error: page.said.append(str(error)))
        page.set_content(NOTEBOOK)
        yield page


def until(frame, condition, seconds=10):
    """Wait until an expression holds in a frame, whose policy lets no tool evaluate text in it by itself."""
    end = time.monotonic() + seconds
    while not frame.evaluate(condition):
        assert time.monotonic() < end, condition
        frame.page.wait_for_timeout(20)


def shown(window, widget):
    """Show a widget as a notebook would, and return its frame once it is alive."""
    import base64

    state = widget.get_state()
    names = [name for name in state if name in {"_title", "_language", "_point", "target", "selected"}]
    known = ("_frame", "_asked", "_model")
    given = {
        "module": widget._esm,
        "traits": {name: state[name] for name in names} | {},
        "bytes": {name: base64.b64encode(getattr(widget, name)).decode() for name in known if name in state},
    }
    window.evaluate(OPEN, given)
    frame = window.locator("iframe").element_handle().content_frame()
    until(frame, "!!globalThis.inklens?.app || document.getElementById('trouble')?.hidden === false")
    assert frame.locator("#trouble").is_hidden(), frame.locator("#trouble").inner_text()
    return frame


def trait(window, name, wanted):
    """A trait's value on the notebook's side, once it is the wanted one."""
    window.wait_for_function(
        "([name, v]) => JSON.stringify(model.get(name)) === v",
        arg=[name, json.dumps(wanted, separators=(",", ":"))],
        timeout=60_000,
    )
    return window.evaluate("(name) => model.get(name)", name)


class TestInABrowser:
    pytestmark = NEEDS_BROWSER

    @pytest.mark.slow
    def test_digits_are_read_as_drawn(self, window):
        frame = shown(window, DrawDigit(DigitReader.shipped()))
        for digit in ("4", "7", "9"):
            frame.evaluate("inklens.app.startDrawing()")
            write(frame, DIGITS[digit], each=True)
            trait(window, "label", digit)
        trait(window, "accepted", True)
        window.wait_for_function("model.get('strokes').length === 1 && model.get('strokes')[0].points.length > 20")
        assert window.evaluate("model.get('_frame').byteLength") == 784 * 4
        assert window.said == []

    def test_a_blank_pad_is_a_free_drawing(self, window, reader):
        frame = shown(window, DrawDigit(reader))
        assert frame.evaluate("inklens.app.mode.value") == "drawing"

    def test_python_lays_a_frame_on_the_pad(self, window, reader, split):
        pad = DrawDigit(reader, frame=split.X_test[5].reshape(28, 28) / 255)
        frame = shown(window, pad)
        ink = frame.evaluate("Array.from(inklens.app.frame.value)")
        assert ink == pytest.approx((split.X_test[5] / 255).tolist(), abs=1e-6)
        trait(window, "label", reader.predict(pad.frame[None])[0])
        window.evaluate("model.python('_asked', new DataView(new ArrayBuffer(0)))")
        trait(window, "label", "")
        assert frame.evaluate("inklens.app.mode.value") == "drawing"

    def test_a_target_goes_both_ways(self, window, reader, split):
        digit = split.X_test[0].reshape(28, 28) / 255
        frame = shown(window, Flip(reader, digit, target="3"))
        assert frame.evaluate("inklens.app.model.value.classes[inklens.app.target.value]") == "3"
        frame.evaluate("inklens.app.target.value = 8")
        trait(window, "target", "8")
        window.evaluate("model.python('target', null)")
        assert frame.evaluate("inklens.app.target.value") is None

    @pytest.mark.slow
    def test_a_point_goes_both_ways(self, window, path, split):
        frame = shown(window, CSlider(path, split))
        assert frame.evaluate("inklens.app.point.value") == 4
        frame.evaluate("inklens.app.point.value = 2")
        trait(window, "_point", 2)
        window.evaluate("model.python('_point', 1)")
        until(frame, "inklens.app.point.value === 1")

    @pytest.mark.slow
    def test_a_cell_goes_both_ways(self, window, reader, split):
        matrix = Confusion(reader, split)
        matrix.selected = ["4", "9"]
        frame = shown(window, matrix)
        assert frame.evaluate("inklens.app.cell.value") == {"t": 4, "p": 9}
        frame.evaluate("inklens.app.cell.value = { t: 7, p: 2 }")
        trait(window, "selected", ["7", "2"])
        window.evaluate("model.python('selected', ['1', '1'])")
        until(frame, "inklens.app.cell.value.t === 1")

    def test_the_frame_grows_with_its_view_and_leaves_the_notebook_alone(self, window, reader):
        shown(window, DrawDigit(reader))
        window.wait_for_function("document.querySelector('iframe').offsetHeight !== 620")
        assert window.evaluate("document.documentElement.lang") == "en"
        assert window.evaluate("document.adoptedStyleSheets.length + document.styleSheets.length") == 0
        window.evaluate("close_()")
        assert window.said == []


# ------------------------------------------------------------------------------------------------- JupyterLab

CELLS = (
    "from inklens import DigitReader\n"
    "from inklens.notebook import DrawDigit\n"
    "pad = DrawDigit(DigitReader.shipped())\n"
    "pad",
    "print(pad.label, pad.frame.shape, len(pad.strokes), pad.accepted)",
)


@contextmanager
def jupyterlab(folder):
    """Start JupyterLab without a token on a port of its own, with a notebook; yield its address."""
    import nbformat

    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    (folder / "files").mkdir()
    nbformat.write(notebook, folder / "files" / "digit.ipynb")
    own = {"CONFIG_DIR": "config", "DATA_DIR": "data", "RUNTIME_DIR": "run"}
    environment = {**os.environ, **{f"JUPYTER_{name}": str(folder / where) for name, where in own.items()}}
    environment |= {"IPYTHONDIR": str(folder / "ipython"), "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces")}
    options = {
        "ip": "127.0.0.1",
        "port": "0",
        "root_dir": str(folder / "files"),
        "open_browser": "False",
        "allow_root": "True",
    }
    command = [sys.executable, "-m", "jupyterlab", "--expose-app-in-browser", "--IdentityProvider.token="]
    command += [f"--ServerApp.{name}={value}" for name, value in options.items()] + ["--LabApp.news_url="]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield next(filter(None, (re.search(r"http://127\.0\.0\.1:\d+", line) for line in process.stderr)))[0]
        finally:
            process.terminate()
            process.communicate()


@pytest.mark.slow
@needs_browser
def test_a_digit_drawn_in_jupyterlab_is_a_variable_of_the_notebook(tmp_path, window):
    pytest.importorskip("jupyterlab")
    with jupyterlab(tmp_path) as address:
        page = window.context.browser.new_page(viewport={"width": 1300, "height": 1200})
        page.goto(f"{address}/lab/tree/digit.ipynb")
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
        page.evaluate("jupyterapp.shell.currentWidget.sessionContext.ready")
        run = "(which) => jupyterapp.commands.execute(`notebook:run-${which}`)"
        page.evaluate(run, "all-cells")
        frame = page.wait_for_selector(".jp-Notebook iframe", timeout=60_000).content_frame()
        frame.wait_for_selector("#pad")
        for digit in ("4", "8"):  # two strokes, and one; all ten are drawn above
            frame.evaluate("inklens.app.startDrawing()")
            draw(frame, digit)
        # The second cell says what Python knows, again until that is all of the last digit.
        said = page.evaluate(
            """async (wanted) => {
            const { content } = jupyterapp.shell.currentWidget;
            content.activeCellIndex = 1;
            for (let i = 0; i < 40; i += 1) {
                await jupyterapp.commands.execute('notebook:run-cell');
                const [output] = content.widgets[1].model.outputs.toJSON();
                if (output?.text?.includes(wanted)) return output.text;
                await new Promise((done) => setTimeout(done, 500));
            }
            return JSON.stringify(content.widgets[1].model.outputs.toJSON());
        }""",
            "8 (28, 28) 1 True",
        )
        assert said.strip() == "8 (28, 28) 1 True"
        page.close()
