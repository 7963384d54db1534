"""The paper's figures of the network on LPQ and PHOG features: 1, 4, 5, 6 and 7."""

from collections.abc import Mapping

import numpy as np

from fer_sweep.reporting.document import Part, Picture, Prose, Section
from fer_sweep.reporting.paper import figures
from fer_sweep.reporting.paper.figures import Limits, Panel
from fer_sweep.reporting.paper.studies import PaperStudy
from fer_sweep.spec.search import Scalar
from fer_sweep.study.measured import Measured
from fer_sweep.tracking.figures.canvas import FloatArray, carried
from fer_sweep.training.records import NetworkResult

FULLY: dict[str, Scalar] = {"removal.rule": "none", "train.epochs": 2000}
BDR: dict[str, Scalar] = {"removal.rule": "bdr", "removal.alpha": 1.0, "removal.at_random": False}


def losses(measured: Measured) -> FloatArray:
    """(networks, E+1) mean training loss per epoch; a network that has ended keeps its last."""
    return carried([network.train_loss for network in measured.result.networks])


def variances(measured: Measured) -> FloatArray:
    """(networks, E+1) variance of the training losses per epoch."""
    return carried([network.loss_variance for network in measured.result.networks])


def figure_1(study: PaperStudy) -> Section:
    """Classes of the data set and of both sets of the first split."""
    first = study.facts.split.class_counts(study.facts.samples)[0]
    groups = {
        "data set": [a + b for a, b in zip(first.train, first.test, strict=True)],
        "set 1": first.train,
        "set 2": first.test,
    }
    picture = figures.class_distribution("Fig. 1: classes", groups, study.facts.samples.class_names)
    text = "The paper's split is random: it halves the pictures, not the persons. Many films stand on both sides."
    return Section("Figure 1: the data and its split", (Picture(picture, "Samples by class."), Prose(text)))


def figure_4(
    learning_rate: PaperStudy, hidden_units: PaperStudy, optimizer: PaperStudy, raw: PaperStudy, normalized: PaperStudy
) -> Section:
    """Learning rates, hidden units, optimizers, normalization."""
    trials = sorted(learning_rate.trials(), key=lambda pair: float(pair[0].assignments["train.learning_rate"]))
    rates = {f"lr = {row.assignments['train.learning_rate']:g}": losses(m) for row, m in trials}
    by_rate: dict[str, list[tuple[float, float, float | None]]] = {}
    for row in hidden_units.rows():
        assert row.mean is not None
        point = (float(row.assignments["model.hidden_units"]), row.mean, row.spread)
        by_rate.setdefault(f"lr = {row.assignments['train.learning_rate']:g}", []).append(point)
    scores = {k: sorted(v) for k, v in sorted(by_rate.items())}
    optimizers = {str(row.assignments["train.optimizer"]): losses(m) for row, m in optimizer.trials()}
    both = {
        name: losses(measured)
        for name, study in (("unnormalized", raw), ("normalized", normalized))
        if (measured := study.trial(FULLY)) is not None
    }
    a = _lines(
        "Fig. 4a: training loss by learning rate, 10 hidden units", rates,
        "Paper: stuck near 2 with 1, slow with 0.001, smooth from 0.005 to 0.05.", limits=(None, 2.2),
    )  # fmt: skip
    title = "Fig. 4b: accuracy by hidden units"
    caption = "Paper: few units are bad; 200 are chosen, with a learning rate of 0.01."
    b = Picture(figures.scores(title, scores, xlabel="hidden units"), caption) if scores else _none(title)
    c = _lines(
        "Fig. 4c: training loss by optimizer, 200 hidden units", optimizers,
        "Paper: SGD is easily trapped, Adam is not.",
    )  # fmt: skip
    d = _lines(
        "Fig. 4d: training loss and normalization", both,
        "Paper: on normalized features the network needs much less time.",
    )  # fmt: skip
    return Section("Figure 4: the network without BDR", (a, b, c, d))


def figure_5(raw: PaperStudy) -> Section:
    """Errors of the fully trained network, and their variance."""
    parts: list[Part] = []
    measured = raw.trial(FULLY)
    if measured is not None:
        network = measured.result.networks[0]
        panels = [_panel(network, epoch) for epoch in (100, 2000)]
        picture = figures.error_histograms("Fig. 5a, b: distribution of errors", panels)
        parts.append(Picture(picture, "Paper: one peak at epoch 100; most errors at zero and a few far out at 2000."))
    longer = raw.trial({"removal.rule": "none", "train.epochs": 4000}) or measured
    if longer is not None:
        picture = figures.lines(
            "Fig. 5c: variance of the losses", {"network": variances(longer)}, ylabel="loss variance"
        )
        parts.append(
            Picture(picture, "Paper: it begins small, rises while the network learns, and falls from about 2000.")
        )
    return Section("Figure 5: errors of the network, unnormalized", tuple(parts))


def figure_6(raw: PaperStudy) -> Section:
    """BDR on unnormalized features."""
    removed, full = raw.trial(BDR), raw.trial({"removal.rule": "none", "train.epochs": 4000})
    if removed is None or full is None:
        return Section("Figure 6: BDR, unnormalized", (Prose("Its trials did not end well."),))
    network = removed.result.networks[0]
    rounds = network.removals
    parts: list[Part] = []
    if rounds:
        panels = [
            _panel(network, rounds[0].epoch, rounds[0].threshold),
            Panel(f"after {len(rounds)} rounds, epoch {network.epochs}", network.histograms[-1]),
        ]
        picture = figures.error_histograms("Fig. 6a, b: the threshold, and what is left", panels)
        parts.append(
            Picture(
                picture, "Paper: samples right of the red line are removed; after four rounds a variance of 0.0071."
            )
        )
    with_without = {"with BDR": removed, "without": full}
    c = figures.lines("Fig. 6c: training loss", {k: losses(m) for k, m in with_without.items()}, ylabel="cross-entropy")
    d = figures.lines(
        "Fig. 6d: variance of the losses", {k: variances(m) for k, m in with_without.items()}, ylabel="loss variance"
    )
    gone = [network.train_size - int(network.active[-1]) for network in removed.result.networks]
    counts = [len(network.removals) for network in removed.result.networks]
    said = (
        f"BDR ended after {min(counts)} to {max(counts)} rounds (mean {np.mean(counts):.1f}) with "
        f"{np.mean(gone):.0f} ± {np.std(gone, ddof=1):.0f} of {network.train_size} training samples removed; the paper "
        "reports 4 rounds and about 130 of 337."
    )
    parts += [
        Picture(c, "Paper: with BDR the loss drops to zero at once."),
        Picture(d, "Paper: below 0.01 after 4 rounds."),
    ]
    return Section("Figure 6: BDR, unnormalized", (*parts, Prose(said)))


def figure_7(raw: PaperStudy, normalized: PaperStudy) -> Section:
    """BDR's alpha, and the variance on normalized features."""
    trials = [
        (row, m) for row, m in raw.trials({"removal.rule": "bdr"}) if not row.assignments.get("removal.at_random")
    ]
    alphas = {f"alpha = {row.assignments['removal.alpha']:g}": variances(m) for row, m in trials}
    ends = [np.mean([n.epochs for n in m.result.networks]) for _, m in trials]
    parts: list[Part] = [
        _lines(
            "Fig. 7a: variance of the losses by alpha", alphas, "Paper: BDR ends within 200 epochs whatever alpha is.",
            ylabel="loss variance",
        )
    ]  # fmt: skip
    if ends:
        said = f"Mean epoch at which BDR ended: {min(ends):.0f} to {max(ends):.0f} over all values of alpha."
        parts.append(Prose(said))
    fully = normalized.trial(FULLY)
    if fully is not None:
        picture = figures.lines(
            "Fig. 7b: variance, normalized", {"network": variances(fully)[:, :401]}, ylabel="loss variance"
        )
        parts.append(Picture(picture, "Paper: it falls much faster than on unnormalized features."))
    return Section("Figure 7: alpha, and normalized features", tuple(parts))


def _lines(
    title: str,
    series: Mapping[str, FloatArray],
    caption: str,
    *,
    ylabel: str = "cross-entropy",
    limits: Limits = (0, None),
) -> Part:
    return Picture(figures.lines(title, series, ylabel=ylabel, limits=limits), caption) if series else _none(title)


def _none(title: str) -> Prose:
    return Prose(f"{title}: no trial of it ended well.")


def _panel(network: NetworkResult, epoch: int, threshold: float | None = None) -> Panel:
    """The histogram nearest to an epoch."""
    nearest = int(np.abs(network.histogram_epochs - epoch).argmin())
    return Panel(f"epoch {network.histogram_epochs[nearest]}", network.histograms[nearest], threshold)
