"""Tables to compute with."""

import csv
import io

from fer_sweep.reporting.document import Table
from fer_sweep.reporting.table_file import as_csv


def test_every_cell_of_the_file_is_one_number() -> None:
    table = Table(
        ("system", "ours", "n", "95 %", "against", "n"),
        (
            ("NN, raw", "24.1 ± 1.5", "6", "[−2.0, +27.5]", "+1.2 [−0.5, +2.9]", "4"),
            ("CNN", "–", "–", "–", "–", "–"),
            ("SVM", "19.0", "6", "", "", "< 5"),
        ),
    )

    assert list(csv.reader(io.StringIO(as_csv(table)))) == [
        [
            "system",
            "ours",
            "ours, SD",
            "ours, n",
            "95 %, low",
            "95 %, high",
            "against",
            "against, low",
            "against, high",
            "against, n",
        ],
        ["NN, raw", "24.1", "1.5", "6", "-2.0", "+27.5", "+1.2", "-0.5", "+2.9", "4"],
        ["CNN", "", "", "", "", "", "", "", "", ""],
        ["SVM", "19.0", "", "6", "", "", "", "", "", "< 5"],
    ]


def test_a_table_without_rows_is_its_header() -> None:
    assert as_csv(Table(("one", "two"), ())) == "one,two\n"
