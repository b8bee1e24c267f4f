"""Draws a find, a miss and a false alarm of one domain side by side."""

import io
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.scorecard import captions
from benchmarks.scorecard.panel import Strip, rows_around, strips_of
from benchmarks.scorecard.spans import Kind, Span
from benchmarks.scorecard.timeaxis import marks
from cli.evaluation.runs import runs_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec

# Okabe and Ito's colours, which people who cannot tell red from green tell apart.
_SIGNAL = "#0072B2"
_USUAL = "#8c8c8c"
_LABELLED = "#E69F00"
_ALARM = "#D55E00"
_SCORE = "#333333"
_SHADES = {True: 0.38, False: 0.16}
"""How strongly a labelled stretch is shaded: the one that is meant, and others."""

_EMPTY = "#f5f5f5"
_COLOURS = 256
_SIZE_INCH = (13.0, 4.4)
_DOTS_PER_INCH = 150
_TOP_OF_SCORES = 2.2
"""Scores are drawn up to so many times the one near which alarms begin."""


def draw(path: Path, chosen: Mapping[Kind, Span], drawn: int) -> None:
    """Write a picture with three panels.

    Parameters
    ----------
    path
        Of the PNG file.
    chosen
        What to show of each kind.
    drawn
        How many series that was chosen from.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with _style():
        figure = Figure(figsize=_SIZE_INCH)
        # Draws into memory: no window system is asked for.
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(1, len(Kind), left=0.045, right=0.99, top=0.83, bottom=0.16, wspace=0.17)
        for number, kind in enumerate(Kind):
            if kind in chosen:
                _panel(figure, grid[number], chosen[kind])
            else:
                _nothing(figure, grid[number], *captions.absent(kind, drawn))
        _legend(figure)
        _write(figure, path)


def _style() -> AbstractContextManager[None]:
    import matplotlib as mpl

    return mpl.rc_context(
        {
            "font.family": "DejaVu Sans",
            "font.size": 8.5,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.linewidth": 0.7,
            "axes.edgecolor": "#666666",
            "axes.xmargin": 0.0,
            "xtick.color": "#333333",
            "ytick.color": "#333333",
            "figure.facecolor": "white",
            "axes.facecolor": "white",
            "savefig.facecolor": "white",
            "timezone": "UTC",
        }
    )


def _write(figure: "Figure", path: Path) -> None:
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=_DOTS_PER_INCH)
    path.parent.mkdir(parents=True, exist_ok=True)
    # So many colours are enough for lines and letters, and half the bytes.
    Image.open(drawn).convert("RGB").quantize(_COLOURS).save(path, optimize=True)


def _nothing(figure: "Figure", place: "SubplotSpec", title: str, below: str) -> None:
    axes = figure.add_subplot(place, facecolor=_EMPTY, xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    _headline(figure, place, title, below)


def _headline(figure: "Figure", place: "SubplotSpec", title: str, below: str) -> None:
    left = place.get_position(figure).x0
    figure.text(left, 0.955, title, fontsize=11, fontweight="bold", va="center")
    figure.text(left, 0.91, below, fontsize=8.5, color="#444444", va="center")


def _panel(figure: "Figure", place: "SubplotSpec", span: Span) -> None:
    strips, shown = strips_of(span), rows_around(span)
    heights = [*[2.0 if len(strips) > 1 else 4.4] * len(strips), 1.5]
    grid = place.subgridspec(len(heights), 1, height_ratios=heights, hspace=0.42 if len(strips) > 1 else 0.24)
    times = span.rows.times[shown]
    score = figure.add_subplot(grid[-1])
    signals = [figure.add_subplot(grid[number], sharex=score) for number in range(len(strips))]
    for axes, strip in zip(signals, strips, strict=True):
        _signal(axes, times, strip, span.rows.alarms[shown])
        axes.tick_params(labelbottom=False)
    _scores(score, times, span, shown)
    for axes in (*signals, score):
        _labelled(axes, times, span.rows.labels[shown], span.start - shown.start)
    _time_axis(score, times, captions.clock(span))
    _headline(figure, place, captions.title(span), captions.subtitle(span))


def _signal(axes: "Axes", times: NDArray[np.datetime64], strip: Strip, alarms: NDArray[np.bool_]) -> None:
    axes.plot(times, strip.usual, color=_USUAL, linewidth=0.9, linestyle=(0, (3, 1.5)))
    if strip.daily is None:
        axes.plot(times, strip.values, color=_SIGNAL, linewidth=1.0)
    else:
        axes.plot(times, strip.values, color=_SIGNAL, linewidth=0.4, alpha=0.35)
        axes.plot(times, strip.daily, color=_SIGNAL, linewidth=1.4)
    axes.plot(times[alarms], strip.values[alarms], **_alarm_marks())
    _name(axes, strip.label if strip.daily is None else f"{strip.label}; strong: mean of the day")
    axes.margins(y=0.08)
    axes.locator_params(axis="y", nbins=4)


def _scores(axes: "Axes", times: NDArray[np.datetime64], span: Span, shown: slice) -> None:
    near = span.rows.alarms_near
    top = _TOP_OF_SCORES * near
    scores, alarms = np.minimum(span.rows.scores[shown], 0.97 * top), span.rows.alarms[shown]
    axes.plot(times, scores, color=_SCORE, linewidth=0.9)
    axes.plot(times[alarms], scores[alarms], **_alarm_marks())
    axes.axhline(near, color=_ALARM, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.set_ylim(0.0, top)
    axes.locator_params(axis="y", nbins=3)
    _name(axes, "score (dotted: alarms begin near here)")


def _alarm_marks() -> dict[str, Any]:
    return {"linestyle": "none", "marker": "o", "markersize": 3.2, "color": _ALARM, "zorder": 5}


def _name(axes: "Axes", text: str) -> None:
    axes.set_title(text, loc="left", fontsize=8.5, color="#333333", pad=2.5)


def _labelled(axes: "Axes", times: NDArray[np.datetime64], labels: NDArray[np.bool_], meant: int) -> None:
    step = np.median(np.diff(times)) if len(times) > 1 else np.timedelta64(0)
    for start, stop in zip(*runs_of(labels), strict=True):
        shade = _SHADES[bool(start <= meant < stop)]
        # A step more, since a single row would have no width.
        axes.axvspan(times[start], times[stop - 1] + step, color=_LABELLED, alpha=shade, linewidth=0)


def _time_axis(axes: "Axes", times: NDArray[np.datetime64], whose: str) -> None:
    first, last = pd.Timestamp(times[0]), pd.Timestamp(times[-1])
    axes.set_xticks(*marks(first, last))
    said = f"{first:%d %b %Y}" if first.date() == last.date() else f"{first:%Y}"
    axes.set_xlabel(f"{said}, {whose}", fontsize=8, color="#444444", labelpad=1.5)


def _legend(figure: "Figure") -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [
        Line2D([], [], color=_SIGNAL, linewidth=1.4, label="measured"),
        Line2D([], [], color=_USUAL, linewidth=1.2, linestyle=(0, (3, 1.5)), label="usual at that time of day"),
        Patch(facecolor=_LABELLED, alpha=_SHADES[True], label="labelled as abnormal"),
        Line2D([], [], **_alarm_marks(), label="alarm"),
        Line2D([], [], color=_SCORE, linewidth=1.2, label="score: how rare, in powers of ten"),
    ]
    figure.legend(handles=handles, loc="lower center", ncols=len(handles), frameon=False, fontsize=9)
