"""Keys: what was measured by an earlier version is found by a later one."""

from typing import Any

from fer_sweep.spec.trial import TrialConfig
from fer_sweep.study.keys import config_key


def key(**augment: Any) -> str:
    settings = {
        "data": {"source": "synthetic_faces"},
        "model": {"kind": "cnn"},
        "train": {"batch_size": 8},
        "augment": {"crop": 0.05, **augment},
    }
    return config_key(TrialConfig.model_validate(settings), "0123456789abcdef")


def test_a_field_that_an_earlier_version_lacked_changes_no_key_unless_it_is_used() -> None:
    assert key() == key(rotation=0.0) == "3b27ff785a8010e8"  # as before there was augment.rotation
    assert len({key(), key(rotation=5.0), key(rotation=10.0)}) == 3


def test_a_section_may_lack_the_newer_field() -> None:
    def removal(**settings: Any) -> str:
        data = {"data": {"source": "synthetic_features"}, "removal": settings}
        return config_key(TrialConfig.model_validate(data), "0123456789abcdef")

    assert removal(rule="bdr") == removal(rule="bdr", at_random=False)
    assert len({removal(rule="none"), removal(rule="bdr"), removal(rule="bdr", at_random=True)}) == 3
