"""promote, demote and history on planted data, where it is known which configuration is better."""

import json
import shutil
import signal
import urllib.request
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from fer_sweep.cli.promote import _samples
from fer_sweep.data import make_split
from fer_sweep.errors import StudyError
from fer_sweep.execution.executor import Executor
from fer_sweep.study.facts import StudyFacts
from fer_sweep.study.gate import GateEvent
from fer_sweep.study.home import Home, StudyFiles
from fer_sweep.study.verdict import GateOptions, Verdict
from fer_sweep.tracking.promotion import Promotion
from fer_sweep.tracking.registry import Registry, Version
from tests.cli.commands import start
from tests.cli.test_run import failing, invoke
from tests.tracking.browser import look
from tests.tracking.studies import client_of, new_home, runs_of, tiny
from tests.tracking.test_client import free_port

PLANTED = """\
name: planted
data: {source: synthetic_features, samples: 140, persons: 20, features: 8, separation: 4.0, seed: 1}
protocol: {folds: 2, repeats: 1}
model: {kind: mlp, hidden_units: 8}
train: {optimizer: adam, learning_rate: 0.0001, epochs: 40}
method: grid
parameters:
  train.learning_rate: {values: [0.0001, 0.05, 0.051]}
confirm: {top_k: 2, repeats: 3}
"""
BAD, GOOD, NEAR = 0, 1, 2


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A study whose trial 1 is better than its base by far. Every test has a registered model of its own."""
    folder = tmp_path_factory.mktemp("promoted")
    home = new_home(folder)
    file = folder / "planted.yaml"
    file.write_text(PLANTED)
    assert invoke("run", file, "--home", home.root).exit_code == 0
    return home


def promote(home: Home, name: str, *options: object) -> Result:
    return invoke("promote", "planted", "--name", name, "--repeats", 3, "--home", home.root, *options)


def evidence(home: Home, name: str, *options: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(promote(home, name, "--json", *options).stdout)
    return found


def versions(home: Home, name: str) -> list[Version]:
    return Registry(client_of(home), name).versions()


def holder(home: Home, name: str, alias: str = "champion") -> int | None:
    version = Registry(client_of(home), name).holder(alias)
    return None if version is None else version.number


def artifact(home: Home, version: Version, name: str, folder: Path) -> bytes:
    path = f"evidence/{version.model}-v{version.number}/champion/{name}"
    return Path(client_of(home).download_artifacts(version.run_id, path, str(folder))).read_bytes()


def test_the_confirmed_best_becomes_the_first_champion_with_its_evidence(home: Home, tmp_path: Path) -> None:
    done = promote(home, "first")

    assert done.exit_code == 0
    assert "Accepted: version 1 is now first@champion (nobody had it before)." in done.stdout
    assert "Load it: models:/first@champion" in done.stdout
    assert "gate: challenger" in done.stderr
    (version,) = versions(home, "first")
    assert version.aliases == ("champion",)
    chosen = version.tags["fer.trial"]
    assert chosen in {str(GOOD), str(NEAR)}
    stored = json.loads(artifact(home, version, "evidence.json", tmp_path))
    assert stored["outcome"] == "accepted"
    assert [check["name"] for check in stored["checks"]] == ["guessing", "recall"]
    assert stored["champion"] is None
    runs = stored["challenger"]["runs"]
    assert runs["study"] == parent_of_planted(home)
    assert {run.info.run_id for run in runs_of(home, "planted")} >= {*runs.values()}
    assert stored["challenger"]["confirmed"]["against_base"]["low"] > 0
    assert len(stored["folds"]) == 6
    assert artifact(home, version, "evidence.png", tmp_path).startswith(b"\x89PNG")
    assert version.tags["fer.gate"] == "accepted"
    assert version.tags["fer.trained_on"] == "all samples"
    description = client_of(home).get_model_version("first", "1").description
    assert description is not None
    assert description.startswith("Accepted: first version 1, no champion yet.")
    assert f"get-artifact?path=evidence/first-v1/champion/evidence.png&run_uuid={version.run_id}" in description


def parent_of_planted(home: Home) -> str:
    (parent,) = [run for run in runs_of(home, "planted") if run.data.tags["fer.role"] == "study"]
    return str(parent.info.run_id)


def test_a_worse_challenger_is_refused_with_5_and_the_alias_stays(home: Home) -> None:
    promote(home, "guarded", "--trial", GOOD)

    refused = promote(home, "guarded", "--trial", BAD)

    assert refused.exit_code == 5
    assert "Refused: version 2 stays guarded@challenger; guarded@champion is version 1." in refused.stdout
    assert "✗ accuracy is -" in refused.stdout
    assert "points from the champion's" in refused.stdout
    assert "--force moves the alias all the same" in refused.stdout
    assert (holder(home, "guarded"), holder(home, "guarded", "challenger")) == (1, 2)
    found = evidence(home, "guarded", "--trial", BAD)
    assert found["outcome"] == "refused"
    assert found["move"] is None
    harm = next(check for check in found["checks"] if check["name"] == "harm")
    assert harm["value"] == found["differences"]["accuracy"]["low"]
    assert harm["value"] < harm["limit"] == -0.02
    means = {role: sum(fold[role] for fold in found["folds"]) / 6 for role in ("challenger", "champion")}
    assert found["differences"]["accuracy"]["difference"] == pytest.approx(means["challenger"] - means["champion"])
    assert len(versions(home, "guarded")) == 2  # asked twice, registered once


def test_a_better_one_is_accepted_a_forced_one_is_marked_and_demote_rolls_back(home: Home) -> None:
    assert promote(home, "story", "--trial", BAD).exit_code == 5
    forced = promote(home, "story", "--trial", BAD, "--force", "--reason", "a start")
    better = promote(home, "story", "--trial", GOOD)

    assert forced.exit_code == 0
    assert "Forced: version 1 is now story@champion against the gate" in forced.stdout
    assert better.exit_code == 0
    assert "Accepted: version 2 is now story@champion (before: version 1)." in better.stdout
    first, second = versions(home, "story")
    assert "a start, although accuracy" in first.tags["fer.forced"]
    assert " UTC by " in first.tags["fer.forced"]
    assert "fer.forced" not in second.tags
    assert second.tags["fer.previous_champion"] == "1"
    assert second.aliases == ("champion",)  # no challenger any more

    back = invoke("demote", "story", "--reason", "complaints", "--home", home.root)
    assert back.exit_code == 0
    assert "story@champion is version 1 again (trial 0 of study planted); it was version 2." in back.stdout
    assert holder(home, "story") == 1
    first_again = failing("demote", "story", "--home", home.root)
    assert "no version of 'story' that still exists was champion before version 1, so there" in str(first_again)

    again = promote(home, "story", "--trial", GOOD)
    assert "(before: version 1)" in again.stdout
    rolled = json.loads(invoke("demote", "story", "--json", "--home", home.root).stdout)
    assert (rolled["before"], rolled["after"]) == (2, 1)
    shown = invoke("history", "story", "--home", home.root).stdout
    listed = json.loads(invoke("history", "story", "--json", "--home", home.root).stdout)
    assert [move["kind"] for move in listed["moves"]] == ["promote", "promote", "demote", "promote", "demote"]
    assert [version["tags"]["fer.gate"] for version in listed["versions"]] == ["forced", "accepted"]
    assert "champion: nobody -> version 1, forced by " in shown
    assert "complaints" in shown
    assert "planted/1" in shown
    note = client_of(home).get_registered_model("story").description
    assert note.count("**forced**") == 3  # there, and back to it twice
    assert note.count("→") == 5


def test_a_rollback_passes_over_what_was_forced_unless_told(home: Home) -> None:
    promote(home, "way", "--trial", NEAR)
    assert promote(home, "way", "--trial", BAD, "--force").exit_code == 0
    promote(home, "way", "--trial", GOOD)
    never = failing("demote", "way", "--to", 7, "--home", home.root)

    named = json.loads(invoke("demote", "way", "--to", 2, "--json", "--home", home.root).stdout)
    promote(home, "way", "--trial", GOOD)
    back = invoke("demote", "way", "--home", home.root)

    assert (named["before"], named["after"], named["forced"], named["passed_over"]) == (3, 2, True, [])
    assert "way@champion is version 1 again" in back.stdout
    assert "version 2, which had it in between, was forced against the gate and is passed over; --to 2" in back.stdout
    assert str(never) == (
        "--to: version 7 is not one that was champion of 'way' before version 3 and still exists. Those are, the "
        "latest first: 2, 1. fer-sweep promote STUDY makes another configuration champion."
    )


def test_a_champion_refused_for_another_alias_stays_what_it_is(home: Home, tmp_path: Path) -> None:
    promote(home, "twice", "--trial", GOOD)
    (before,) = versions(home, "twice")
    told = client_of(home).get_model_version("twice", "1").description

    refused = promote(home, "twice", "--trial", GOOD, "--alias", "prod", "--min-accuracy", 0.999)

    assert refused.exit_code == 5
    assert "Refused: version 1 stays twice@champion; twice@prod is nobody." in refused.stdout
    (after,) = versions(home, "twice")
    assert after.aliases == ("champion",)
    assert client_of(home).get_model_version("twice", "1").description == told
    refusal = after.tags["fer.refused_prod"]
    assert dict(after.tags) == {**before.tags, "fer.refused_prod": refusal}
    assert "is below the 99.90 % asked for" in refusal
    assert json.loads(artifact(home, after, "evidence.json", tmp_path))["outcome"] == "accepted"

    assert promote(home, "twice", "--trial", GOOD, "--alias", "prod").exit_code == 0
    (both,) = versions(home, "twice")
    assert both.aliases == ("champion", "prod")
    assert "fer.refused_prod" not in both.tags


def test_history_tells_what_other_hands_have_moved(home: Home) -> None:
    promote(home, "hands", "--trial", BAD, "--force")
    promote(home, "hands", "--trial", GOOD)
    assert "other hands" not in invoke("history", "hands", "--home", home.root).stdout
    client_of(home).set_registered_model_alias("hands", "champion", "1")

    shown = invoke("history", "hands", "--home", home.root).stdout

    assert "note: champion was moved to version 1 by other hands than fer-sweep's, without a reason." in shown


def test_a_wrong_fold_is_told_first(home: Home) -> None:
    assert "--fold: 'abc' is no fold of the search" in str(
        failing("promote", "planted", "--trial", 99, "--fold", "abc", "--home", home.root)
    )


def test_an_equal_one_is_accepted_within_the_harm_that_is_allowed(home: Home) -> None:
    promote(home, "equals", "--trial", GOOD)

    found = evidence(home, "equals", "--trial", NEAR, "--max-harm", 0.2)

    assert found["outcome"] == "accepted"
    assert abs(found["differences"]["accuracy"]["difference"]) < 0.1
    assert found["options"] == {"max_harm": 0.2, "min_recall": 0.01, "min_accuracy": 0.0, "repeats": 3}
    assert holder(home, "equals") == 2


def test_the_champion_itself_is_left_alone(home: Home) -> None:
    promote(home, "same", "--trial", GOOD)

    again = promote(home, "same", "--trial", GOOD)

    assert again.exit_code == 0
    assert "same@champion is this very model already: version 1, trial 1 of study planted." in again.stdout
    assert evidence(home, "same", "--trial", GOOD) == {
        "outcome": "unchanged", "model": "same", "alias": "champion", "version": 1,
    }  # fmt: skip
    assert len(versions(home, "same")) == 1


def test_floors_can_be_asked_for(home: Home) -> None:
    refused = promote(home, "floors", "--trial", GOOD, "--min-accuracy", 0.999, "--min-recall", 1.0)

    assert refused.exit_code == 5
    assert "is below the 99.90 % asked for" in refused.stdout
    assert "recall is below the 100.00 % asked for of every class" in refused.stdout
    assert "floors@champion is nobody" in refused.stdout


def test_a_model_of_one_fold_is_another_model(home: Home) -> None:
    promote(home, "folds", "--trial", GOOD)

    found = evidence(home, "folds", "--trial", GOOD, "--fold", "0/1", "--alias", "tested")

    assert found["challenger"]["trained_on"] == "fold 0/1"
    assert (holder(home, "folds"), holder(home, "folds", "tested")) == (1, 2)
    wrong = failing("promote", "planted", "--fold", "1/0", "--home", home.root)
    assert "--fold: '1/0' is no fold of the search of study 'planted'. Use REPEAT/FOLD from 0/0 to 0/1." in str(wrong)


def test_a_crash_between_two_steps_costs_no_second_model(home: Home) -> None:
    promote(home, "crash", "--trial", GOOD)
    client = client_of(home)
    (version,) = versions(home, "crash")
    client.delete_registered_model("crash")  # logged, but not registered any more
    experiment = client.get_run(version.run_id).info.experiment_id
    tags = {key: value for key, value in version.tags.items() if not key.startswith("fer.gate")}
    half = client.create_run(experiment, tags={"fer.role": "model", **tags})
    foreign = client.create_run(experiment, tags={"fer.role": "model", **tags, "fer.config_key": "another"})

    again = evidence(home, "crash", "--trial", GOOD)

    assert again["challenger"]["runs"]["model"] == version.run_id
    assert client.get_run(half.info.run_id).info.lifecycle_stage == "deleted"
    assert client.get_run(foreign.info.run_id).info.lifecycle_stage == "active"


def test_a_champion_of_other_data_is_measured_on_the_challengers(home: Home, tmp_path: Path) -> None:
    file = tmp_path / "other.yaml"
    file.write_text(PLANTED.replace("name: planted", "name: other").replace("seed: 1", "seed: 2"))
    invoke("run", file, "--home", home.root, "--offline")
    promote(home, "moved", "--trial", GOOD)

    done = invoke("promote", "other", "--name", "moved", "--trial", BAD, "--repeats", 2, "--home", home.root)

    assert done.exit_code == 5
    assert "note: the champion was trained on other data" in done.stdout


def test_a_champion_without_a_configuration_is_refused(home: Home) -> None:
    promote(home, "foreign", "--trial", GOOD)
    client = client_of(home)
    (version,) = versions(home, "foreign")
    run = client.create_run(client.get_run(version.run_id).info.experiment_id)
    client.create_model_version("foreign", "runs:/elsewhere", run_id=run.info.run_id)
    client.set_registered_model_alias("foreign", "champion", "2")

    refused = failing("promote", "planted", "--name", "foreign", "--trial", GOOD, "--home", home.root)

    assert isinstance(refused, StudyError)
    assert "version 2 of foreign (not registered by fer-sweep) cannot be trained anew to compare with" in str(refused)
    assert len(versions(home, "foreign")) == 2  # told before anything is trained
    assert "finished" in invoke("history", "foreign", "--home", home.root).stdout  # its gate: not finished


def test_unknown_names_list_what_exists(home: Home) -> None:
    promote(home, "known", "--trial", GOOD)

    unknown = str(failing("history", "unknown", "--home", home.root))
    assert unknown.startswith("no model is registered as 'unknown'. Registered models: ")
    assert "known" in unknown
    assert str(failing("demote", "unknown", "--home", home.root)) == unknown
    assert "no version of 'known' has the alias 'tested'. Its aliases: champion." in str(
        failing("demote", "known", "--alias", "tested", "--home", home.root)
    )
    assert "no study is called 'plantd'" in str(failing("promote", "plantd", "--home", home.root))


@pytest.mark.parametrize("alias", ["challenger", "latest", "v3", "a b", ""])
def test_aliases_that_are_not_ours_to_give_are_refused(home: Home, alias: str) -> None:
    assert "--alias: " in str(failing("promote", "planted", "--alias", alias, "--home", home.root))
    assert "cannot be given" in str(failing("demote", "planted", "--alias", alias, "--home", home.root))


def test_a_name_that_is_none_is_refused(home: Home) -> None:
    assert "--name: 'a/b' is no name of a model" in str(
        failing("promote", "planted", "--name", "a/b", "--home", home.root)
    )


def test_changed_data_and_an_unfinished_study_are_refused(home: Home, tmp_path: Path) -> None:
    csv = tmp_path / "rows.csv"
    rows = [f"{label},{p},{label + 0.1 * i},{p - i}" for label in range(3) for p in range(6) for i in (1, 2)]
    csv.write_text("label,person,a,b\n" + "\n".join(rows) + "\n")
    file = tmp_path / "csv.yaml"
    data = f"data: {{source: csv, path: {csv}, label: label, person: person}}"
    short = PLANTED.replace(PLANTED.splitlines()[1], data).replace("name: planted", "name: table")
    file.write_text(short.replace("epochs: 40", "epochs: 5").replace("values: [0.0001, 0.05, 0.051]", "values: [0.05]"))
    own = new_home(tmp_path)
    invoke("run", file, "--home", own.root, "--offline")
    csv.write_text(csv.read_text().replace("0.1", "0.3"))

    assert "the data of study 'table' have changed since it was run" in str(
        failing("promote", "table", "--trial", 0, "--home", own.root)
    )
    outbox = own.study("table").outbox
    outbox.write_bytes(b"".join(outbox.read_bytes().splitlines(keepends=True)[:-1]))
    assert "study 'table' is unfinished" in str(failing("promote", "table", "--trial", 0, "--home", own.root))
    shutil.rmtree(own.root)


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_a_server_takes_the_promotion_and_its_page_shows_the_evidence(home: Home, tmp_path: Path) -> None:
    promote(home, "web", "--trial", BAD, "--force")
    port = free_port()
    server = start("serve", "--home", home.root, "--port", port, folder=tmp_path)
    try:
        server.wait_for(lambda: "planted:" in server.stdout, seconds=90)
        url = f"http://127.0.0.1:{port}"

        done = promote(home, "web", "--trial", GOOD, "--tracking-uri", url)
        listed = json.loads(invoke("history", "web", "--tracking-uri", url, "--json").stdout)
        page = look(f"{url}/#/models/web/versions/2", tmp_path).dom
        run_id = listed["versions"][1]["run_id"]
        picture = f"{url}/get-artifact?path=evidence/web-v2/champion/evidence.png&run_uuid={run_id}"
        with urllib.request.urlopen(picture, timeout=20) as answer:
            shown = answer.read()
    finally:
        server.end(signal.SIGTERM)

    assert "Accepted: version 2 is now web@champion (before: version 1)." in done.stdout
    assert [version["aliases"] for version in listed["versions"]] == [[], ["champion"]]
    assert "Accepted: web version 2, against version 1." in page
    assert "get-artifact?path=evidence/web-v2/champion/evidence.png" in page
    assert shown.startswith(b"\x89PNG")


def test_what_was_said_of_a_studys_data_is_said_of_its_promotion(tmp_path: Path) -> None:
    spec, samples = tiny(tmp_path)
    warned = replace(samples, warnings=("9 of 60 pictures were trained on",))
    facts = StudyFacts("tiny", spec, warned, make_split(samples, spec.protocol), samples.fingerprint)

    assert _samples(facts, Home(tmp_path)).warnings == warned.warnings


def test_an_alias_that_somebody_else_moves_meanwhile_is_left_to_them(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    promote(home, "raced", "--trial", NEAR)
    promote(home, "raced", "--trial", BAD)  # refused, but registered
    examine = Promotion.examine

    def while_another_moves_it(
        self: Promotion, options: GateOptions, files: StudyFiles, executor: Executor
    ) -> Generator[GateEvent, None, Verdict]:
        verdict = yield from examine(self, options, files, executor)
        client_of(home).set_registered_model_alias("raced", "champion", "2")
        return verdict

    monkeypatch.setattr(Promotion, "examine", while_another_moves_it)
    failed = failing("promote", "planted", "--name", "raced", "--trial", GOOD, "--repeats", 3, "--home", home.root)

    assert str(failed) == (
        "while the gate measured against version 1, version 2 became champion of 'raced': the verdict is about another "
        "champion. Run the same command again; what was measured is kept."
    )
    assert holder(home, "raced") == 2
    monkeypatch.undo()
    assert promote(home, "raced", "--trial", GOOD).exit_code in (0, 5)
