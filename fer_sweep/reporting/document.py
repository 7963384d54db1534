"""A document of sections, tables and pictures, and how it becomes one HTML file that needs no network.

The reader's browser is asked for little: without JavaScript, and on paper, only the films and interactive pages are
missing, and each stands beside a picture of the same data.
"""

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_NUMBER = re.compile(r"[-+−±]?[\d.,]+(e[-+]?\d+)?( ?%)?( ?± ?[\d.]+)?|< [\d.]+|\[.*\]|–|base|")
"""What stands on the right of its column."""


@dataclass(frozen=True)
class Prose:
    """A paragraph. strong: what a reader in a hurry reads."""

    text: str
    strong: bool = False

    kind = "prose"


@dataclass(frozen=True)
class Points:
    """A list of short statements."""

    statements: tuple[str, ...]

    kind = "points"


@dataclass(frozen=True)
class Table:
    """Cells as text. marked: rows to point out (the base)."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    marked: frozenset[int] = frozenset()

    kind = "table"

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.header) for row in self.rows), f"{self.caption}: rows of different lengths"

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold numbers."""
        return tuple(all(_NUMBER.fullmatch(cell) for cell in column) for column in zip(*self.rows, strict=True))


@dataclass(frozen=True)
class Picture:
    """A PNG. caption: also what is read aloud in place of it."""

    png: bytes = field(repr=False)
    caption: str

    kind = "picture"

    @property
    def url(self) -> str:
        return "data:image/png;base64," + base64.b64encode(self.png).decode()


@dataclass(frozen=True)
class Page:
    """An interactive page of its own, shut off from the rest. height: pixels."""

    html: str = field(repr=False)
    caption: str
    height: int = 560

    kind = "page"


@dataclass(frozen=True)
class Film:
    """Histograms over time, to be played. frames: {"epoch", "counts", "threshold", "removed"}; top: upper end of the
    last bin."""

    frames: tuple[dict[str, Any], ...] = field(repr=False)
    top: float
    caption: str

    kind = "film"

    @property
    def data(self) -> Markup:
        """JSON that may stand in a script element: nothing in it can end the element."""
        text = json.dumps({"frames": self.frames, "top": self.top}, separators=(",", ":"), allow_nan=False)
        return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


@dataclass(frozen=True)
class Source:
    """A text to look up, folded away."""

    name: str
    text: str

    kind = "source"


Part = Prose | Points | Table | Picture | Page | Film | Source


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    parts: tuple[Part, ...]

    @property
    def anchor(self) -> str:
        return anchor_of(self.title)


@dataclass(frozen=True)
class Document:
    """A report. footer: where it comes from."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    footer: str


def anchor_of(text: str) -> str:
    """A text as part of an address or of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def render(document: Document) -> str:
    """One HTML file. Text is escaped; nothing in it comes from elsewhere."""
    environment = Environment(
        loader=PackageLoader("fer_sweep.reporting", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html").render(document=document)
