"""The studio's checks, each by itself: who may ask, what a request may hold, what JSON is, what a name is."""

import json

import pytest

from inklens import strict_json
from inklens.studio import guard, limits
from inklens.studio.limits import BodyRule
from inklens.studio.problems import Problem, field_sentence
from inklens.studio.static import ADDRESSES, plain_assets
from inklens.studio.store import Store, check_name

HOSTS = guard.hosts_of(8421)
OWN = b"http://127.0.0.1:8421"


@pytest.mark.parametrize("host", [b"127.0.0.1:8421", b"localhost:8421", b"[::1]:8421"])
def test_the_studios_own_names_are_let_in(host):
    assert guard.check_host([(b"host", host)], HOSTS) is None


@pytest.mark.parametrize(
    "host",
    [
        b"evil.com",
        b"evil.com:8421",
        b"127.0.0.1.nip.io:8421",
        b"0.0.0.0:8421",
        b"localhost.:8421",
        b"localhost",
        b"127.0.0.1:80",
        b"127.0.0.1:08421",
        b"127.1:8421",
        b"2130706433:8421",
        b"LOCALHOST:8421@evil.com",
        b"",
        b"127.0.0.1:8421, evil.com",
        b"127.0.0.1:8421 ",
    ],
)
def test_other_names_are_refused(host):
    assert guard.check_host([(b"host", host)], HOSTS).status == 421


def test_a_host_is_there_once():
    assert guard.check_host([], HOSTS).status == 421
    assert guard.check_host([(b"host", b"127.0.0.1:8421")] * 2, HOSTS).status == 421


def site(method, path, **headers):
    return guard.check_site(method, path, [(k.replace("_", "-").encode(), v) for k, v in headers.items()], HOSTS)


def test_the_page_itself_and_programs_are_let_in():
    assert site("GET", "/api/models") is None
    assert site("POST", "/api/jobs") is None
    for method in ("GET", "POST", "DELETE"):
        assert site(method, "/api/jobs", origin=OWN, sec_fetch_site=b"same-origin") is None
    assert site("GET", "/api/models", sec_fetch_site=b"none") is None
    assert site("GET", "/", sec_fetch_site=b"cross-site", sec_fetch_mode=b"navigate") is None


@pytest.mark.parametrize(
    "origin",
    [
        b"null",
        b"http://evil.com",
        b"https://127.0.0.1:8421",
        b"http://127.0.0.1:8422",
        b"http://127.0.0.1:8421.evil.com",
    ],
)
def test_another_origin_changes_nothing(origin):
    for method in ("GET", "POST", "DELETE"):
        assert site(method, "/api/jobs", origin=origin).status == 403


@pytest.mark.parametrize("where", [b"cross-site", b"same-site", b"", b"Same-Origin"])
def test_another_site_changes_nothing(where):
    assert site("POST", "/api/jobs", sec_fetch_site=where).status == 403
    assert site("GET", "/api/models", sec_fetch_site=where).status == 403
    assert site("POST", "/", sec_fetch_site=where, sec_fetch_mode=b"navigate").status == 403
    assert site("GET", "/", sec_fetch_site=where, sec_fetch_mode=b"no-cors").status == 403


def test_a_typed_address_cannot_post():
    assert site("POST", "/api/jobs", sec_fetch_site=b"none").status == 403


@pytest.mark.parametrize(
    "path",
    [
        "/..",
        "/../etc/passwd",
        "/api/models/../x",
        "/api/models/..%2fx",
        "/a\\b",
        "//evil.com",
        "/a//b",
        "/.hidden",
        "/x\x00",
        "/a b",
        "/%2e%2e",
        "/~me",
        "/a?b",
        "/a#b",
        "/ä",
        "/" + "a" * 101,
        "/a" * 9,
        "",
        "a",
        "/a/",
    ],
)
def test_paths_that_no_route_has_are_refused(path):
    assert guard.check_path(path).status == 404


@pytest.mark.parametrize("path", ["/", "/app.js", "/api/models/0123456789abcdef/cells/4/9", "/openapi.json"])
def test_paths_of_routes_are_let_in(path):
    assert guard.check_path(path) is None


def test_every_address_of_a_file_is_let_in_and_is_there():
    assert set(plain_assets()) < set(ADDRESSES)
    assert all(guard.check_path(path) is None for path in ADDRESSES)
    for asset in plain_assets().values():
        assert asset.body
        assert asset.answer("gzip", None)[2]["Content-Encoding"] == "gzip"


JSON_RULE = BodyRule(limits.JSON, 100)


def body(rule=JSON_RULE, **headers):
    return guard.check_body([(k.replace("_", "-").encode(), v) for k, v in headers.items()], rule)


def test_bodies_are_of_their_kind_and_size():
    assert body(content_type=b"application/json", content_length=b"100") is None
    assert body(content_type=b"application/json; charset=utf-8") is None
    assert body(content_type=b"application/json", content_length=b"101").status == 413
    for kind in (b"text/plain", b"application/x-www-form-urlencoded", b"multipart/form-data; boundary=x", b""):
        assert body(content_type=kind).status == 415
    assert body().status == 415
    assert body(content_type=b"application/json", content_encoding=b"gzip").status == 415
    assert body(content_type=b"application/json", content_length=b"-1").status == 400
    assert guard.check_body([(b"content-type", b"image/heic")], limits.POSTS["/api/read"]) is None


def test_what_takes_no_body_gets_none():
    assert guard.check_body([], limits.NO_BODY) is None
    assert guard.check_body([(b"content-length", b"0")], limits.NO_BODY) is None
    assert guard.check_body([(b"content-length", b"1")], limits.NO_BODY).status == 413
    assert guard.check_body([(b"transfer-encoding", b"chunked")], limits.NO_BODY).status == 413


def test_security_headers_are_added_once_and_an_answers_own_count():
    own = (b"content-security-policy", b"sandbox")
    assert [value for name, value in guard.with_security([own]) if name == own[0]] == [b"sandbox"]
    assert (b"x-content-type-options", b"nosniff") in guard.with_security([])
    assert "unsafe" not in guard.POLICY


def test_a_quota_gives_what_it_has():
    quota = guard.Quota(3)
    assert quota.take(2)
    assert not quota.take(2)
    quota.give(2)
    assert quota.take(3)


# ------------------------------------------------------------------------------------------------- JSON

# From the grammar of RFC 8259: what it has, and what parsers are known to let in all the same.
YES = [
    "[]",
    "{}",
    "[[]   ]",
    '""',
    "0",
    "-0",
    "-1",
    "1.5",
    "1e5",
    "1E+2",
    "1e-2",
    "20e1",
    "true",
    "false",
    "null",
    " [1] ",
    '["\\u0061\\u30af\\u30EA\\u30b9"]',
    '["\\"\\\\\\/\\b\\f\\n\\r\\t"]',
    '["\\uD801\\udc37"]',
    '["\u2028"]',
    '["€𝄞"]',
    '{"a":{"b":[1,2,{"c":null}]}}',
    '{"":0}',
    '{"a\\u0000b":1}',
    "[1\n]",
    "\t[]\n",
    '["asd "]',
    "[-0.000000000001]",
]
NO = [
    "",
    " ",
    "[1,]",
    "[,1]",
    "[1,,2]",
    "[1 2]",
    "[",
    "]",
    "{",
    "}",
    "[}",
    '{"a"}',
    '{"a":}',
    '{"a" 1}',
    "{a:1}",
    "{1:1}",
    "{'a':1}",
    '{"a":1,}',
    '{"a":1 "b":2}',
    "[01]",
    "[-01]",
    "[1.]",
    "[.5]",
    "[1e]",
    "[1e+]",
    "[0x1]",
    "[+1]",
    "[--1]",
    "[1-2]",
    "[NaN]",
    "[Infinity]",
    "[-Infinity]",
    "[True]",
    "[nul]",
    "[undefined]",
    '["a',
    '["\\x"]',
    '["\\u12"]',
    '["\\uqqqq"]',
    '["\t"]',
    '["\n"]',
    '["\x00"]',
    "['a']",
    "[a]",
    "[1]x",
    "[1][2]",
    "// c\n[]",
    "/* c */[]",
    "\ufeff[]",
    "[1]\x00",
    "[\u00a01]",
    "[１]",
    "[1_000]",
    '{"a":1}}',
    "*",
    "[fals]",
    '["\\',
    "[1e1.5]",
]


@pytest.mark.parametrize("text", YES)
def test_json_is_read_as_it_is(text):
    assert strict_json.parse(text.encode()) == json.loads(text)


@pytest.mark.parametrize("text", NO)
def test_what_is_no_json_is_refused(text):
    assert guard.check_json(text.encode()).status == 400


@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"[" * 40 + b"]" * 40,
        b"[" + b"9" * 1_000_000 + b"]",
        b"[0." + b"1" * 5000 + b"]",
        b"[1e" + b"9" * 50 + b"]",
        b'{"a":1,"a":2}',
        b'{"a":1,"\\u0061":2}',
        b"\xff[]",
        b"[\xe5]",
        b'["\xed\xa0\x80"]',
        "[]".encode("utf-16"),
        "[]".encode("utf-32"),
    ],
    ids=range(13),
)
def test_json_that_only_an_attack_needs_is_refused(data):
    assert guard.check_json(data).status == 400


def test_brackets_in_strings_are_no_depth():
    assert strict_json.depth('["' + "[" * 100 + '"]') == 1
    assert strict_json.depth('["\\"[["]') == 1


def test_fields_are_named_in_our_words():
    assert field_sentence({"loc": ("body", "fit", "C"), "type": "float_type"}) == "fit.C has to be a number"
    assert field_sentence({"loc": ("body",), "type": "from_the_future"}) == "the body cannot be used"
    assert field_sentence({"loc": ("body", "x"), "type": "greater_than"}) == "x cannot be used"


# ------------------------------------------------------------------------------------------------- names, files


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "/etc/passwd",
        "a/../..",
        "a/b",
        "a\\b",
        "C:\\x",
        "x\x00",
        "CON",
        "con.txt",
        "nul",
        "LPT1",
        "x" * 300,
        "é" * 101,
        "a\u202eb",
        "a\u200bb",
        "\ufeffa",
        "a\nb",
        "trailing.",
        ".hidden",
        "..",
        ".",
        "",
        "   ",
        "a:b",
        "a*b",
        "a?b",
    ],
)
def test_names_that_a_system_would_choke_on_are_refused(name):
    with pytest.raises(Problem) as caught:
        check_name(name)
    assert caught.value.status == 422
    assert "\x00" not in caught.value.detail


@pytest.mark.parametrize("name", ["mine", "my 2nd model", "Ziffern (neu)", "数字", "a.b", "console"])
def test_names_of_people_are_kept(name):
    assert check_name(name) == name


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "kept")
    store.prepare()
    return store


def test_the_same_content_is_the_same_model(store):
    first = store.add_model(b"weights", {"name": "a", "origin": "upload"})
    again = store.add_model(b"weights", {"name": "b", "origin": "upload"})
    other = store.add_model(b"other weights", {"name": "a", "origin": "upload"})
    assert first["id"] == again["id"] != other["id"]
    assert again["name"] == "a"
    assert store.models.read(first["id"], ".inklens") == b"weights"
    assert len(store.models.entries()) == 2


def test_an_identifier_is_never_part_of_a_path_that_leads_elsewhere(store):
    for entry in ("../../etc/passwd", "0" * 15, "0" * 17, "0123456789ABCDEF", "0123456789abcde/", ""):
        with pytest.raises(Problem) as caught:
            store.models.read(entry, ".inklens")
        assert caught.value.status == 404


def test_links_that_were_put_into_the_folder_are_not_followed(store, tmp_path):
    entry = store.add_model(b"weights", {"name": "a", "origin": "upload"})["id"]
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    file = store.models.path(entry, ".inklens")
    file.unlink()
    file.symlink_to(secret)
    assert store.models.read(entry, ".inklens") is None
    file.unlink()
    file.hardlink_to(secret)
    assert store.models.read(entry, ".inklens") is None
    about = store.models.path(entry, ".json")
    about.rename(tmp_path / "about")
    about.symlink_to(tmp_path / "about")
    assert store.models.entries() == []


def test_what_is_damaged_is_not_listed_and_what_was_half_written_is_removed(store):
    entry = store.add_digit(b"ink", {"label": "7"})["id"]
    store.digits.path(entry, ".json").write_text("{")
    assert store.digits.entries() == []
    left = store.models.folder / ".x.part"
    left.write_bytes(b"half")
    store.prepare()
    assert not left.exists()


def test_a_full_folder_takes_no_more(store, monkeypatch):
    monkeypatch.setattr(limits, "MAX_FOLDER_BYTES", 100)
    with pytest.raises(Problem) as caught:
        store.add_model(bytes(101), {"name": "a", "origin": "upload"})
    assert caught.value.status == 507
    assert store.models.entries() == []


def test_what_is_no_model_is_refused_before_an_address_is_printed(tmp_path, capfd):
    from inklens.cli.main import _run

    (tmp_path / "empty.inklens").write_bytes(b"")
    assert _run(["studio", str(tmp_path / "empty.inklens"), "--scratch", "--port", "0", "--no-open"]) == 1
    told = capfd.readouterr()
    assert told.out == ""
    assert "empty.inklens' is not an inklens model" in told.err
