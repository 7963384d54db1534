"""The report on the paper: from the studies in a home to one HTML file."""

from collections.abc import Mapping
from pathlib import Path

from fer_sweep.reporting.document import Document, Picture, Prose, Section, Table, anchor_of, render
from fer_sweep.reporting.paper.claims import claims_section
from fer_sweep.reporting.paper.network import figure_1, figure_4, figure_5, figure_6, figure_7
from fer_sweep.reporting.paper.pictures import figure_8, figure_9
from fer_sweep.reporting.paper.plan import JOBS, Inputs
from fer_sweep.reporting.paper.rules import rules_section
from fer_sweep.reporting.paper.studies import PaperStudy
from fer_sweep.reporting.paper.tables import NOT_COMPARABLE, network_rows, picture_rows, table_1, table_2
from fer_sweep.reporting.report_folder import MADE_BY, ReportFolder
from fer_sweep.reporting.table_file import as_csv
from fer_sweep.study.home import Home

TITLE = "Neural networks with bimodal distribution removal, and CNNs, on SFEW: the paper and ours"
LONGEST_NAME = 60
"""Of a caption that gives a table's file its name; others are numbered."""


def write_paper_report(inputs: Inputs, home: Home, place: ReportFolder) -> Path:
    """Write the report, and its pictures and tables as files beside it. Returns the report's path.

    Raises StudyError if one of the studies is not there.
    """
    studies = {job.study: PaperStudy(job.study, home) for job in JOBS if job.half in inputs.halves}
    sections = [_first(inputs)]
    comparable = inputs.images is not None and not inputs.quick
    rows = []
    if "network" in inputs.halves:
        sections.append(claims_section(studies))
        rows += network_rows(studies)
    if "pictures" in inputs.halves:
        rows += picture_rows(studies, comparable=comparable)
    sections.append(table_1(rows))
    if "pictures" in inputs.halves:
        extract, finetune = (studies[f"paper-resnet-{mode}-random"] for mode in ("extract", "finetune"))
        sections.append(table_2(extract, finetune, comparable=comparable))
    sections += _figures(studies, inputs)
    if "network" in inputs.halves:
        sections.append(rules_section(studies))
    _write_parts(sections, place.parts)
    footer = f"{MADE_BY} from the studies {', '.join(studies)} in {home.root}."
    return place.finish(render(Document(TITLE, _subtitle(inputs), tuple(sections), footer)))


def _figures(studies: Mapping[str, PaperStudy], inputs: Inputs) -> list[Section]:
    sections: list[Section] = []
    if "network" in inputs.halves:
        raw, normalized = studies["paper-raw-random"], studies["paper-normalized-random"]
        rates, units, optimizers = (
            studies[f"paper-{name}-random"] for name in ("learning-rate", "hidden-units", "optimizer")
        )
        sections += [figure_1(raw), figure_4(rates, units, optimizers, raw, normalized), figure_5(raw), figure_6(raw)]
        sections.append(figure_7(raw, normalized))
    if "pictures" in inputs.halves:
        sections += [figure_8(studies["paper-cnn-random"]), figure_9(studies["paper-resnet-finetune-random"])]
    return sections


def _first(inputs: Inputs) -> Section:
    text = (
        "R. Leng trains a 10-200-7 network on five LPQ and five PHOG components of 675 SFEW frames, removes "
        "outliers by bimodal distribution removal (BDR), and compares with a CNN and ResNets. Here is the same, "
        "run again: every table and figure of the paper beside our numbers, with their spread and n."
    )
    parts = [Prose(text)]
    if inputs.quick:
        parts.append(Prose("This is the quick form: few repeats, so wide intervals."))
    if "pictures" in inputs.halves and (inputs.images is None or inputs.quick):
        parts.append(Prose(f"Networks that see pictures: {NOT_COMPARABLE}"))
    return Section("What this is", tuple(parts))


def _subtitle(inputs: Inputs) -> str:
    pictures = "drawn faces" if inputs.images is None else inputs.images.name
    seen = [inputs.workbook.name] * ("network" in inputs.halves) + [pictures] * ("pictures" in inputs.halves)
    return "A reproduction of R. Leng (ANU), with " + " and ".join(seen) + "."


def _write_parts(sections: list[Section], folder: Path) -> None:
    for section in sections:
        for number, picture in enumerate((part for part in section.parts if isinstance(part, Picture)), start=1):
            (folder / f"{section.anchor}-{number}.png").write_bytes(picture.png)
        for number, table in enumerate((part for part in section.parts if isinstance(part, Table)), start=1):
            name = anchor_of(table.caption) if len(table.caption) <= LONGEST_NAME else number
            (folder / f"{section.anchor}-{name}.csv").write_text(as_csv(table), encoding="utf-8")
