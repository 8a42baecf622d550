"""The frame of the pages, as a reader sees it: by keyboard, on a phone, in a dark scheme, in print."""

import sys

import numpy as np
import pytest

from pipeline import page
from pipeline.files import InputError

PAGE = """\
{% extends "page.html" %}
{% block title %}{{ 'A page & more' }}{% endblock %}
{% block main %}
<h2 id="first">First</h2>
{{ parts.cards([("0.71", "Dice", "0.60 to 0.80"), ("3", "images", "")]) }}
{% call parts.warning() %}<p>Mind this.</p>{% endcall %}
{{ parts.table(["what"] + ["a long column"] * 12, [["<row>"] + [1] * 12], "Some numbers") }}
{{ parts.figure(first, "A chart") }}
{{ parts.figure(second, "Another chart") }}
<h2 id="second">Second</h2>
<div class="pair">
{{ parts.image(image, "a gray ramp", "A picture") }}
{{ parts.image(image, "a gray ramp", "rotated_180_" ~ "P1_L_DM_CC" * 8) }}
</div>
<section>
{{ parts.contour_key() }}
{{ parts.contour_tools() }}
<div class="grid">
{{ parts.case(image, 32, [("ground-truth", contour, ""), ("prediction", contour, "#ff0000")], "a case", "P1, Dice 0.5") }}
</div>
{{ parts.contour_tools() }}
</section>
<h2 id="third">Third</h2>
<div style="height: 200vh"></div>
{% call parts.details("More") %}<pre>{{ "a long line " * 40 }}</pre>{% endcall %}
{% endblock %}
"""


def draw(values):
    figure, (ax,) = page.new_figure(4, 3)
    ax.plot(values, color=page.SERIES[0], label="values")
    ax.set(title="Title", xlabel="x")
    ax.legend()
    ax.annotate("here", (0, 0))
    return page.chart(figure, 'values from 1 to "3" & back')


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A page with each component, in a package of its own."""
    templates = tmp_path / "own" / "templates"
    templates.mkdir(parents=True)
    (templates.parent / "__init__.py").write_text("")
    (templates / "own.html").write_text(PAGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    ramp, mask = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (32, 1)), np.zeros((32, 32), np.uint8)
    mask[8:20, 8:20] = 1
    context = {"image": page.picture(ramp), "contour": page.contour_path(mask), "first": draw([1, 2, 3]), "second": draw([3, 2])}
    path = tmp_path / "page.html"
    path.write_text(page.render("own", "own.html", **context))
    return path


def test_values_are_escaped_and_charts_are_not(written):
    text = written.read_text()
    assert "&lt;row&gt;" in text
    assert 'aria-label="values from 1 to &#34;3&#34; &amp; back"' in text
    assert text.startswith("<!doctype html>")
    assert "<title>A page &amp; more</title>" in text
    assert "<h1>A page &amp; more</h1>" in text


def test_ink_of_a_chart_follows_the_page_and_ids_do_not_clash(written):
    first, second = draw([1, 2, 3]), draw([3, 2])
    for chart in (first, second):
        assert "currentColor" in chart
        assert "#000000" not in chart.split("</defs>")[-1]
        assert "<text" in chart  # text stays text
    ids = [{part.split('"')[0] for part in chart.split(' id="')[1:]} for chart in (first, second)]
    assert not ids[0] & ids[1]
    assert draw([1, 2, 3]) == first


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        pytest.param([6_000, 13_000], ["5,000", "10,000", "20,000"], id="less than a decade"),
        pytest.param([0.03, 0.4], ["0.02", "0.05", "0.1", "0.2", "0.5"], id="below one"),
        pytest.param([900_000, 900_000], ["1,000,000"], id="no power of ten as an exponent"),
    ],
)
def test_a_log_axis_has_plain_ticks(values, ticks):
    figure, (ax,) = page.new_figure(4, 3)
    page.set_log_axis(ax, "y", values)
    figure.canvas.draw()
    assert [label.get_text() for label in ax.get_yticklabels()] == ticks
    assert not ax.get_yticklabels(minor=True)


def test_a_chart_is_as_wide_as_it_was_drawn(written, browser):
    browser.open(written)
    assert browser.evaluate("document.querySelector('svg.chart').clientWidth") == pytest.approx(1.3 * 4 * 96, abs=1)


def test_contours_run_through_the_centres_of_pixels():
    mask = np.zeros((4, 4), np.uint8)
    mask[1:3, 1:3] = 1
    assert page.contour_path(mask) == "M1.5 1.5L1.5 2.5L2.5 2.5L2.5 1.5Z"
    assert page.contour_path(np.zeros((4, 4))) == ""


def test_a_missing_template_library_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(InputError, match="jinja2, which is needed to write reports, is not installed; run `pip install cesm"):
        page.render("pipeline.report", "page.html")


def test_the_page_works_in_a_browser_by_keyboard(written, browser):
    browser.emulate(width=1000)
    browser.open(written)
    assert browser.evaluate("[...document.images].filter(i => i.src).every(i => i.complete && i.naturalWidth > 0)")
    assert browser.evaluate("[...document.querySelectorAll('#contents a')].map(a => a.textContent)") == [
        "First",
        "Second",
        "Third",
    ]
    visibility = "getComputedStyle(document.querySelector('.contour.ground-truth')).visibility"
    assert browser.evaluate(visibility) == "visible"
    browser.evaluate("document.querySelector('[data-contour=ground-truth]').focus()")
    browser.press("Space")
    assert browser.evaluate(visibility) == "hidden"
    assert browser.evaluate("[...document.querySelectorAll('[data-contour=ground-truth]')].map(b => b.checked)") == [False, False]
    browser.press("Space")
    assert browser.evaluate(visibility) == "visible"
    browser.evaluate("document.querySelector('[data-strength]').focus()")
    browser.press("ArrowLeft")
    assert browser.evaluate("Number(getComputedStyle(document.querySelector('.contour')).opacity)") == pytest.approx(0.99)
    browser.evaluate("document.querySelector('.enlarge').focus()")
    browser.press("Enter")
    assert browser.evaluate("document.getElementById('large').open && document.querySelector('#large img').naturalWidth > 0")
    browser.press("Escape")
    assert not browser.evaluate("document.getElementById('large').open")
    browser.evaluate("document.querySelector('.case .enlarge').click()")
    assert browser.evaluate("document.querySelector('#large img').width > document.querySelector('.case img').width")
    shown = "[...document.querySelectorAll('#large .contour')].map(o => getComputedStyle(o).visibility)"
    assert browser.evaluate(shown) == ["visible", "visible"]
    browser.press("Enter")  # on Close
    browser.evaluate("document.querySelector('[data-contour=ground-truth]').click()")
    browser.evaluate("document.querySelector('.case .enlarge').click()")
    assert browser.evaluate(shown) == ["hidden", "visible"], "the switches apply in the large picture"
    assert browser.errors == []


def test_the_switches_stay_with_the_cases(written, browser):
    browser.open(written)
    browser.evaluate("document.getElementById('third').scrollIntoView({behavior: 'instant'})")
    below = "[...document.querySelectorAll('.tools')].filter(t => t.getBoundingClientRect().bottom > 0)"
    assert browser.evaluate("scrollY > 0")
    assert browser.evaluate(f"{below}.length") == 0


@pytest.mark.parametrize(("width", "dark"), [(390, False), (390, True), (320, False)])
def test_a_phone_does_not_scroll_sideways_and_charts_take_the_text_color(written, browser, width, dark):
    browser.emulate(width=width, dark=dark)
    browser.open(written)
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert browser.evaluate("new Set([...document.querySelectorAll('.pair img')].map(image => image.width)).size") == 1
    ink = browser.evaluate("getComputedStyle(document.querySelector('svg.chart text')).fill")
    assert (
        ink == browser.evaluate("getComputedStyle(document.body).color") == ("rgb(230, 233, 236)" if dark else "rgb(27, 31, 36)")
    )


def test_print_has_no_switches_but_a_legend_of_the_contours(written, browser):
    browser.emulate(media="print", width=718, dark=True)
    browser.open(written)
    browser.evaluate("document.querySelector('details').open = true")
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), "a browser would shrink the page"
    assert browser.evaluate("document.querySelector('pre').scrollWidth <= document.querySelector('pre').clientWidth")
    assert browser.evaluate("document.querySelector('section p').innerText").startswith("The ground truth is green and solid")
    assert browser.evaluate("getComputedStyle(document.querySelector('.tools')).display") == "none"
    assert browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("P1_L_DM_CC 4$5 (mass)", "P1_L_DM_CC 4$5 (mass)"),
        ("<img src=x onerror=alert(1)>.jpg", "&lt;img src=x onerror=alert(1)&gt;.jpg"),
        ("a](javascript:alert(1))", r"a\](javascript:alert(1))"),
        ("`x`|y\nz\x1b[2J", r"\`x\`\|y z \[2J"),
    ],
)
def test_text_from_outside_is_only_text_in_markdown(text, shown):
    assert page.markdown_text(text) == shown
