"""Results on disk: whole or absent, and equal to what was computed."""

import json
import os
import zipfile
from dataclasses import fields, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fer_sweep.data import load_samples, make_split
from fer_sweep.spec import SweepSpec
from fer_sweep.study.journal import load_result, save_result, write_atomically
from fer_sweep.training.records import NetworkResult, TrialResult
from fer_sweep.training.trials import TrialRequest, run_trials
from tests.study.studies import CPU, sweep


def trained(spec: SweepSpec) -> TrialResult:
    samples = load_samples(spec.data)
    split = make_split(samples, spec.protocol)
    records = run_trials([TrialRequest(7, spec.base, 1)], samples, split, device=CPU)
    return next(record for record in records if isinstance(record, TrialResult))


@pytest.fixture(scope="module")
def result() -> TrialResult:
    removal = {"rule": "bdr", "alpha": 0.0, "start": 3, "interval": 2, "min_per_class": 1, "stop_variance": None}
    found = trained(sweep(removal=removal, protocol={"repeats": 2, "validation_fraction": 0.2}))
    assert any(network.removals for network in found.networks)
    return found


def assert_same(a: TrialResult, b: TrialResult) -> None:
    for field in fields(TrialResult):
        if field.name != "networks":
            assert repr(getattr(a, field.name)) == repr(getattr(b, field.name))
    for one, other in zip(a.networks, b.networks, strict=True):
        for field in fields(NetworkResult):
            value, kept = getattr(one, field.name), getattr(other, field.name)
            if isinstance(value, np.ndarray):
                assert value.dtype == kept.dtype
                np.testing.assert_array_equal(value, kept)
            else:
                assert repr(value) == repr(kept)  # repr, because a threshold may be NaN


def test_a_kept_result_equals_the_original_in_every_field(result: TrialResult, tmp_path: Path) -> None:
    save_result(tmp_path / "deep" / "r.npz", result, key="k")
    loaded = load_result(tmp_path / "deep" / "r.npz", key="k")
    assert loaded is not None
    assert_same(loaded, result)


def test_a_result_without_epochs_or_with_a_reason_is_kept_too(result: TrialResult, tmp_path: Path) -> None:
    removal = replace(result.networks[0].removals[0], threshold=float("nan"))
    odd = replace(result, reports=(), stopped="median", networks=(replace(result.networks[0], removals=(removal,)),))
    svm = trained(sweep({}, model={"kind": "svm"}))
    for kept in (odd, svm):
        save_result(tmp_path / "r.npz", kept, key="k")
        loaded = load_result(tmp_path / "r.npz", key="k")
        assert loaded is not None
        assert_same(loaded, kept)


def test_a_result_of_another_configuration_is_none(result: TrialResult, tmp_path: Path) -> None:
    save_result(tmp_path / "r.npz", result, key="k")
    assert load_result(tmp_path / "r.npz", key="other") is None


def test_a_missing_result_is_none(tmp_path: Path) -> None:
    assert load_result(tmp_path / "r.npz", key="k") is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(share=st.floats(0.0, 1.0, exclude_max=True))
def test_a_truncated_result_is_none(result: TrialResult, tmp_path: Path, share: float) -> None:
    path = tmp_path / "r.npz"
    save_result(path, result, key="k")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    assert load_result(path, key="k") is None


def npz(**arrays: object) -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name, value in arrays.items():
            file.writestr(f"{name}.npy", npy(value))
    return packed.getvalue()


def npy(value: object) -> bytes:
    packed = BytesIO()
    np.save(packed, np.asarray(value))
    return packed.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a result",
        b"PK\x03\x04 not a zip",
        npy([1, 2]),
        npz(x=1),
        npz(meta="no json"),
        npz(meta="[]"),
        npz(meta="{}"),
        npz(meta=json.dumps({"key": "k"})),
        npz(meta=json.dumps({"key": "k", "networks": [1]})),
        npz(meta=json.dumps({"key": "k", "networks": [], "trial": 1})),
        npz(meta=json.dumps({"key": "k", "networks": [], "trial": 1, "reports": [{"validation": None}]})),
    ],
)
def test_a_foreign_file_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "r.npz").write_bytes(content)
    assert load_result(tmp_path / "r.npz", key="k") is None


def test_a_result_of_another_version_is_none(result: TrialResult, tmp_path: Path) -> None:
    path = tmp_path / "r.npz"
    save_result(path, result, key="k")
    with np.load(path) as file:
        arrays = dict(file)
    meta = json.loads(str(arrays["meta"]))
    meta["networks"][0]["new_field"] = 1
    path.write_bytes(npz(**{**arrays, "meta": json.dumps(meta)}))
    assert load_result(path, key="k") is None


def test_no_temporary_file_is_left(result: TrialResult, tmp_path: Path) -> None:
    save_result(tmp_path / "r.npz", result, key="k")
    write_atomically(tmp_path / "note.json", b"{}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["note.json", "r.npz"]


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    result: TrialResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "r.npz"
    save_result(path, result, key="k")

    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        save_result(path, replace(result, seconds=99.0), key="k")
    assert [entry.name for entry in tmp_path.iterdir()] == ["r.npz"]
    kept = load_result(path, key="k")
    assert kept is not None
    assert kept.seconds == result.seconds


def test_what_a_killed_writer_left_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / ".note.json.tmp").write_text("half")
    write_atomically(tmp_path / "note.json", b"{}")
    assert [entry.name for entry in tmp_path.iterdir()] == ["note.json"]
