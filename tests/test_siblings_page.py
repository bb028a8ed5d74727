"""The page of the race: whole at every moment, filling by itself, for every eye; and the command that makes it."""

import json
import re
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import test_displays_contract as contract
from chromium import chromium_runs, needs_browser
from command import run

from inklens import load_dataset
from inklens.cli.main import _run
from inklens.displays import NARROW, WIDE
from inklens.errors import OutputError
from inklens.pages import ReportFigure
from inklens.siblings.drawings import DecisionDisplay, ImportancesDisplay, StandingsDisplay, WeightsDisplay
from inklens.siblings.page import SiblingsPage
from inklens.siblings.results import Decision, Mark, Outcome, Seconds, Voter, standings
from inklens.siblings.run import Siblings, run_siblings

PATIENT = 240.0


def decision(case, **parts):
    """A decision with everything that one may have."""
    rng = np.random.default_rng(0)
    said, against = case.names[0], case.names[-1]
    return Decision(
        said,
        against,
        dict(zip(case.names, rng.normal(size=len(case.names)).tolist(), strict=True)),
        "share of the vote",
        1.0,
        ("What it says.",),
        pixels=case.coef[0].tolist(),
        marks=tuple(Mark(int(k % case.shape[0]), int(3 * k % case.shape[1]), "row 3, column 4: no") for k in range(9)),
        voters=tuple(
            Voter(k, case.names[k % len(case.names)], adds, "12.34 away\n+0.055 × 38.3")
            for k, adds in enumerate((1.0, 2.0, -1.0, 0.0, 3.0))
        ),
        **parts,
    )


def several(case):
    """Standings of models with names of every length."""
    rng = np.random.default_rng(0)
    y = np.array([case.names[k % len(case.names)] for k in range(40)])
    outcomes = [
        Outcome(
            name, name, "", fit=Seconds(wall, wall), answers=[t if rng.random() < right else y[0] for t in y.tolist()]
        )
        for name, wall, right in (("softmax regression (ours)", 0.0001, 0.9), ("b", 250.0, 0.5), ("c & <d>", 1.0, 0.97))
    ]
    return standings(outcomes, y, outcomes[0].key)


DISPLAYS = {
    "decision": lambda c: DecisionDisplay(c.images[0], decision(c), true=c.names[-1], voters=c.images),
    "decision of pixels": lambda c: DecisionDisplay(
        c.images[0], replace(decision(c), marks=(), voters=()), true=c.names[0]
    ),
    "standings": lambda c: StandingsDisplay(several(c), ours="softmax regression (ours)"),
    "importances": lambda c: ImportancesDisplay({"a forest of many trees": c.images[0], "b": c.images[1] * 0}),
    "weights": lambda c: WeightsDisplay({"SVC": c.coef[0], "softmax": c.coef[-1]}, pair=(c.names[0], c.names[-1])),
}


@pytest.fixture
def display(request):
    name, case = request.param
    return DISPLAYS[name](contract.CASES[case])


@contract.each(contract.ODD, slow=contract.OTHERS, displays=DISPLAYS)
def test_figures_keep_the_contract_of_all_displays(display):
    for width in (NARROW, WIDE):
        contract.test_words_stay_inside_do_not_overlap_and_are_legible(display, width)
    contract.test_alt_is_a_sentence_of_its_own(display)


@contract.each(contract.ODD, displays=DISPLAYS)
def test_figures_are_the_same_each_time_and_draw_where_they_are_told(display):
    contract.test_svg_holds_words_as_words_and_is_always_the_same(display)
    contract.test_draws_on_given_axes(display)


def test_the_map_of_a_decision_can_be_read_pixel_by_pixel():
    case = contract.CASES[contract.DIGITS]
    drawn = DISPLAYS["decision"](case).plot()
    (values,) = [reading.values for reading in drawn.readings if reading is not None and reading.values is not None]
    assert np.array_equal(values, case.coef[0])


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A race with its page at every moment."""
    folder = tmp_path_factory.mktemp("siblings") / "page"
    page, moments = SiblingsPage.at(folder, rows=" --train 300 --test 150"), []

    def changed(state):
        page.write(state)
        moments.append((list(state.outcomes), page.file.read_text(encoding="utf-8")))

    only = ["knn", "tree", "rbf-svc", "strokes"]  # one for each kind of picture
    named = ["sklearn.naive_bayes:BernoulliNB()"]
    done = run_siblings(
        load_dataset("embedded"), train=300, test=150, only=only, named=named, budget=PATIENT, cached=False,
        changed=changed,
    )  # fmt: skip
    return folder, done, moments


@pytest.mark.slow
def test_every_moment_is_a_whole_page_and_only_the_last_rests(filled):
    folder, done, moments = filled
    assert len(moments) > len(done.siblings)
    assert moments[0][0] == []
    for outcomes, text in moments[:-1]:
        assert text.rstrip().endswith("</html>")
        assert "location.reload()" in text
        assert "The race is on" in text
        assert all(done.outcomes[key].title in text for key in outcomes)
    assert "location.reload()" not in moments[-1][1]
    assert "The race is on" not in moments[-1][1]
    assert sorted(path.name for path in folder.iterdir()) == ["index.html", "numbers.json"]


def plain(done):
    return json.loads(json.dumps(done.to_json()))


@pytest.mark.slow
def test_the_page_says_what_the_numbers_say(filled):
    folder, done, moments = filled
    text = moments[-1][1]
    assert json.loads((folder / "numbers.json").read_text(encoding="utf-8"))["models"] == plain(done)["models"]
    for standing in done.standings:
        assert f"{standing.accuracy.value:.1%}" in text
        assert text.count(f'id="figure-digit-0-{standing.outcome.key}"') == 1
        for number, one in enumerate(standing.outcome.decisions):
            assert f"{standing.outcome.title}: says {one.said}" in text, number
    assert "alpha" not in text
    assert "α<sub>i</sub> y<sub>i</sub>" in text
    assert "inklens siblings --train 300 --test 150 --budget 300" in text
    assert "KNeighborsClassifier(n_neighbors=3, weights=&#39;distance&#39;).fit(X_train, y_train)" in text
    assert "http" not in re.sub(r"http://www.w3.org/[\w/]+", "", text)


@pytest.mark.slow
def test_where_ours_loses_is_said(filled):
    _, done, moments = filled
    better = [s.outcome.title for s in done.standings if s.verdict == "better"]
    assert better, "strokes are better than pixels even on 300 rows"
    loses = re.search(r"<strong>Ours loses to (.*?)\.</strong>", re.sub(r"<a[^>]*>|</a>", "", moments[-1][1]))
    assert loses
    assert all(title in loses[1] for title in better)


@pytest.mark.slow
def test_an_interrupted_race_says_so(filled):
    _, done, _ = filled
    state = Siblings(done.dataset, done.split, 9, done.siblings, 60.0, 1, dict(list(done.outcomes.items())[:2]))
    state.interrupted = True
    page = SiblingsPage.at("unused")
    text = page.render(state)
    assert "stopped by Ctrl-C" in text
    assert "location.reload()" not in text
    knn = replace(done.outcomes["knn"], stopped="stopped at round 2 of 9 after 3 s", notes=("It did not converge",))
    failed = Outcome("tree", "tree", "", failed="ValueError: <b>not today</b>")
    state.outcomes |= {"knn": knn, "tree": failed}
    text = page.render(state)
    assert "stopped at round 2 of 9 after 3 s" in text
    assert "not its last word" in text
    assert "It did not converge." in text
    assert "ValueError: &lt;b&gt;not today&lt;/b&gt;" in text


def test_a_page_that_is_somebody_elses_is_left_alone(tmp_path):
    (tmp_path / "index.html").write_text("mine")
    with pytest.raises(OutputError, match="another page"):
        SiblingsPage.at(tmp_path)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="not a folder"):
        SiblingsPage.at(tmp_path / "file")
    assert SiblingsPage.at(tmp_path / "page.html").file == tmp_path / "page.html"
    (tmp_path / "numbers.json").write_text("{}")
    assert SiblingsPage.at(tmp_path).file == tmp_path / "index.html"


# ---- the command --------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_command_prints_the_promised_document(tmp_path, monkeypatch, capfd):
    """In this process, whose children are forked from a server that is there already; figures are drawn above."""
    monkeypatch.setenv("INKLENS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(ReportFigure, "html", lambda figure: figure.name)
    command = ["siblings", "--train", "200", "--test", "80", "--only", "knn,tree", "--budget", str(PATIENT)]
    command += ["--no-open", "-o", str(tmp_path / "page.html")]
    assert _run([*command, "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert document["schema_version"] == 1
    assert [model["name"] for model in document["models"]] == ["softmax", "knn", "tree"]
    promised = {"name", "accuracy", "interval", "fit", "predict", "predict_proba", "stopped"}
    assert promised <= document["models"][0].keys()
    assert document["page"] == str(tmp_path / "page.html")
    assert [path.name for path in tmp_path.iterdir() if path.name != "cache"] == ["page.html"]
    assert _run(command) == 0
    said = capfd.readouterr().out
    assert "knn" in said
    assert str(tmp_path / "page.html") in said


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["--only", "oak"], 2, ["'oak'", "softmax"]),
        (["--with", "os:system('touch harmed')"], 2, ["no class", "'system'"]),
        (["--with", "GaussianNB()"], 2, ["MODULE:CLASS"]),
        (["--budget", "0"], 2, ["--budget"]),
        (["--pair", "5", "x"], 2, ["two classes"]),
        (["--data", "csv:none.csv"], 1, ["none.csv"]),
        (["--train", "9999"], 2, ["5000"]),
    ],
)
def test_wrong_usage_gives_one_clear_line(args, code, words, tmp_path):
    done = run("siblings", *args, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("inklens: ")
    assert all(word in line for word in words), line
    assert list(tmp_path.iterdir()) == []


# ---- in the browser -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@needs_browser
def test_the_page_fills_by_itself_and_suits_every_width(filled, tmp_path):
    _, _, moments = filled
    file = tmp_path / "page.html"
    file.write_text(next(text for outcomes, text in moments if len(outcomes) == 3), encoding="utf-8")
    with chromium_runs() as chromium:
        page = chromium.new_page(viewport={"width": 360, "height": 800})
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(file.as_uri())
        assert page.locator("text=The race is on").count() == 1
        door = page.locator("#door-1-softmax summary")
        door.click()
        file.write_text(moments[-1][1], encoding="utf-8")
        page.locator("text=The race is on").wait_for(state="detached", timeout=60_000)
        assert page.locator("#figure-standings svg").first.get_attribute("aria-label")
        for width in (360, 768, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), width
        assert said == []
        assert {url.split(":")[0] for url in asked} <= {"file", "data"}
        if find_spec("axe_playwright_python"):
            from axe_playwright_python.sync_playwright import Axe

            page.evaluate("document.querySelectorAll('details').forEach(closed => { closed.open = true; })")
            found = Axe().run(page).response["violations"]
            assert [(v["id"], [n["html"][:200] for n in v["nodes"][:2]]) for v in found] == []
