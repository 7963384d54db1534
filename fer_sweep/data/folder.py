"""`source: folder`: face pictures in class folders, or in the layout of a known data set."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_sweep.data.cache import Cache
from fer_sweep.data.conventions import TEST, VALIDATION, Labelled, recognize
from fer_sweep.data.counts import counted
from fer_sweep.data.examination import verdicts_on
from fer_sweep.data.labels import encode_labels
from fer_sweep.data.manifest import read_manifest
from fer_sweep.data.persons import joined, persons_of
from fer_sweep.data.pictures import Pictures, whole_boxes
from fer_sweep.data.samples import NO_PART, IntArray, Samples
from fer_sweep.errors import DataError
from fer_sweep.spec.data import FolderData

_NAMED = 5


@dataclass(frozen=True)
class Survey:
    """What a folder holds. sizes: (width, height) of each readable picture; unreadable: path and reason."""

    root: Path
    layout: str
    pictures: tuple[Labelled, ...]
    digests: tuple[str, ...]
    sizes: tuple[tuple[int, int], ...]
    unreadable: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


def survey_folder(config: FolderData, cache: Cache | None) -> Survey:
    """Look at every picture file that `config` means. Which ones are readable is remembered by `cache`.

    Raises DataError if there is no such folder, no layout fits it, or a manifest is wrong.
    """
    root = Path(config.path).expanduser()
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else f"does not exist (looked for {root.absolute()})"
        raise DataError(
            f"data.path: {config.path} {what}. Name the folder that holds the class folders; for a table use "
            "data.source: csv or fer2013."
        )
    layout = recognize(root, config.labels) if config.manifest is None else read_manifest(config.manifest, root)
    listed = sorted(layout.pictures, key=lambda picture: picture.path.as_posix())

    verdicts = verdicts_on([picture.path for picture in listed], cache)
    good = [i for i, verdict in enumerate(verdicts) if not verdict.reason]
    return Survey(
        root=root,
        layout=layout.name,
        pictures=tuple(listed[i] for i in good),
        digests=tuple(verdicts[i].digest for i in good),
        sizes=tuple(verdicts[i].size for i in good),
        unreadable=tuple(
            (picture.path.relative_to(root).as_posix(), verdict.reason)
            for picture, verdict in zip(listed, verdicts, strict=True)
            if verdict.reason
        ),
        warnings=layout.warnings,
    )


def load_folder_samples(config: FolderData, cache: Cache | None) -> Samples:
    """The readable pictures of a folder; raises DataError as `survey_folder` and `surveyed_samples` do."""
    return surveyed_samples(survey_folder(config, cache), config, cache)


def surveyed_samples(survey: Survey, config: FolderData, cache: Cache | None) -> Samples:
    """The readable pictures of a folder in the order of their paths, which are their ids.

    Persons are those that layout, manifest or `person` name; a picture without one is its own person, and those with an
    identical picture are one. Parts are the official ones, where training and test pictures (or, lacking those,
    validation pictures) are labelled.
    Raises DataError if nothing can be read, or, with `on_bad_file: error`, if anything cannot.
    """
    named = _named(survey)
    if named and config.on_bad_file == "error":
        raise DataError(
            f"data.path: {config.path} has {counted(len(named), 'file')} without a readable picture: {_first(named)}. "
            "Remove or repair what is named, or use data.on_bad_file: skip."
        )
    if not survey.pictures:
        why = _first(named) or f"it is taken for {survey.layout}, which labels none of its files"
        raise DataError(f"data.path: {config.path} has no readable picture: {why}.")
    ids = tuple(picture.path.relative_to(survey.root).as_posix() for picture in survey.pictures)
    named_persons, person_warnings = person_names(survey, config.person)
    y, class_names = encode_labels([picture.label for picture in survey.pictures])
    persons, joined_warnings = joined(named_persons, survey.digests)
    names, person = np.unique(persons, return_inverse=True)
    return Samples(
        x=Pictures(tuple(p.path for p in survey.pictures), survey.digests, whole_boxes(survey.sizes), cache),
        y=y,
        person=person.astype(np.int64),
        ids=ids,
        class_names=class_names,
        person_names=tuple(names.tolist()),
        part=_official(survey.pictures),
        warnings=(*survey.warnings, *left_out(survey), *person_warnings, *joined_warnings, *duplicate_warnings(survey)),
    )


def left_out(survey: Survey) -> tuple[str, ...]:
    """What to know about files that are no readable pictures."""
    named = _named(survey)
    return (f"Left out: {counted(len(named), 'file')} without a readable picture: {_first(named)}.",) if named else ()


def _named(survey: Survey) -> list[str]:
    return [f"{path} ({reason})" for path, reason in survey.unreadable]


def person_names(survey: Survey, pattern: str | None) -> tuple[list[str], tuple[str, ...]]:
    """The person of every picture, and what should be known about them.

    Raises DataError if `pattern` is no regular expression with a group `person`, or does not fit every file.
    """
    ids = [picture.path.relative_to(survey.root).as_posix() for picture in survey.pictures]
    labels = [picture.label for picture in survey.pictures]
    persons = persons_of(ids, labels, None if pattern is None else _compiled(pattern))
    found = persons.names
    unfit = [repr(path) for path, name in zip(ids, found, strict=True) if not name]
    if pattern is not None and len(unfit) == len(ids):
        raise DataError(f"data.person: {pattern!r} fits none of the {len(ids)} pictures, such as {unfit[0]}.")
    if pattern is not None and unfit:
        raise DataError(
            f"data.person: {pattern!r} names a person in {len(ids) - len(unfit)} of {len(ids)} pictures, but not in "
            f"{_first(unfit)}. Make it fit all paths, remove the files that do not belong here, or give a "
            "data.manifest with a person column."
        )
    # what a file says itself comes first, unless the user has said how to read it
    both = [p.person or name if pattern is None else name for p, name in zip(survey.pictures, found, strict=True)]
    alone = sum(name is None for name in both)
    remedy = "Give data.person (a regular expression) or a data.manifest with a person column"
    warnings = []
    if alone:
        warnings.append(
            f"No person is named by {alone} of {len(ids)} pictures; each counts as a person of its own, so people may "
            f"stand on both sides of a split. {remedy}."
        )
    if persons.guessed and not all(picture.person for picture in survey.pictures):
        names = sorted({name for name in both if name is not None})
        warnings.append(f"persons are guessed from file names: {_first(names)}. {remedy}, if these are no persons.")
    return [name or f"({path})" for path, name in zip(ids, both, strict=True)], tuple(warnings)


def duplicate_warnings(survey: Survey) -> tuple[str, ...]:
    """What to know about pictures that occur more than once."""
    groups: defaultdict[str, list[Labelled]] = defaultdict(list)
    for picture, digest in zip(survey.pictures, survey.digests, strict=True):
        groups[digest].append(picture)
    repeated = [group for group in groups.values() if len(group) > 1]
    disputed = [group for group in repeated if len({picture.label for picture in group}) > 1]
    warnings = []
    if disputed:
        examples = [" = ".join(f"{p.path.name} ({p.label})" for p in group) for group in disputed]
        warnings.append(f"There are copies of {counted(len(disputed), 'picture')} under several labels, of which at "
                        f"most one can be right: {_first(examples)}.")  # fmt: skip
    if alike := len(repeated) - len(disputed):
        warnings.append(f"There are copies of {counted(alike, 'picture')} under the same label; all are kept.")
    return tuple(warnings)


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise DataError(f"data.person: {pattern!r} is no regular expression: {error}.") from error
    if "person" not in compiled.groupindex:
        raise DataError(
            f"data.person: {pattern!r} has no group `person`. Mark the part that names the person, as in "
            r"(?P<person>[^/_]+)_\d+\.png."
        )
    return compiled


def _official(pictures: Sequence[Labelled]) -> IntArray | None:
    """(N,) official part of every picture, NO_PART where it has none; None if there are not two parts or more."""
    official = np.array([NO_PART if picture.part is None else picture.part for picture in pictures], dtype=np.int64)
    if len(set(official.tolist()) - {NO_PART}) < 2:
        return None
    if TEST not in official:  # SFEW 2.0's test part has no labels; its validation part is what people test on
        official[official == VALIDATION] = TEST
    return official


def _first(items: Sequence[str]) -> str:
    more = f" and {len(items) - _NAMED} more" if len(items) > _NAMED else ""
    return ", ".join(items[:_NAMED]) + more
