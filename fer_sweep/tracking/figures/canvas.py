"""The paper the pictures are drawn on: size, palette, plain axes, and PNG bytes."""

import io
import warnings
from collections.abc import Sequence
from functools import cache

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

matplotlib.rcParams["text.parse_math"] = False  # names are data: a `$` in one does not start a formula
matplotlib.rcParams["axes.titley"] = 1.0  # there it comes to lie anyway, after every tick label has been measured

# Okabe and Ito's colours, which people with any colour vision can tell apart
INK, GREY, BLUE, RED, GREEN, ORANGE = "#222222", "#8c8c8c", "#0072b2", "#d55e00", "#009e73", "#e69f00"

SMALL = 8.5
"""Font size (points) of what explains; the rest is matplotlib's 10."""

FloatArray = npt.NDArray[np.float64]

_RULER = RendererAgg(1, 1, 100)  # type: ignore[no-untyped-call]


def new_figure(width: float, height: float, *, constrained: bool = True) -> Figure:
    """An empty figure. width, height: inches of 100 pixels. With constrained=False the caller places the axes."""
    return Figure(figsize=(width, height), dpi=100, layout=ConstrainedLayoutEngine(w_pad=0.1) if constrained else None)


def head(figure: Figure, title: str, explanation: str = "") -> None:
    """The title at the top left, and below it in small type what is shown."""
    width, height = figure.get_size_inches()
    left, line = 0.1 / width, 1 / height
    figure.text(left, 1 - 0.08 * line, title, va="top", fontsize=12, fontweight="bold", color=INK)
    figure.text(left, 1 - 0.34 * line, explanation, va="top", fontsize=SMALL, color="#555555")
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(rect=(0, 0, 1, 1 - (0.55 if explanation else 0.35) * line))


def plain(axes: Axes) -> None:
    """Take away what carries no information."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    axes.set_axisbelow(True)


def message(title: str, text: str) -> bytes:
    """A small picture that says why there is nothing to show."""
    figure = new_figure(7, 0.7, constrained=False)
    head(figure, title, text)
    return png(figure)


@cache
def text_width(text: str, size: float) -> float:
    """Inches that a line of text takes. size: points."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s)Glyph .* missing from font")
        width, _, _ = _RULER.get_text_width_height_descent(text, FontProperties(size=size), False)  # type: ignore[no-untyped-call]
    return float(width / _RULER.dpi)


def shortened(text: str, width: float, size: float) -> str:
    """The text in one line, or as much of its beginning as fits into so many inches, and an ellipsis."""
    text = " ".join(text.split())
    if text_width(text, size) <= width:
        return text
    return next(
        (f"{text[:n].rstrip()}…" for n in range(len(text) - 1, 0, -1) if text_width(f"{text[:n]}…", size) <= width), "…"
    )


def png(figure: Figure) -> bytes:
    """The figure as PNG."""
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "(?s)Glyph .* missing from font")  # a box in the picture says as much
        canvas.draw()  # type: ignore[no-untyped-call]  # not savefig, which draws everything twice
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])  # type: ignore[no-untyped-call]
    buffer = io.BytesIO()
    # in all its colours: a palette shows as bands in faces and heat maps; harder squeezed, faces take twice as long
    image.save(buffer, format="png", compress_level=3)
    return buffer.getvalue()


def carried(series: Sequence[npt.NDArray[np.float32] | npt.NDArray[np.int32]]) -> FloatArray:
    """(networks, E+1) from per-epoch series of different length: a network that has ended keeps its last value."""
    longest = max(len(values) for values in series)
    return np.stack([np.pad(values.astype(np.float64), (0, longest - len(values)), mode="edge") for values in series])


def line_with_band(axes: Axes, values: FloatArray, *, color: str, label: str = "") -> None:
    """Mean over networks as a line, 10th to 90th percentile as a band. values: (networks, E+1)."""
    epochs = np.arange(values.shape[1])
    low, high = np.percentile(values, [10, 90], axis=0)
    axes.fill_between(epochs, low, high, color=color, alpha=0.2, linewidth=0)
    axes.plot(epochs, values.mean(axis=0), color=color, linewidth=1.6, label=label)
