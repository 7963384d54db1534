"""Promotion: a configuration of a study becomes a registered model, is examined, and takes an alias or does not."""

import time
from collections.abc import Generator

from fer_sweep.data import Fold, Samples
from fer_sweep.errors import StudyError
from fer_sweep.execution.executor import Executor
from fer_sweep.study.choice import Choice
from fer_sweep.study.events import Trial
from fer_sweep.study.facts import StudyFacts
from fer_sweep.study.gate import GateEvent, examine
from fer_sweep.study.home import StudyFiles
from fer_sweep.study.keys import config_key, trial_seed
from fer_sweep.study.verdict import GateOptions, Verdict
from fer_sweep.tracking.address import Store
from fer_sweep.tracking.client import open_client, store_errors
from fer_sweep.tracking.evidence import Examination, version_note, version_tags, write_evidence
from fer_sweep.tracking.lookup import run_ids
from fer_sweep.tracking.model_run import configuration_of, log_model, logged_model
from fer_sweep.tracking.provenance import provenance
from fer_sweep.tracking.registry import Move, Origin, Registry, Version, user
from fer_sweep.tracking.upload import log_folder
from fer_sweep.training.records import EpochReport
from fer_sweep.training.refit import refit
from fer_sweep.training.trials import Device


class Promotion:
    """A configuration on its way to an alias of a registered model. fold: whose training part it is trained on; None
    for all samples.

    Raises TrackingError when the store does not answer, and StudyError if the configuration of the
    version that has the alias now cannot be had."""

    def __init__(
        self,
        store: Store,
        facts: StudyFacts,
        choice: Choice,
        samples: Samples,
        *,
        fold: Fold | None,
        model: str,
        alias: str,
    ) -> None:
        self._store, self._client = store, open_client(store)
        self._facts, self._choice, self._samples, self._fold, self.alias = facts, choice, samples, fold, alias
        self.registry = Registry(self._client, model)
        self.champion = self.registry.holder(alias)
        self._against = None if self.champion is None else configuration_of(self._client, self.champion)
        self._runs = run_ids(self._client, facts, choice.number)
        self.origin = Origin(
            study=facts.name,
            trial=choice.number,
            config_key=config_key(choice.config, facts.split.hash),
            data_fingerprint=facts.fingerprint,
            trained_on="all samples" if fold is None else f"fold {fold.repeat}/{fold.fold}",
        )

    @property
    def is_champion(self) -> bool:
        """Whether this very model has the alias already."""
        return self.champion is not None and self.origin.tags.items() <= self.champion.tags.items()

    def version(self, device: Device) -> Generator[EpochReport, None, Version]:
        """The registered version, as the challenger: trained and logged unless it was before."""
        found = self.registry.find(self.origin)
        if found is None:
            logged = logged_model(self._client, self.origin)
            if logged is None:
                # the seed of the trial: with a fold of its splits, it is the very network that was measured there
                trial = Trial("search", self._choice.number, self._choice.config, {}, self._facts.split.hash)
                seed = trial_seed(self._facts.spec.seed, trial)
                pipeline = yield from refit(
                    self._choice.config, self._samples, seed=seed, device=device, fold=self._fold
                )
                logged = log_model(
                    self._client, self._store, self.origin, pipeline,
                    facts=self._facts, choice=self._choice, samples=self._samples,
                    parent=self._runs["study"], provenance=provenance(),
                )  # fmt: skip
            run_id, uri = logged
            stage = "search" if self._choice.confirmed is None else "confirm"
            tags = {"fer.stage": stage, "fer.split_hash": self._facts.split.hash}
            found = self.registry.register(self.origin, uri, run_id, tags)
        if not found.held:
            self.registry.propose(found)
        return found

    def examine(
        self, options: GateOptions, files: StudyFiles, executor: Executor
    ) -> Generator[GateEvent, None, Verdict]:
        """The gate's verdict on the configuration, against that of the version that has the alias now."""
        verdict = yield from examine(
            self._choice.config, self._against, self._samples,
            metric=self._facts.spec.metric, options=options, files=files, executor=executor,
        )  # fmt: skip
        return verdict

    def conclude(self, version: Version, verdict: Verdict, *, force: str | None) -> Examination:
        """Store the evidence and, if the verdict allows it, move the alias. force: the reason to move it all the same,
        None not to. Raises StudyError if somebody else has moved it meanwhile."""
        at = time.time_ns() // 1_000_000
        before = None if self.champion is None else self.champion.number
        holder = self.registry.holder(self.alias)
        now = None if holder is None else holder.number
        if now != before:
            then, meanwhile = ("nobody" if number is None else f"version {number}" for number in (before, now))
            raise StudyError(
                f"while the gate measured against {then}, {meanwhile} became {self.alias} of {self.registry.name!r}: "
                "the verdict is about another champion. Run the same command again; what was measured is kept."
            )
        move = None
        if verdict.accepted:
            move = Move("promote", self.alias, before, version.number, reason(verdict), user(), at)
        elif force is not None:
            although = "although " + " ".join(check.text for check in verdict.failed)
            why = f"{force}, {although}" if force else although
            move = Move("promote", self.alias, before, version.number, why, user(), at, forced=True)
        examined = Examination(
            version, self.champion, self.alias, self._facts, self._choice, verdict, self._runs, at, move
        )
        remedy = "Run the same command again once it does."
        with store_errors(self._client.tracking_uri, remedy), log_folder(self._client, version.run_id) as folder:
            write_evidence(folder, examined)
        self.registry.annotate(version, version_tags(examined), description=version_note(examined))
        if move is not None:
            self.registry.move(move)
        return examined


def reason(verdict: Verdict) -> str:
    """Why a version was accepted, in a sentence."""
    deciding = next((check for check in verdict.checks if check.name == "harm"), verdict.checks[0])
    return deciding.text.removesuffix(".")
