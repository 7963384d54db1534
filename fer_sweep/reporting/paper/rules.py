"""Which removal rule to use when: each against its controls, on wrong labels that are known and on the workbook."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fer_sweep.reporting.document import Part, Prose, Section, Table
from fer_sweep.reporting.paper.studies import PaperStudy
from fer_sweep.reporting.study_tables import interval, p, points
from fer_sweep.spec.search import Scalar
from fer_sweep.study.comparison import paired
from fer_sweep.study.measured import Measured
from fer_sweep.study.statistics import Comparison, holm
from fer_sweep.study.wording import with_spread
from fer_sweep.training.removal_metrics import removal_quality

NAMES = {
    "bdr": "BDR",
    "guarded": "guarded BDR",
    "lts": "least trimmed squares",
    "lms": "least median of squares",
    "absolute": "absolute criterion",
    "small_loss": "small-loss selection",
    "mixture": "two-component mixture",
    "aum": "area under the margin",
    "oracle": "oracle (control)",
}
TOLD = ("lts", "small_loss", "aum")
"""Rules that are told what share to leave out."""


@dataclass(frozen=True)
class Scored:
    """A rule on one kind of data: its trial, and how much accuracy it gains over the fully trained network, over the
    one that is stopped early and, if there is such a control, over removing as many at random."""

    name: str
    measured: Measured
    over_full: Comparison | None = None
    over_early: Comparison | None = None
    over_random: Comparison | None = None


def rules_section(studies: Mapping[str, PaperStudy]) -> Section:
    """A table for each kind of data, and what follows from them."""
    planted = _scored(studies["paper-rules-planted-person"])
    parts: list[Part] = [
        Prose(
            "The paper concludes that BDR's criterion should be adjusted. Here are the rules it might be replaced by, "
            "each against three controls: the network that trains to the end on everything, the one that is stopped "
            "early, and one that does without as many samples, drawn at random."
        ),
        *_measured("With wrong labels", "generated features, 20 % of the labels wrong and known", planted),
    ]
    real = []
    for split, where in (("person", "no film on both sides"), ("random", "random splits")):
        real.append(_scored(studies[f"paper-rules-{split}"]))
        parts += _measured(f"On the workbook, {where}", "the workbook's features", real[-1])
    parts.append(Prose(_advice(planted, real), strong=True))
    return Section("Removal rules: which to use when", tuple(parts))


def _scored(study: PaperStudy) -> list[Scored]:
    """The controls without removal first, then every rule; nothing if one of the two did not end well. p is corrected
    for all comparisons of a column."""
    without = sorted(study.trials({"removal.rule": "none"}), key=lambda pair: -pair[1].trial.config.train.epochs)
    if len(without) != 2:
        return []
    (_, full), (_, early) = without
    ended = [("fully trained", full), ("stopped early", early)]
    rules = [(name, study.trial(_by_rule(rule)), study.trial(_at_random(rule))) for rule, name in NAMES.items()]
    found = [(name, measured, control) for name, measured, control in rules if measured is not None]
    columns = (
        holm([paired(full.scores, m.scores, "accuracy", m.split) for m in (early, *(m for _, m, _ in found))]),
        holm([paired(early.scores, m.scores, "accuracy", m.split) for _, m, _ in found]),
    )
    at_random = {
        name: paired(control.scores, m.scores, "accuracy", m.split) for name, m, control in found if control is not None
    }
    corrected = dict(zip(at_random, holm(list(at_random.values())), strict=True))
    rows = [Scored(ended[0][0], full), Scored(ended[1][0], early, over_full=columns[0][0])]
    for (name, measured, _), over_full, over_early in zip(found, columns[0][1:], columns[1], strict=True):
        rows.append(Scored(name, measured, over_full, over_early, corrected.get(name)))
    return rows


def _by_rule(rule: str) -> dict[str, Scalar]:
    controlled = rule not in ("lms", "absolute", "oracle")
    return {"removal.rule": rule, **({"removal.at_random": False} if controlled else {})}


def _at_random(rule: str) -> dict[str, Scalar]:
    return {"removal.rule": rule, "removal.at_random": True}


def _measured(where: str, data: str, scored: Sequence[Scored]) -> list[Part]:
    if not scored:
        return [Prose(f"{where}: a control did not end well, so there is nothing to measure the rules against.")]
    return [_table(f"{where} ({data})", scored), Prose(f"{where}: {_found(scored)}")]


def _table(title: str, scored: Sequence[Scored]) -> Table:
    known = scored[0].measured.facts.samples.planted is not None
    header = ("rule", "accuracy", "left out", *(("precision", "recall") if known else ()))
    header += ("over fully trained", "p", "over stopped early", "p", "over as many at random", "p")
    rows = tuple(
        (
            one.name, with_spread(one.measured.scores.accuracy), *_quality(one.measured, known=known),
            *_gain(one.over_full), *_gain(one.over_early), *_gain(one.over_random),
        )
        for one in scored
    )  # fmt: skip
    n = scored[0].measured.scores.accuracy.n
    caption = (
        f"{title}. Accuracy in %, mean ± standard deviation over repeats, n = {n} networks each; left out: share of "
        "the training samples not in use at the end. Gains in points with 95 % intervals, paired by fold, corrected "
        "for overlapping training sets (Nadeau and Bengio); p is corrected for all comparisons of its column (Holm). "
        f"{', '.join(NAMES[rule] for rule in TOLD).capitalize()} are told to leave out 20 %."
    )
    return Table(header, rows, caption, frozenset({0}))


def _quality(measured: Measured, *, known: bool) -> tuple[str, ...]:
    networks = measured.result.networks
    if measured.trial.config.removal.rule in ("none", "absolute"):
        return ("–",) * (3 if known else 1)
    share = sum(len(network.left_out) for network in networks) / sum(network.train_size for network in networks)
    if not known:
        return (f"{100 * share:.0f} %",)
    assert measured.facts.samples.planted is not None
    quality = removal_quality(measured.result, measured.facts.samples.planted)
    return f"{100 * share:.0f} %", *("–" if x is None else f"{x:.2f}" for x in (quality.precision, quality.recall))


def _gain(gained: Comparison | None) -> tuple[str, str]:
    if gained is None:
        return "", ""
    return f"{points(gained.difference)} {interval(gained)}", p(gained.p_holm)


def _found(scored: Sequence[Scored]) -> str:
    """What is beyond the noise, in words."""
    gains = [one.name for one in scored if _beyond(one.over_full)]
    more = [one.name for one in scored if _beyond(one.over_early)]
    first = f"{', '.join(gains)} gain over the fully trained network beyond the noise" if gains else (
        "nothing gains over the fully trained network beyond the noise"
    )  # fmt: skip
    second = f"{', '.join(more)} over stopping early too" if more else "none gains over stopping early"
    return f"{first}; {second}."


def _advice(planted: Sequence[Scored], real: Sequence[Sequence[Scored]]) -> str:
    """What to do, as far as the numbers carry it."""
    control = (NAMES["oracle"], *(NAMES[rule] for rule in TOLD))
    found_out = [one for one in planted if one.over_early is not None and one.name not in control]
    helpful = [one for one in found_out if _beyond(one.over_full)]
    if not helpful:
        return "No rule can be recommended on these numbers."
    best = max(helpful, key=lambda one: one.measured.scores.accuracy.mean)
    advice = f"Where labels may be wrong, the best of the rules that need not be told how many: {best.name}."
    if not any(_beyond(one.over_early) for one in found_out):
        advice += " Stopping early does as well, unless the wrong labels themselves are wanted."
    if not any(_beyond(one.over_full) for scored in real for one in scored):
        advice += " On features like the workbook's no rule is worth its settings."
    return advice


def _beyond(gained: Comparison | None) -> bool:
    return gained is not None and gained.low > 0 and gained.p_holm < 0.05
