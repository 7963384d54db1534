"""Tables 1 and 2 of the paper, theirs and ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fer_sweep.reporting.document import Part, Prose, Section, Table
from fer_sweep.reporting.paper import reference
from fer_sweep.reporting.paper.network import BDR, FULLY
from fer_sweep.reporting.paper.reference import CLASSES, Reported
from fer_sweep.reporting.paper.studies import PaperStudy
from fer_sweep.spec.search import Scalar
from fer_sweep.study.measured import Measured
from fer_sweep.study.statistics import next_repeat
from fer_sweep.study.wording import percent, with_spread


@dataclass(frozen=True)
class Row:
    """A system of Table 1: what the paper reports, and what we measured, on the paper's kind of split and on one that
    is person independent. comparable: whether both were measured on the same pictures."""

    reported: Reported
    random: Measured | None
    person: Measured | None
    comparable: bool = True


def network_rows(studies: Mapping[str, PaperStudy]) -> list[Row]:
    """The rows of the hand-crafted features."""

    def row(reported: Reported, study: str, where: Mapping[str, Scalar], *, comparable: bool = True) -> Row:
        return Row(
            reported, studies[f"{study}-random"].trial(where), studies[f"{study}-person"].trial(where), comparable
        )

    return [
        row(reference.SFEW_BASELINE, "paper-svm", {"model.c": 10.0}, comparable=False),
        row(reference.RAW, "paper-raw", FULLY),
        row(reference.RAW_BDR, "paper-raw", BDR),
        row(reference.NORMALIZED, "paper-normalized", FULLY),
        row(reference.NORMALIZED_BDR, "paper-normalized", BDR),
    ]


def picture_rows(studies: Mapping[str, PaperStudy], *, comparable: bool) -> list[Row]:
    """The rows of the networks that see pictures. comparable: whether they saw pictures of faces."""
    return [
        Row(reference.CNN, studies["paper-cnn-random"].trial(), None, comparable),
        Row(reference.RESNET50, studies["paper-resnet-finetune-random"].trial({"model.depth": 50}), None, comparable),
    ]


def table_1(rows: Sequence[Row]) -> Section:
    """Accuracies, then precision, recall and specificity by class."""
    header = (
        "system",
        "paper",
        "ours: random",
        "n",
        "no film on both sides",
        "n",
        "one random split: 95\u00a0%",
        "agrees",
    )
    cells = tuple(
        (r.reported.system, f"{r.reported.accuracy:.2f}", *_ours(r.random), *_ours(r.person), *_agrees(r)) for r in rows
    )
    caption = (
        "Accuracy in %, mean over n networks ± standard deviation over repeats. The paper's numbers come from one "
        "random split; the last but one column is where 95 % of single random splits would lie by our repeats."
    )
    parts: list[Part] = [Table(header, cells, caption), Prose(_leak(rows))]
    parts += [_by_class(row) for row in rows if row.random is not None]
    return Section("Table 1", tuple(parts))


def table_2(extract: PaperStudy, finetune: PaperStudy, *, comparable: bool) -> Section:
    """ResNets as feature extractors and fine-tuned."""
    cells = []
    for depth, reported in reference.TABLE_2.items():
        ours = [study.trial({"model.depth": depth}) for study in (extract, finetune)]
        cells.append(
            (f"ResNet-{depth}", f"{reported[0]:.2f}", _ours(ours[0])[0], f"{reported[1]:.2f}", _ours(ours[1])[0])
        )
    header = ("", "extractor: paper", "ours", "fine-tuned: paper", "ours")
    said = "Paper: fine-tuning beats the fixed feature extractor at every depth; ResNet-50 is best."
    if not comparable:
        said += " " + NOT_COMPARABLE
    return Section("Table 2", (Table(header, tuple(cells), "Accuracy in % on random halves."), Prose(said)))


NOT_COMPARABLE = (
    "Ours are of drawn faces or of small networks without ImageNet weights: they show that everything runs, and "
    "say nothing about the paper's numbers."
)


def _ours(measured: Measured | None) -> tuple[str, str]:
    if measured is None:
        return "–", "–"
    found = measured.scores.estimate("accuracy")
    return with_spread(found), str(found.n)


def _agrees(row: Row) -> tuple[str, str]:
    """Where another single random split would lie, and whether the paper's number lies there."""
    if row.random is None:
        return "–", "–"
    found = row.random.scores.estimate("accuracy")
    interval = next_repeat(found.mean, found.spread, repeats=row.random.scores.repeats)
    if interval is None:
        return "–", "not comparable" if not row.comparable else "cannot be told"
    shown = f"[{percent(interval.low)}, {percent(interval.high)}]"
    if not row.comparable:
        return shown, "not comparable"
    inside = interval.low <= row.reported.accuracy / 100 <= interval.high
    return shown, "within the noise" if inside else "no"


def _leak(rows: Sequence[Row]) -> str:
    both = [(r.random, r.person) for r in rows if r.random is not None and r.person is not None]
    if not both:
        return NOT_COMPARABLE
    random, person = (sum(m.scores.accuracy.mean for m in side) / len(both) for side in zip(*both, strict=True))
    return (
        "Where the paper's protocol leaks: its random halves put frames of one film on both sides. On average over "
        f"these systems the accuracy falls from {percent(random)} % to {percent(person)} % when no film is on both "
        "sides (chance: 14.3 %, largest class 14.8 %). The principal components of the workbook were also computed "
        "on all pictures together."
    )


def _by_class(row: Row) -> Table:
    assert row.random is not None
    names, found = row.random.facts.samples.class_names, row.random.scores
    cells = []
    for metric in ("precision", "recall", "specificity"):
        reported = dict(zip(CLASSES, getattr(row.reported, metric), strict=True))
        cells.append((metric, "paper", *(f"{reported[name]:.2f}" if name in reported else "–" for name in names)))
        ours = [found.class_estimate(metric, index) for index in range(len(names))]
        spread = [f"{e.mean:.2f}" + ("" if e.spread is None else f" ± {e.spread:.2f}") for e in ours]
        cells.append(("", "ours", *spread))
    return Table(("", "", *names), tuple(cells), f"{row.reported.system}: by class, random split.")
