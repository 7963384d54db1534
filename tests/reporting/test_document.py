"""From sections, tables and pictures to one HTML file."""

import re

import pytest

from fer_sweep.reporting.document import Document, Film, Page, Picture, Points, Prose, Section, Source, Table, render

HOSTILE = '</script><img src=x onerror="alert(1)">&'


def page(*parts: object) -> str:
    return render(Document("Title", "subtitle", (Section("One & two", parts),), "footer"))  # type: ignore[arg-type]


def test_text_from_outside_stays_text() -> None:
    frame = {"epoch": 0, "counts": [1], "threshold": None, "removed": 0, "note": HOSTILE}
    film = Film((frame,), 6.0, HOSTILE)

    shown = page(
        Prose(HOSTILE), Points((HOSTILE,)), Table((HOSTILE,), ((HOSTILE,),), HOSTILE), Picture(b"png", HOSTILE),
        Page(f"<p>{HOSTILE}", HOSTILE), film, Source(HOSTILE, HOSTILE),
    )  # fmt: skip

    assert "<img src=x" not in shown
    assert shown.count("</script>") == 2  # the film's data, and our own


def test_it_asks_for_nothing_from_elsewhere() -> None:
    shown = page(Prose("one"), Picture(b"png", "a picture"))

    assert not re.search(r"""(src|href)=["'](?!data:|#)""", shown)
    assert "default-src 'none'" in shown
    assert 'src="data:image/png;base64,cG5n" alt="a picture"' in shown


def test_sections_can_be_jumped_to() -> None:
    shown = page(Prose("text"))

    assert '<a href="#one-two">One &amp; two</a>' in shown
    assert '<h2 id="one-two">' in shown


def test_numbers_stand_on_the_right_and_words_on_the_left() -> None:
    table = Table(
        ("trial", "score", "interval", "p", "note"),
        (("base", "17.5 ± 1.2", "[−1.0, +2.0]", "< 0.001", "fine"), ("3", "–", "", "0.2", "2 of 3")),
    )

    assert table.numeric == (True, True, True, True, False)


def test_a_table_without_rows_shows_its_header() -> None:
    assert "<th>only</th>" in page(Table(("only",), ()))


def test_rows_of_another_length_than_the_header_are_a_mistake() -> None:
    with pytest.raises(AssertionError, match="odd: rows of different lengths"):
        Table(("a", "b"), (("1",),), "odd")
