"""Where an alias goes back to, what a model's page says, and what names are looked up."""

from dataclasses import replace
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

from fer_sweep.errors import StudyError, TrackingError, TrackingRefused
from fer_sweep.tracking.lookup import run_ids, trial_of_run
from fer_sweep.tracking.registry import (
    Move,
    Registry,
    check_alias,
    forced_onto,
    markdown_table,
    registered_names,
    way_back,
)
from tests.study.studies import opened, sweep
from tests.tracking.studies import client_of, new_home


def promoted(before: int | None, after: int, alias: str = "champion") -> Move:
    return Move("promote", alias, before, after, "better", "me", 0)


def demoted(before: int, after: int) -> Move:
    return Move("demote", "champion", before, after, "worse", "me", 0)


@pytest.mark.parametrize(
    ("moves", "current", "back"),
    [
        ([promoted(None, 1)], 1, []),
        ([promoted(None, 1), promoted(1, 2)], 2, [1]),
        ([promoted(None, 1), promoted(1, 2), promoted(2, 1)], 1, [2]),
        ([promoted(None, 1), promoted(1, 2), promoted(2, 3)], 3, [2, 1]),
        ([promoted(None, 1), promoted(1, 2), promoted(2, 3), demoted(3, 2)], 2, [1]),
        ([promoted(None, 1), promoted(1, 2), promoted(2, 3), demoted(3, 1)], 1, []),
        ([promoted(None, 1), promoted(1, 2), demoted(2, 1)], 1, []),
        ([promoted(None, 1), promoted(1, 2), demoted(2, 1), promoted(1, 3)], 3, [1]),
        ([promoted(None, 1), promoted(1, 2), promoted(2, 3, "tested")], 2, [1]),
        ([promoted(None, 1), promoted(1, 2), promoted(2, 4)], 4, [2, 1]),  # and 3 never was
        ([promoted(None, 1)], 2, [1]),  # 2 was made champion by hand
        ([promoted(None, 1), promoted(5, 6)], 6, [5, 1]),  # 5 was made champion by hand
        ([demoted(3, 2)], 2, []),  # the tags before it were deleted
        ([], 2, []),
    ],
)
def test_an_alias_goes_back_to_what_it_was_before(moves: list[Move], current: int, back: list[int]) -> None:
    assert way_back(moves, "champion", current=current, existing=range(1, 9)) == back


def test_versions_that_were_deleted_are_passed_over() -> None:
    moves = [promoted(None, 1), promoted(1, 2), promoted(2, 3)]

    assert way_back(moves, "champion", current=3, existing=[1, 3]) == [1]


def test_a_version_is_forced_until_the_gate_accepts_it() -> None:
    by_force = replace(promoted(1, 2), forced=True)

    assert forced_onto([promoted(None, 1), by_force, promoted(2, 3)], "champion") == {2}
    assert forced_onto([promoted(None, 1), by_force], "prod") == set()
    assert forced_onto([by_force, promoted(2, 3), promoted(3, 2)], "champion") == set()


def test_moves_are_remembered_in_order_with_a_note_for_people(tmp_path: Path) -> None:
    client = client_of(new_home(tmp_path))
    client.create_registered_model("faces")
    for _ in range(2):
        client.create_model_version("faces", "runs:/elsewhere")
    registry = Registry(client, "faces")
    moves = [
        promoted(None, 1),
        Move("promote", "champion", 1, 2, "because | and\nso on", "me", 90_000, forced=True),
        demoted(2, 1),
    ]

    for move in moves:
        registry.move(move)

    assert registry.moves() == moves
    assert registry.aliases() == {"champion": 1}
    note = client.get_registered_model("faces").description
    assert note is not None
    newest, forced, oldest = note.splitlines()[2:]
    assert "2 → **1**" in newest
    assert "1970-01-01 00:01" in forced
    assert "**forced**: because / and so on" in forced
    assert "– → **1**" in oldest


def test_a_move_is_known_before_the_alias_moves_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of(new_home(tmp_path))
    client.create_registered_model("faces")
    for _ in range(2):
        client.create_model_version("faces", "runs:/elsewhere")
    registry = Registry(client, "faces")
    registry.move(promoted(None, 1))
    by_force = replace(promoted(1, 2), forced=True)

    def gone(*_: object) -> None:
        raise MlflowException("gone")

    with monkeypatch.context() as patch:
        patch.setattr(type(client), "set_registered_model_alias", gone)
        with pytest.raises(TrackingError, match=r"does not answer: gone\. Run the same command again once it does\."):
            registry.move(by_force)
    assert registry.moves()[-1] == by_force
    assert registry.aliases() == {"champion": 1}
    registry.move(replace(by_force, at=7))

    assert registry.moves() == [promoted(None, 1), replace(by_force, at=7)]
    assert registry.aliases() == {"champion": 2}


def test_the_challenger_that_is_promoted_is_challenger_no_more(tmp_path: Path) -> None:
    client = client_of(new_home(tmp_path))
    client.create_registered_model("faces")
    client.create_model_version("faces", "runs:/elsewhere")
    registry = Registry(client, "faces")
    (version,) = registry.versions()
    assert version.origin == "not registered by fer-sweep"

    registry.propose(version)
    assert registry.aliases() == {"challenger": 1}
    registry.move(promoted(None, 1))

    assert registry.aliases() == {"champion": 1}


def test_nothing_is_registered_at_first(tmp_path: Path) -> None:
    client = client_of(new_home(tmp_path))

    assert registered_names(client) == set()
    assert Registry(client, "faces").versions() == []
    assert Registry(client, "faces").holder("champion") is None
    with pytest.raises(StudyError, match=r"as .faces.\. Registered models: none yet; fer-sweep promote"):
        Registry(client, "faces").require()


def test_what_the_store_refuses_is_told(tmp_path: Path) -> None:
    client = client_of(new_home(tmp_path))
    client.create_registered_model("faces")

    with pytest.raises(TrackingRefused, match=r"refuses: .*Run the same command again"):
        Registry(client, "faces").move(promoted(None, 7))


def test_aliases_are_checked() -> None:
    check_alias("champion")
    check_alias("v1-tested")
    with pytest.raises(StudyError, match="--alias: 'v12' cannot be given"):
        check_alias("v12")


def test_cells_of_a_table_keep_their_distance() -> None:
    assert markdown_table(["a", "b"], [["1", "2"]]) == (
        "|a\u00a0\u00a0\u00a0|b\u00a0\u00a0\u00a0|\n|:--|:--|\n|1\u00a0\u00a0\u00a0|2\u00a0\u00a0\u00a0|"
    )


def test_runs_that_are_no_trials_are_refused(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    client = client_of(home)
    run = client.create_run(client.create_experiment("elsewhere"))

    with pytest.raises(StudyError, match=rf"the MLflow run {run.info.run_id} is not a study or a trial of fer-sweep"):
        trial_of_run(client, run.info.run_id, home)
    with pytest.raises(StudyError, match="neither a study nor an MLflow run is called 'ffff'"):
        trial_of_run(client, "ffff", home)


def test_runs_of_a_study_elsewhere_are_not_taken_for_those_of_its_namesake_here(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    client = client_of(home)
    with opened(sweep(), home.root) as study:
        tags = {"fer.study": "tiny", "fer.role": "study", "fer.study_id": "theirs"}
        theirs = client.create_run(client.create_experiment("tiny"), tags=tags)

        assert run_ids(client, study.facts, 3) == {"study": "", "search": "", "confirm": ""}
        with pytest.raises(StudyError) as caught:
            trial_of_run(client, theirs.info.run_id, home)
    assert str(caught.value) == (
        f"the MLflow run {theirs.info.run_id} is of another study called 'tiny' than the one in {home.root}. Compare "
        "it where it was run (--home)."
    )
