"""A removal rule that can never act is told, unless it can act elsewhere in the space."""

import pytest

from fer_sweep.spec.removal import (
    AumRemoval,
    BdrRemoval,
    GuardedRemoval,
    NoRemoval,
    RemovalConfig,
    SmallLossRemoval,
    first_removal,
)
from tests.spec.sweep_files import load_text, problems_of

SEARCH = "run_cap: 5\nparameters:\n  removal.rule: {values: [none, bdr]}\n"


@pytest.mark.parametrize(
    ("removal", "epoch"),
    [
        (NoRemoval(rule="none"), None),
        (BdrRemoval(rule="bdr"), 100),
        (BdrRemoval(rule="bdr", start=7), 7),
        (GuardedRemoval(rule="guarded"), 10),
        (GuardedRemoval(rule="guarded", start=3, interval=4), 7),
        (GuardedRemoval(rule="guarded", start="past_peak", interval=4), 8),
        (SmallLossRemoval(rule="small_loss", interval=3), 3),
        (AumRemoval(rule="aum", start=5), 5),
    ],
)
def test_the_first_removal_of_a_rule(removal: RemovalConfig, epoch: int | None) -> None:
    assert first_removal(removal) == epoch


def test_a_rule_that_acts_too_late_is_a_mistake() -> None:
    (found,) = problems_of("train: {epochs: 40}\nremoval: {rule: bdr}\n")
    assert found.endswith(
        "removal.rule: bdr can remove nothing before epoch 100, but training ends at epoch 40. Use a smaller "
        "removal.interval, an earlier removal.start or more train.epochs."
    )
    assert load_text("train: {epochs: 40}\nremoval: {rule: bdr, interval: 10}\n").removal.rule == "bdr"


def test_a_searched_rule_has_to_act_somewhere() -> None:
    (found,) = problems_of(f"train: {{epochs: 40}}\n{SEARCH}")
    assert "parameters.removal.rule: bdr can remove nothing before epoch 100" in found
    longer = f"train: {{epochs: 40}}\n{SEARCH}  train.epochs: {{values: [40, 400]}}\n"
    assert load_text(longer).parameters["removal.rule"].values == ("none", "bdr")


def test_rules_that_do_not_share_the_meaning_of_a_default_can_be_searched_together() -> None:
    text = "removal: {rule: bdr}\nrun_cap: 5\nparameters:\n  removal.rule: {values: [bdr, guarded, lts, mixture]}\n"
    assert load_text(text).removal.rule == "bdr"
