"""Sweep files for tests: two lines that every file needs, then what a test is about (its first line is line 3)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from fer_sweep.errors import SpecError
from fer_sweep.spec import SweepSpec, load_sweep

HEAD = "name: test\ndata: {source: csv, path: f.csv}\n"


def load_text(
    text: str, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None, *, head: str = HEAD
) -> SweepSpec:
    """Write `head` and `text` to a file named s.yaml and load it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "s.yaml"
        path.write_text(head + text, encoding="utf-8")
        return load_sweep(path, overrides, environ or {})


def problems_of(
    text: str, overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None, *, head: str = HEAD
) -> list[str]:
    """The lines of the SpecError that loading raises, with the folder removed from `s.yaml:<line>`."""
    with pytest.raises(SpecError) as caught:
        load_text(text, overrides, environ, head=head)
    return [line[line.index("s.yaml") :] if "s.yaml" in line else line for line in str(caught.value).splitlines()]
