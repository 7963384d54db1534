import pytest

from fer_sweep.execution.opening import pool_slots
from fer_sweep.spec.search import Resources


@pytest.mark.parametrize(
    ("asked", "slots"),
    [
        ({}, 0),
        ({"executor": "inline", "slots": 4}, 0),
        ({"slots": 4}, 4),
        ({"executor": "pool"}, 1),
        ({"executor": "pool", "slots": 3}, 3),
        ({"trial_timeout": 60.0}, 1),
        ({"executor": "ray"}, 1),
        ({"executor": "ray", "slots": 3}, 3),
        ({"ray_address": "auto", "slots": 3}, 3),
    ],
)
def test_a_pool_is_opened_where_one_is_asked_for(asked: dict[str, object], slots: int) -> None:
    assert pool_slots(Resources.model_validate({"device": "cpu", **asked})) == slots
