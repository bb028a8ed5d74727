"""Everybody reaches everything: axe finds nothing, the keyboard does all, nothing jumps, each map has words."""

import pytest
from chromium import NEEDS_BROWSER
from face import DIGITS, MOST_SHIFT, OF_COLOURS, browsing, full_bytes, violations

pytestmark = NEEDS_BROWSER

VIEWS = ("draw", "see", "fool", "penalty", "judge", "learn")
LOOKS = {"light": {"color_scheme": "light"}, "dark": {"color_scheme": "dark"}, "forced": {"forced_colors": "active"}}
NARROW = {"width": 360, "height": 740}
MOST_STEPS = 700  # of the Tab key through a view
REACH = "a[href], button, input, select, textarea, summary, canvas[tabindex], [tabindex='0']"
"""What the Tab key should come by, of all that is on the screen and can be used."""


@pytest.fixture(scope="module")
def face():
    with browsing(full_bytes(), view="draw") as face:
        face.draw(DIGITS["4"])
        yield face


@pytest.fixture(autouse=True)
def usual(face):
    """After each test the page looks as before."""
    yield
    face.page.emulate_media(color_scheme="light", forced_colors="none", reduced_motion="no-preference")
    face.page.set_viewport_size({"width": 1280, "height": 900})
    face.forgive()  # of another size, or of what a script did without a hand


def show(face, view):
    face.page.locator(f"#tab-{view}").click()
    face.settle()


@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing(face, view):
    """On a phone; wide screens are looked at where each view's own tests have opened all that it has."""
    face.page.set_viewport_size(NARROW)
    show(face, view)
    assert violations(face.page) == []
    for look in ("dark", "forced"):
        face.page.emulate_media(**LOOKS[look])
        assert violations(face.page, *OF_COLOURS) == [], look


def test_axe_would_notice(face):
    show(face, "draw")
    face.page.evaluate("document.querySelector('.stage').append(document.createElement('button'))")
    found = violations(face.page)
    face.page.evaluate("document.querySelector('.stage').lastChild.remove()")
    assert [rule for rule, _ in found] == ["button-name"]


@pytest.mark.parametrize("view", VIEWS)
def test_the_tab_key_comes_by_everything_in_the_order_of_the_page(face, view):
    """Radio buttons and tabs are one stop a group, whose arrows do the rest."""
    show(face, view)
    expected = face.value(
        f"""(() => {{
          const all = [...document.querySelectorAll(`{REACH}`)].filter((e) => e.tabIndex >= 0 && !e.disabled
            && e.checkVisibility({{ visibilityProperty: true }}) && !(e.type === 'radio' && !e.checked));
          all.forEach((e, i) => {{ e.dataset.reach = i; }});
          return all.length;
        }})()"""
    )
    face.page.evaluate("document.body.tabIndex = -1; document.body.focus(); document.body.removeAttribute('tabindex')")
    seen = []
    for _ in range(MOST_STEPS):
        face.page.keyboard.press("Tab")
        at = face.value("document.activeElement.dataset.reach ?? null")
        if at is None or (seen and int(at) == seen[0]):
            break
        seen.append(int(at))
    face.page.evaluate("document.querySelectorAll('[data-reach]').forEach((e) => delete e.dataset.reach)")
    assert expected > 15  # a page on which nothing was opened before has 19
    assert seen == list(range(expected))


def test_focus_is_always_seen(face):
    show(face, "learn")
    face.page.keyboard.press("Tab")
    for _ in range(12):
        face.page.keyboard.press("Tab")
        width = face.value("parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
        assert width >= 2, face.value("document.activeElement.outerHTML.slice(0, 100)")


def test_a_digit_is_drawn_read_and_taken_back_by_keyboard(face):
    show(face, "draw")
    face.clear()
    face.page.locator("#pad").focus()
    keyboard = face.page.keyboard
    for _ in range(7):
        keyboard.press("ArrowUp")
    keyboard.press(" ")
    for _ in range(16):
        keyboard.press("ArrowDown")
    keyboard.press(" ")
    face.settle()
    assert face.value("app.model.value.classes[app.answer.value.best]") == "1"
    keyboard.press("Control+z")
    face.settle()
    assert face.value("app.isBlank.value")
    keyboard.press("Tab")
    assert face.value("document.activeElement.id") != "pad"  # no trap
    face.draw(DIGITS["4"])


def test_the_tutorial_is_done_by_keyboard(face):
    show(face, "learn")
    keyboard = face.page.keyboard
    face.page.locator(".stop-list button").first.focus()
    keyboard.press("Enter")
    face.page.locator(".task .primary").focus()
    keyboard.press("Enter")
    face.settle()
    assert face.page.locator(".task .is-done").count() == 1
    face.page.locator(".choices button").last.focus()
    keyboard.press("Enter")
    assert face.page.locator(".choices .is-right").count() == 1
    assert face.value("document.activeElement.closest('.choices') !== null")  # the place is kept
    face.page.locator(".moves button").last.focus()
    keyboard.press("Enter")
    assert face.value("document.activeElement.id") == "stop-title"
    face.draw(DIGITS["4"])


@pytest.mark.parametrize("view", VIEWS)
def test_every_picture_has_words(face, view):
    """A canvas or chart has a name, or stands hidden beside words that say the same."""
    show(face, view)
    unnamed = face.value(
        """[...document.querySelectorAll('main canvas, main svg, .stage canvas')]
          .filter((e) => e.checkVisibility() && !e.getAttribute('aria-label')?.trim()
            && !e.closest('[aria-hidden=true]') && !e.closest('[aria-label]:not(section):not(main)'))
          .map((e) => e.outerHTML.slice(0, 120))"""
    )
    assert not unnamed


@pytest.mark.parametrize("view", VIEWS)
def test_everything_is_explained_in_both_languages(face, view):
    show(face, view)
    for language in ("de", "en"):
        face.page.locator(".language select").select_option(language)
        face.settle()
        untold = face.value(
            """[...document.querySelectorAll('button, input, select, canvas, figure, table, summary, math')]
              .filter((e) => e.checkVisibility() && !e.closest('[aria-hidden=true], .bar, .corner, [data-explain]'))
              .map((e) => e.outerHTML.slice(0, 120))"""
        )
        without = face.value(
            """[...document.querySelectorAll('[data-explain]')].map((e) => `explain.${e.dataset.explain}`)
              .filter((key) => app.t(key) === key)"""
        )
        raw = face.value(
            r"document.body.innerText.match(/\b(draw|see|fool|penalty|judge|learn|train|hint|explain)\.[a-z]\w+/g)"
        )
        assert (untold, without, raw) == ([], [], None)


def test_what_is_picked_is_told_and_not_done(face):
    show(face, "draw")
    before = face.value("app.pad.marks.length")
    for selector, words in (("#pad", "ink"), (".tools button >> nth=4", "Wipes"), (".tools button >> nth=3", "back")):
        face.page.locator(".pick").click()
        face.page.locator(selector).click(force=True)
        assert words in face.page.locator(".told").inner_text()
        face.page.keyboard.press("Escape")
        assert face.page.locator(".told").count() == 0
    assert face.value("app.pad.marks.length") == before
    face.page.locator("#tab-draw").focus()
    face.page.keyboard.press("?")
    assert face.page.locator(".told").count() == 1
    face.page.keyboard.press("Escape")
    assert face.value("document.activeElement.id") == "tab-draw"


def test_who_wants_no_motion_gets_none(face):
    face.page.emulate_media(reduced_motion="reduce")
    show(face, "draw")
    face.page.locator("#tab-draw").focus()
    face.page.keyboard.press("?")
    moving = face.value("document.getAnimations().length")
    face.page.keyboard.press("Escape")
    assert moving == 0
    slow = face.value(
        "[...document.querySelectorAll('*')].filter((e) => /[1-9]/.test(getComputedStyle(e).transitionDuration)).length"
    )
    assert slow == 0


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_sticks_out_of_a_narrow_screen(face, view):
    face.page.set_viewport_size(NARROW)
    show(face, view)
    assert face.value("document.documentElement.scrollWidth") <= 360
    small = face.value(
        """[...document.querySelectorAll('button, select, input, summary')].filter((e) => e.checkVisibility())
          .filter((e) => !(e.matches('p button, .saving button, figcaption button')))
          .map((e) => [e.getBoundingClientRect(), e])
          .filter(([box]) => box.width > 0 && (box.width < 24 || box.height < 24) && box.width * box.height > 4)
          .map(([box, e]) => `${Math.round(box.width)} x ${Math.round(box.height)} ${e.outerHTML.slice(0, 90)}`)"""
    )
    assert not [line for line in small if "checkbox" not in line and "radio" not in line]


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_jumps_while_a_view_comes_and_a_digit_is_drawn(face, view):
    """On a phone; on a wide screen the tests of each view end with the same question."""
    face.page.set_viewport_size(NARROW)
    face.open(view)
    face.draw(DIGITS["7"], each=True, clear=False)
    assert face.value("window.shift") <= MOST_SHIFT
