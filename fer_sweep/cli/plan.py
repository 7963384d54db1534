"""fer-sweep plan: what a sweep would do, and for how long."""

import json
from dataclasses import asdict
from pathlib import Path

from fer_sweep.cli.cache import usable_cache
from fer_sweep.cli.console import err, out
from fer_sweep.data import Samples, Split, load_samples, make_split
from fer_sweep.spec import SweepSpec
from fer_sweep.study.plan import Plan, make_plan
from fer_sweep.study.summary import describe
from fer_sweep.training.pretraining import note_pretraining
from fer_sweep.training.trials import choose_device, require_weights


def show_plan(spec: SweepSpec, *, trials: int, home: Path, as_json: bool) -> None:
    """Print the plan of a sweep."""
    samples = load_samples(spec.data, usable_cache(home))
    require_weights(spec)
    samples = note_pretraining(samples, spec)
    split = make_split(samples, spec.protocol)
    with err.status("measuring the speed of this machine"):
        plan = make_plan(spec, samples, split, device=choose_device(spec.resources.device), first=trials)
    if as_json:
        out.print_json(json.dumps({
            **asdict(plan),
            "person_independent": split.person_independent,
            "split_hash": split.hash,
            "samples": len(samples),
            "warnings": samples.warnings,
        }))  # fmt: skip
        return
    for line in _lines(spec, samples, split, plan):
        out.print(line, soft_wrap=True)


def _lines(spec: SweepSpec, samples: Samples, split: Split, plan: Plan) -> list[str]:
    persons = len(set(samples.person.tolist()))
    sizes = sorted({len(fold.test) for fold in split.folds})
    space = "infinitely many" if plan.space is None else f"{plan.space:,}"
    lines = [
        f"sweep {spec.name}: {spec.method} over {len(spec.parameters)} parameters, {space} configurations",
        f"data: {len(samples)} samples, {samples.classes} classes, {persons} persons, "
        f"fingerprint {samples.fingerprint}",
        *(f"  warning: {warning}" for warning in samples.warnings),
        f"splits: {spec.protocol.folds} folds x {spec.protocol.repeats} repeats, "
        f"test sides of {sizes[0]} to {sizes[-1]} samples, "
        f"{'person independent (checked)' if split.person_independent else 'NOT person independent'}, "
        f"hash {split.hash}",
        f"trials: {plan.trials or 'until a budget ends them'}, {plan.at_once} at once, "
        f"{plan.networks_per_trial} networks each"
        + (f", {plan.trials * plan.networks_per_trial:,} in all" if plan.trials else ""),
    ]
    if spec.parameters and not plan.base_in_space:
        lines.append(
            "the base lies outside the search space: it runs as trial 0, but the sampler does not learn from it"
        )
    lines += [
        f"  {'base' if number == 0 else f'trial {number}'}: {describe(assignments)}"
        for number, assignments in enumerate(plan.first)
    ]
    lines.append(
        f"speed: {_rate(plan.network_epochs_per_second)} network epochs per second "
        f"(measured in {plan.probe_seconds:.1f} s; a trial that ends early takes less)"
    )
    if plan.seconds is not None:
        lines.append(
            f"time: about {_duration(plan.seconds)} for the search, {_duration(plan.seconds_confirm)} to confirm"
        )
    return lines


def _rate(speed: float) -> str:
    """Two digits of slow ones."""
    return f"{speed:,.0f}" if speed >= 10 else f"{speed:.2g}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
