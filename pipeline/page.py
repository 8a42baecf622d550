"""Self-contained pages: the frame that reports of both halves share, their charts and pictures.

A page is one HTML file that opens from disk without a network. Knows no data set and no model.
"""

import base64
import hashlib
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from pipeline.files import require

if TYPE_CHECKING:
    from markupsafe import Markup

# Distinguishable with color blindness, and legible on white and on black (P. Tol, "Colour Schemes", SRON technical note, 2021).
SERIES = ("#4477aa", "#ee6677", "#228833", "#aa8800", "#aa3377", "#2299bb")
# The colors of contours in every picture and page.
GROUND_TRUTH_COLOR, PREDICTION_COLOR = "#50dc50", "#ff8c00"
# Of charts, in inches. A phone is 360 px wide: a letter of 10 pt in a chart of this width is then 10 px high, in a panel 13 px.
WIDTH = 4.6
PANEL_WIDTH, PANEL_HEIGHT = 3.4, 2.7
_INK = "#010203"  # lines and text in this color take the page's text color, in light, dark and print


def require_templates() -> None:
    """Checks that pages can be written, before anything is drawn for one.

    Raises:
      InputError: the template library is not installed.
    """
    require("jinja2", "to write reports")


def render(package: str, template: str, **context: Any) -> str:
    """Fills a template of a package.

    Args:
      package: `pipeline.report` or `segmenter.report`. Its folder `templates` is searched first, then that of
        `pipeline.report`, which holds the frame `page.html` and the parts `parts.html`.
      template: its name; values are escaped in `.html` and left alone elsewhere.

    Raises:
      InputError: the template library is not installed.
    """
    require_templates()
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([jinja2.PackageLoader(package), jinja2.PackageLoader("pipeline.report")]),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["markdown"] = markdown_text
    environment.globals |= {"ground_truth_color": GROUND_TRUTH_COLOR, "prediction_color": PREDICTION_COLOR}
    return environment.get_template(template).render(**context)


def markdown_text(value: object) -> str:
    """Text from outside, such as a file's name, for a line of Markdown: it makes no link, no tag, no code and no cell of its own.

    Example:
      >>> markdown_text("<img src=x>|[a](javascript:b)")
      '&lt;img src=x&gt;\\\\|\\\\[a\\\\](javascript:b)'
    """
    plain = " ".join("".join(character if character.isprintable() else " " for character in str(value)).split())
    tags = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`|\[\]])", r"\\\1", tags)


def rgb(color: str) -> tuple[int, int, int]:
    """Red, green and blue of a color such as `#50dc50`, 0 to 255."""
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return red, green, blue


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Any, np.ndarray]:
    """Makes a matplotlib figure; returns it and its axes as a flat array.

    Args:
      width, height: of the figure, in inches.
      rows, columns: of axes.
      options: for `Figure.subplots`, such as `height_ratios`.
    """
    # The object interface: pyplot takes half a second longer to import and looks for a display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = np.atleast_1d(figure.subplots(rows, columns, **options)).ravel()
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def new_panels(count: int, width: float = PANEL_WIDTH, height: float = PANEL_HEIGHT) -> tuple[list[Any], list[Any]]:
    """Makes figures of one axes each, which a page shows side by side or, on a phone, one below the other.

    Args:
      count: of figures.
      width, height: of each, in inches.

    Returns:
      The figures and their axes.
    """
    panels = [new_figure(width, height) for _ in range(count)]
    return [figure for figure, _ in panels], [axes[0] for _, axes in panels]


def add_legend(axes: Sequence[Any], **options: Any) -> None:
    """Draws the legend of the first axes above each figure that the axes are in."""
    for figure in dict.fromkeys(ax.get_figure() for ax in axes):
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False, **options)


def set_log_axis(ax: Any, which: str, values: Sequence[float]) -> None:
    """Makes an axis logarithmic around values above 0, with ticks at 1, 2 and 5 times powers of ten, in plain numbers.

    Args:
      which: `x` or `y`.
    """
    # Explicit ticks: over less than a decade matplotlib writes powers and factors of ten, which overlap.
    low, high = min(values) / 1.6, max(values) * 1.6
    ticks = [factor * 10.0**power for power in range(-4, 8) for factor in (1, 2, 5)]
    shown = [tick for tick in ticks if low <= tick <= high]
    ax.set(**{f"{which}scale": "log", f"{which}lim": (low, high)})
    getattr(ax, f"set_{which}ticks")(shown, [f"{tick:,.10g}" for tick in shown])
    ax.minorticks_off()


def chart(figures: Any, description: str) -> "Markup":
    """Renders a figure, or several panels of one chart, as SVG for a page; what is black takes the color of the page's text.

    Args:
      figures: one, or a sequence of those of `new_panels`.
      description: for readers who cannot see it.
    """
    from markupsafe import Markup, escape

    panels = figures if isinstance(figures, list) else [figures]
    drawn = "".join(map(_draw_svg, panels))
    return Markup(f'<div class="panels" role="img" aria-label="{escape(description)}">{drawn}</div>')


def _draw_svg(figure: Any) -> str:
    import matplotlib
    from matplotlib.colors import to_hex
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)  # a dollar sign in a name or a BI-RADS cell such as 4$5$2 begins no formula
    for artist in figure.findobj(lambda artist: hasattr(artist, "get_color") or hasattr(artist, "get_edgecolor")):
        for name in ("color", "edgecolor"):
            color = getattr(artist, f"get_{name}", lambda: None)()
            if isinstance(color, str | tuple) and to_hex(color, keep_alpha=True) == "#000000ff":  # "none" is black of alpha 0
                getattr(artist, f"set_{name}")(_INK)
    options: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "page", "font.family": "sans-serif"}
    buffer = io.StringIO()
    with matplotlib.rc_context(options):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()[buffer.getvalue().index("<svg") :]
    svg = svg.replace(_INK, "currentColor")
    # The charts of one page must not share ids, and the page's bytes must not depend on what was drawn before.
    prefix = f"c{hashlib.sha256(svg.encode()).hexdigest()[:8]}-"
    svg = re.sub(r'\bid="', f'id="{prefix}', svg)
    svg = re.sub(r'(url\(#|href="#)', rf"\1{prefix}", svg)
    view = svg.split('viewBox="', 1)[1].split('"', 1)[0]
    width = f"--width: {view.split()[2]}pt"  # as drawn; the style makes a chart up to 1.3 times as wide
    return f'<svg class="chart" aria-hidden="true" viewBox="{view}" style="{width}">' + svg[svg.index(">") + 1 :]


def picture(image: np.ndarray, quality: int = 85) -> str:
    """Encodes an image as the `data:` URL of a JPEG.

    Args:
      image: (height, width) gray or (height, width, 3) blue, green, red; uint8.
    """
    encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"


def contour_path(mask: np.ndarray) -> str:
    """Returns the contours of a mask as the data of an SVG path, in pixels of the mask; holes have contours of their own.

    Args:
      mask: (height, width), nonzero is inside.
    """
    contours, _ = cv2.findContours((mask != 0).astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    return " ".join(f"M{_points(contour[:, 0])}Z" for contour in contours)


def _points(contour: Sequence[Sequence[int]]) -> str:
    # A pixel's centre lies half a pixel from its corner, where SVG counts from.
    return "L".join(f"{x + 0.5:g} {y + 0.5:g}" for x, y in contour)
