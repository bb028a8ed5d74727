"""Modules joined into one: the same behaviour as the modules, nothing imported, and refusal of what is not known."""

import hashlib
import json
import re

import pytest
from chromium import NEEDS_BROWSER, chromium_runs

from inklens.web.bundle import LICENSES, _in_order, joined, read_module, read_static, split, static
from inklens.web.tokens import COMMENT, REGEX, ModuleError, Reader, without_comments

MODULES = sorted(path.relative_to(static()).as_posix() for path in static().rglob("*.js"))
FACE = "http://face.test"  # answered by the test itself


def tokens(source):
    return list(Reader(source, "m.js").tokens())


# ------------------------------------------------------------------------------------------------- what others wrote


def test_vendored_files_are_those_that_are_listed():
    listed = re.findall(r"^(\S+): (\S+) ([\d.]+), (\S+), sha256 ([0-9a-f]{64})$", read_static(LICENSES), re.MULTILINE)
    folder = static() / "vendor"
    assert {name for name, *_ in listed} == {path.name for path in folder.iterdir()} - {"LICENSES.txt"}
    for name, package, _, license, digest in listed:
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, f"{name} is not {package}"
        assert license in ("BSD-3-Clause", "MIT")
    assert "Redistribution and use in source and binary forms" in read_static(LICENSES)
    assert "Permission is hereby granted, free of charge" in read_static(LICENSES)


@pytest.mark.parametrize("name", ["lit-html.js", "signals-core.js"])
def test_vendored_files_name_no_other_file_or_host(name):
    text = (static() / "vendor" / name).read_text(encoding="utf-8")
    assert "http" not in text
    assert "sourceMappingURL" not in text
    assert read_module(f"vendor/{name}", text).imports == []


# ------------------------------------------------------------------------------------------------- tokens


@pytest.mark.parametrize("name", MODULES)
def test_tokens_are_the_source(name):
    source = read_static(name)
    assert "".join(token.text for token in Reader(source, name).tokens()) == source


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("a = 1; // 'b", "a=1;"),
        ("a = '// no comment'; /* b */", "a='// no comment';"),
        ('a = "\\"/* no */";', 'a="\\"/* no */";'),
        ("a = `x /* no */ ${ b /* yes */ + `// no ${ c }` } y`;", "a=`x /* no */ ${b+`// no ${c}`} y`;"),
        ("a = `\\${ // no`;", "a=`\\${ // no`;"),
        ("a = b / c; // d / e", "a=b/c;"),
        ("a = b / /c/.d;", "a=b/ /c/.d;"),
        ("a = /[/*]/ .test(b); /* c */", "a=/[/*]/.test(b);"),
        ("if (a) /b'/.test(c)", "if(a)/b'/.test(c)"),
        ("a = (b) / c / d; '//'", "a=(b)/c/d;'//'"),
        ("return /'/ ", "return/'/"),
        ("a.in / 2 // b", "a.in/2"),
        ("a = of / most; b = c / d", "a=of/most;b=c/d"),
        ("for (const a of /b c/.d) e", "for(const a of/b c/.d)e"),
        ("a = b\n/* c */\nd", "a=b\nd"),
        ("a = b /*\n*/ d", "a=b\nd"),
        ("a\n++b", "a\n++b"),
        ("a + +b - -c", "a+ +b- -c"),
        ("a = 1 .toFixed()", "a=1 .toFixed()"),
        ("/a/ in b", "/a/ in b"),
        ("a = x ? .5 : 1", "a=x?.5:1"),
        ("return {\n  a,\n}\n", "return{a,}"),
        ("const f = () => {\n}\nconst g = 1", "const f=()=>{}\nconst g=1"),
        ("a = [1]\n(b)", "a=[1]\n(b)"),
    ],
)
def test_comments_and_space_go_and_meaning_stays(source, kept):
    assert without_comments(tokens(source)) == kept
    again = without_comments(tokens(kept))
    assert again == kept


def test_a_division_is_no_regular_expression():
    assert not [token for token in tokens("a = (b + c) / d / e; f[0] / g / h; i++ / j / k") if token.kind == REGEX]
    found = [
        token.text for token in tokens("a = /b/g; (/c/); [/d/]; x => /e/; !/f/; y && /g[/]h/u") if token.kind == REGEX
    ]
    assert found == ["/b/g", "/c/", "/d/", "/e/", "/f/", "/g[/]h/u"]


@pytest.mark.parametrize(
    ("source", "line", "says"),
    [
        ("\n\na = `b", 3, "does not end"),
        ("a = (b", 1, "not closed"),
        ("\na = b)", 2, "closes nothing"),
        ("a = b}", 1, "closes nothing"),
        ("a = {} / b", 1, "may divide or begin"),
        ("a = 'b\n'", 1, "begins nothing known"),
        ("a = /b\n/", 1, "does not end"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(source, line, says):
    with pytest.raises(ModuleError, match=rf"^m.js:{line}: .*{says}"):
        tokens(source)


# ------------------------------------------------------------------------------------------------- joining


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("\nimport x from './b.js';", "expected '{', got 'x'"),
        ("\nimport * as x from './b.js';", r"expected '{', got '\*'"),
        ("\nimport './b.js';", "expected '{'"),
        ("\nimport { b } from 'lit';", "no relative address"),
        ("\nimport { b } from '../b.js';", "leads out"),
        ("\nimport { b } from './b.js'", "expected ';'"),
        ("\nimport { c } from './b.js';", "b.js does not export c"),
        ("\nimport { c } from './none.js';", "there is no module none.js"),
        ("\nimport { a } from './a.js';", "in a circle: a.js -> a.js"),
        ("\nexport default 1;", "expected 'function' or 'async' or 'const' or 'class', got 'default'"),
        ("\nexport let x = 1;", "got 'let'"),
        ("\nexport const { x } = y;", "expected a word, got '{'"),
        ("\nexport { b };", "expected 'from', got ';'"),
        ("\nexport { c } from './b.js';", "b.js does not export c"),
        ("\nexport { a } from './a.js';", "in a circle: a.js -> a.js"),
        ("\nexport * from './b.js';", "expected"),
        ("\nexport async function* f() {}", "expected a word"),
        ("\nconst x = () => { import('./b.js'); };", "inside of a function"),
        ("\nimport('./b.js');", "expected '{'"),
        ("\nconst x = import.meta.url;", "expected '{', got '.'"),
    ],
)
def test_other_forms_of_import_and_export_are_refused(tmp_path, source, says):
    (tmp_path / "a.js").write_text(source)
    (tmp_path / "b.js").write_text("export const b = 1;")
    with pytest.raises(ModuleError, match=rf"^a.js:2: .*{says}"):
        joined("a.js", folder=tmp_path)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("const two = 1;\nexport const b = two;", "b.js: two is a name of front/a.js, too"),
        ("export function other(two) { return two; }\nfunction a() {}\nexport const b = 1;", "b.js: a is a name of"),
        ("import { a as c } from './a.js';\nexport const b = c;", "b.js:1: .* by the same names"),
        ("import { away } from '../away.js';\nexport const b = away;", "b.js:1: .* import each other alone"),
    ],
)
def test_files_behind_a_front_share_their_names(tmp_path, source, says):
    (tmp_path / "front").mkdir()
    (tmp_path / "front.js").write_text("export { a } from './front/a.js';\nexport { b } from './front/b.js';\n")
    (tmp_path / "front/a.js").write_text("const one = 1, two = 2;\nexport const a = one + two;")
    (tmp_path / "away.js").write_text("export const away = 1;")
    (tmp_path / "front/b.js").write_text(source)
    with pytest.raises(ModuleError, match=f"^front/{says}"):
        joined("front.js", folder=tmp_path)


def test_nobody_reaches_behind_a_front(tmp_path):
    (tmp_path / "front").mkdir()
    (tmp_path / "front.js").write_text("export { a } from './front/a.js';\n")
    (tmp_path / "front/a.js").write_text("export const a = 1;\nexport const hidden = 2;")
    (tmp_path / "top.js").write_text("import { a } from './front.js';\nimport { hidden } from './front/a.js';\n")
    with pytest.raises(ModuleError, match=r"^top.js:2: import from front.js what it passes on"):
        joined("top.js", folder=tmp_path)


def test_a_circle_is_refused(tmp_path):
    (tmp_path / "a.js").write_text("import { b } from './b.js';\nexport const a = 1;")
    (tmp_path / "b.js").write_text("import { a } from './a.js';\nexport const b = 1;")
    with pytest.raises(ModuleError, match=r"b.js:1: .* circle: a.js -> b.js -> a.js"):
        joined("a.js", folder=tmp_path)


def test_joined_modules_import_nothing_and_carry_the_licences():
    text = joined("hosts/page.js")
    words = [token for token in tokens(text) if token.text in ("import", "export") and token.depth == 0]
    assert words == []
    assert read_static(LICENSES) in text
    comments = [token.text for token in tokens(text) if token.kind == COMMENT]
    assert len(comments) == 1
    assert "http" not in re.sub(r"http://www\.w3\.org/[\w/]+", "", text)


def test_a_page_of_one_language_has_its_texts_and_no_other():
    words = {"en": "Draw a digit here", "de": "Hier eine Ziffer zeichnen"}
    for language in words:
        code = joined("hosts/page.js", language=language)
        assert {other for other, text in words.items() if text in code} == {language}


def test_two_parts_hold_every_module_once_and_share_what_both_need():
    first, later = split("hosts/studio.js", "hosts/studio_views.js", address="/app.js")
    made = [re.findall(r"^const (m\d+)=\(\(\)=>", part, re.M) for part in (first, later)]
    assert not set(made[0]) & set(made[1])
    begin, end = (
        sum(not module.name.startswith("core/") for module in _in_order(entry, static(), None))
        for entry in ("hosts/studio.js", "hosts/studio_views.js")
    )
    assert len(made[0]) == begin
    assert len(made[1]) < end, "what the first has is not there twice"
    given = set(re.search(r"export\{([^}]*)\};\n$", first)[1].split(","))
    taken = set(re.match(r"import\{([^}]*)\}from\"/app.js\";", later)[1].split(","))
    assert taken == given <= set(made[0])
    used = set(re.findall(r"=(m\d+);$", later, re.M))
    assert used <= taken | set(made[1])


@pytest.fixture(scope="module")
def window():
    """A page of `FACE`, where the browser's files and what a test adds to `window.files` are served."""
    with chromium_runs() as chromium:
        page = chromium.new_page()
        page.files = {name: read_static(name) for name in MODULES} | {"index.html": "<!doctype html><title>x</title>"}

        def answer(route):
            name = route.request.url.removeprefix(f"{FACE}/")
            kind = "text/html" if name.endswith("html") else "text/javascript"
            route.fulfill(body=page.files[name], content_type=f"{kind}; charset=utf-8")

        page.route(f"{FACE}/**", answer)
        page.goto(f"{FACE}/index.html")
        yield page


DIAMOND = {
    "top.js": """import { left as l, count } from './in/left.js';
import { right } from './in/right.js';
import { bump as b, Kept } from './vendor/other.js';
import { area, twofold as twice2 } from './shapes.js';
/** Not `count`, which is another module's. */
const counted = count() + count();
export const words = [l, right, counted, new Kept(3).value, b(1), area(3), twice2];
export function* twice(x) { yield x; return yield* [x]; }
export async function later() { return `${words[0]} // ${await 1}`; }
export class Named { static name2 = 'Named'; }
export { once as base, name } from './in/base.js';
""",
    "in/left.js": """import { once } from './base.js';
const name = 'left'; // the same name in both
export const left = `${name}${once()}`;
let n = 0;
export function count() { n += 1; return n; }
""",
    "in/right.js": """import { once } from './base.js';
const name = 'right';
export const right = `${name}${once()}`;
""",
    "in/base.js": "let n = 0;\nexport function once() { n += 1; return n; }\nexport const name = 'base';\n",
    "shapes.js": """export { area } from './shapes/square.js';
export { doubled as twofold } from './shapes/sizes.js';
""",
    "shapes/square.js": """import { doubled, SIDES } from './sizes.js';
export function area(n) { return n * n + doubled * SIDES; }
""",
    "shapes/sizes.js": "const one = 1, two = 2;\nexport const doubled = two * one;\nexport const SIDES = 4;\n",
    "vendor/other.js": "const n=2;class K{constructor(v){this.value=v*n}}const f=t=>t+n;export{f as bump,K as Kept};\n",
    "vendor/LICENSES.txt": "Free.\n",
}


class TestInABrowser:
    pytestmark = NEEDS_BROWSER

    def test_names_do_not_meet_and_modules_run_once(self, window, tmp_path):
        for name, source in DIAMOND.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(source)
            window.files[f"d/{name}"] = source
        window.files["d.js"] = joined("top.js", folder=tmp_path)
        told = """async (url) => { const m = await import(url);
            return [m.words, await m.later(), m.Named.name2, [...m.twice(1)], m.name, m.base(),
                Object.keys(m).sort()]; }"""
        modules = window.evaluate(told, f"{FACE}/d/top.js")
        assert modules[0] == ["left1", "right2", 3, 6, 3, 17, 2]
        assert window.evaluate(told, f"{FACE}/d.js") == modules

    def test_the_face_joined_computes_what_its_modules_compute(self, window):
        window.files["joined.js"] = joined("core.js")
        computed = """async (url) => {
            const core = await import(url);
            const inked = (i) => i % 56 > 20 && i % 56 < 29 && i > 448 && i < 2600;
            const ink = new Float32Array(784 * 4).map((_, i) => (inked(i) ? 1 : 0));
            const { frame } = core.normaliseDrawing(ink, 56, 56);
            return [Object.keys(core).sort(), Array.from(frame), Array.from(core.transform('pixels', frame)),
                Array.from(core.softmax(Float64Array.of(1, -2, 3)))];
        }"""
        modules = window.evaluate(computed, f"{FACE}/core.js")
        assert window.evaluate(computed, f"{FACE}/joined.js") == modules
        assert sum(modules[1]) > 0

    @pytest.mark.parametrize("entry", ["app.js", "texts.js"])
    def test_every_export_of_the_face_is_there(self, window, entry):
        window.files[f"all-{entry}"] = joined(entry)
        names = "async (url) => JSON.stringify(Object.keys(await import(url)).sort())"
        joined_names = json.loads(window.evaluate(names, f"{FACE}/all-{entry}"))
        assert joined_names == json.loads(window.evaluate(names, f"{FACE}/{entry}"))
        assert joined_names
