"""How plots look, how long curves are drawn in brief, and how a figure becomes a file.

NOTE 1 [Colours]: the surface is pale, paler where the loss is lower, so that the path, dark and
with a white rim, is seen on all of it; both ramps rise evenly in lightness and so survive a
greyscale print. Curves are of the Okabe-Ito palette, which colour-blind readers can tell
apart, and differ in dashes too.

Axis letters: t points, b bins.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import Literal

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from autograd_lens.trace.values import Floats

__all__ = [
    "CURVES",
    "INK",
    "PATH",
    "QUIET",
    "SURFACE",
    "Dashes",
    "Envelope",
    "Format",
    "envelope",
    "figure_bytes",
    "log_axis",
    "new_figure",
    "number",
    "number_in",
    "plain",
    "step_axis",
    "thin_path",
    "value_axis",
]

Format = Literal["png", "svg", "pdf"]
Dashes = str | tuple[int, tuple[float, ...]]

INK = "#1b1f24"
QUIET = "#667079"
SURFACE: Colormap = LinearSegmentedColormap.from_list(
    "surface", ["#fbfdff", "#dbe7f1", "#b4cbe0", "#86a8ca", "#5c83b0"]
)
PATH: Colormap = LinearSegmentedColormap.from_list(
    "path", ["#14091f", "#55125e", "#9f2a63", "#d94c34", "#f4900c"]
)
# Colour and dashes, in the order in which curves take them.
CURVES: tuple[tuple[str, Dashes], ...] = (
    ("#0072b2", "-"),
    ("#d55e00", (0, (5, 1.5))),
    ("#009e73", (0, (1.2, 1.2))),
    ("#cc79a7", (0, (5, 1.5, 1, 1.5))),
    ("#56b4e9", "-"),
    ("#b58900", (0, (5, 1.5))),
    ("#000000", (0, (1.2, 1.2))),
    ("#7a5195", (0, (5, 1.5, 1, 1.5))),
)

_FACTORS = ((2.5, (1.0,)), (1.2, (1.0, 3.0)), (0.3, (1.0, 2.0, 3.0, 5.0)))  # least decades
_WRITTEN_OUT = range(-3, 5)  # powers of ten
_DATES = {"png": "Software", "svg": "Date", "pdf": "CreationDate"}


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, sizes in inches, that no window and no global state knows of."""
    figure = Figure(figsize=(width, height), dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def figure_bytes(figure: Figure, kind: Format) -> bytes:
    """The figure as a file's content: equal figures, equal bytes."""
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "autograd_lens", "svg.fonttype": "path"}):
        figure.savefig(buffer, format=kind, metadata={_DATES[kind]: None})
    return buffer.getvalue()


def plain(axes: Axes, title: str, note: str = "") -> None:
    """Title on the left, quiet frame and grid."""
    axes.set_title(title, loc="left", fontsize=11, color=INK, pad=6)
    if note:
        axes.set_title(note, loc="right", fontsize=8.5, color=QUIET, pad=6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#9aa3ab")
    axes.tick_params(labelsize=9, color="#9aa3ab", labelcolor=INK)
    axes.grid(visible=True, color="#e4e8eb", linewidth=0.7)
    axes.set_axisbelow(True)


def step_axis(axes: Axes, steps: int) -> None:
    """Whole steps along x, with thousands set apart."""
    few = steps <= 1
    axes.set_xlim(-0.5 if few else 0, steps + 0.5 * few)
    axes.xaxis.set_major_locator(
        FixedLocator(range(steps + 1))
        if few
        else MaxNLocator(4, integer=True, steps=[1, 2, 2.5, 5, 10])
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("step", fontsize=9.5, color=INK, labelpad=3)


def value_axis(axis: Axis, most: int) -> None:
    """About ``most`` round numbers along a linear axis, written out: no offsets, no factors."""
    locator = MaxNLocator(most, steps=[1, 2, 2.5, 5, 10])
    axis.set_major_locator(locator)

    def text(value: float, _: int | None = None) -> str:
        return number_in(value, *axis.get_view_interval())

    axis.set_major_formatter(FuncFormatter(text))


def number_in(value: float, low: float, high: float) -> str:
    """A number with the digits that tell it from others between ``low`` and ``high``."""
    size = max(abs(low), abs(high), np.finfo(float).tiny)
    width = max(high - low, size * 1e-9)
    digits = 3 + max(0, int(np.log10(size / width)))
    return number(0.0 if abs(value) < width * 1e-9 else value, digits)


def log_axis(axis: Axis) -> None:
    """Powers of ten, or more numbers where there would be few, written plainly."""
    low, high = axis.get_view_interval()
    decades = np.log10(high / low) if 0 < low < high else 0.0
    factors = next((factors for least, factors in _FACTORS if decades >= least), None)
    if factors is None:
        value_axis(axis, 4)
    else:
        axis.set_major_locator(LogLocator(10, subs=factors, numticks=7))
        axis.set_major_formatter(FuncFormatter(lambda value, _: _power(value)))
    axis.set_minor_formatter(NullFormatter())


def _power(value: float) -> str:
    """A label of a logarithmic axis: ``0.03``, ``2,000``, ``$10^{-7}$``."""
    exponent = int(np.floor(np.log10(value) + 1e-9)) if value > 0 else 0
    if exponent in _WRITTEN_OUT:
        return f"{value:,.{max(0, -exponent)}f}"
    factor = round(value / 10.0**exponent)
    return f"$10^{{{exponent}}}$" if factor == 1 else f"${factor}\\cdot10^{{{exponent}}}$"


def number(value: float, digits: int = 4) -> str:
    """A few digits, as a reader writes them: ``3.051``, ``−0.2934``, ``12,000``, ``1.2e−7``."""
    text = f"{value:.{digits}g}"
    mantissa, _, exponent = text.partition("e")
    if exponent and 0 < int(exponent) < _WRITTEN_OUT.stop:
        text = f"{value:,.0f}"
    elif exponent:
        text = f"{mantissa}e{int(exponent)}"
    elif 1000 <= abs(value) < np.inf:  # where digits are grouped
        whole, point, rest = text.partition(".")
        text = f"{int(whole):,}{point}{rest}"
    return text.replace("-", "−")


@dataclass(frozen=True, slots=True, eq=False)
class Envelope:
    """A long curve in brief: what it does in each of ``b`` stretches.

    Attributes:
        x: Middle of each stretch: (b,).
        low: Lowest value in it, NaN where there is none: (b,).
        middle: Median: (b,).
        high: Highest value: (b,).
    """

    x: Floats
    low: Floats
    middle: Floats
    high: Floats


def envelope(values: Floats, bins: int = 1000) -> Envelope | None:
    """What a curve does in each of ``bins`` stretches; None where it is short enough to draw.

    A spike of a single step stays visible in ``low`` and ``high``.

    Args:
        values: The curve, NaN where it has a gap: (t,).
        bins: Number of stretches.
    """
    if len(values) <= 4 * bins:
        return None
    width = -(-len(values) // bins)
    table = np.full((-(-len(values) // width), width), np.nan)
    table.ravel()[: len(values)] = values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy warns of stretches that are all NaN
        low, middle, high = (f(table, axis=1) for f in (np.nanmin, np.nanmedian, np.nanmax))
    starts = np.arange(len(table)) * width
    ends = np.minimum(starts + width, len(values)) - 1
    return Envelope((starts + ends) / 2, low, middle, high)


def thin_path(points: Floats, most: int = 3000) -> npt.NDArray[np.intp]:
    """The points of a path to draw, close together where it moves and where steps pass.

    Args:
        points: Positions, in units in which distances look alike, NaN in gaps: (t, axes).
        most: About how many to keep.

    Returns:
        Rising positions, all of them where the path is short.
    """
    if len(points) <= most:
        return np.arange(len(points))
    lengths = np.nan_to_num(np.linalg.norm(np.diff(points, axis=0), axis=1))
    way = np.concatenate([[0.0], np.cumsum(lengths)])
    way = way / way[-1] if way[-1] > 0 else way
    passed = (way + np.linspace(0, 1, len(points))) / 2
    chosen = np.searchsorted(passed, np.linspace(0, 1, most))
    return np.unique(np.minimum(chosen, len(points) - 1)).astype(np.intp)
