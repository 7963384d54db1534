"""Who is in a picture: persons of SFEW are known by their film, and sequels share their actors.

SFEW labels no persons. The same actors appear throughout a film and in its sequels, so the unit that must not straddle
a strictly person independent split (Dhall et al. 2011, section 4) is the franchise:

* film names that begin with an entry of FRANCHISES belong to that franchise;
* a number that ends a film name counts sequels and is left out: WrongTurn3 joins WrongTurn. A name without letters
  (21, 50_50) is a title and stays whole.

Names of CK+ (Lucey et al. 2010) begin with the subject, wherever the files lie.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fer_sweep.data.labels import expression_of

FRANCHISES = ("HarryPotter", "Oceans")

_FILE_NAME = re.compile(r"(?P<film>.+?)[_-](?P<timestamp>\d{9})_{1,2}(?P<frame>\d{8})\.(png|jpg|mat)")
_CK_NAME = re.compile(r"(?P<subject>S\d{3})_\d{3}_\d{8}\b.*")
_SEQUEL_NUMBER = re.compile(r"(?<=[A-Za-z])_?\d{1,2}$")


def film_of(file_name: str) -> str | None:
    """The film in an SFEW file name `<film>_<HHMMSSmmm>_<frame>.<png|jpg|mat>`; None if it is not of that form."""
    match = _FILE_NAME.fullmatch(file_name)
    return match["film"] if match else None


def franchise_of(film: str) -> str:
    """The person group of a film: its franchise (see the module's rules), or the film itself."""
    for franchise in FRANCHISES:
        if film.startswith(franchise):
            return franchise
    return _SEQUEL_NUMBER.sub("", film)


_NUMBERED_NAME = re.compile(r"(?P<person>.*[^\W\d_].*?)[ _-]+\d+$")
_FEWEST_NAMES, _LARGEST_SHARE = 4, 0.25
_LARGEST_SHARE_OF_EXPRESSIONS = 0.5
"""Joy is a person's name too."""


@dataclass(frozen=True)
class Persons:
    """The person in every path, None where it names none; guessed: whether any word before a number was taken for a
    name."""

    names: tuple[str | None, ...]
    guessed: bool = False


def persons_of(paths: Sequence[str], labels: Sequence[str], pattern: re.Pattern[str] | None) -> Persons:
    """The person in every path. labels: of the pictures.

    pattern: searched in the path, its group `person` is the person. Without it: the franchise of an SFEW name, or the
    subject of a CK+ name, or the name in `Some_Name_0001.jpg`; the last are believed only if they tell enough persons
    apart (`Training_0001.jpg` names none) and do not just repeat the label (`happy_0001.jpg`).
    """
    if pattern is not None:
        return Persons(tuple(match["person"] if (match := pattern.search(path)) else None for path in paths))
    files = [path.rsplit("/", 1)[-1] for path in paths]
    films = [film_of(name) for name in files]
    if any(films):
        return Persons(tuple(None if film is None else franchise_of(film) for film in films))
    subjects = [_CK_NAME.fullmatch(name) for name in files]
    if any(subjects):
        return Persons(tuple(None if match is None else match["subject"] for match in subjects))
    numbered = [_NUMBERED_NAME.fullmatch(name.rsplit(".", 1)[0]) for name in files]
    named = [(match["person"], label) for match, label in zip(numbered, labels, strict=True) if match is not None]
    sizes = Counter(person for person, _ in named)
    few = len(sizes) < _FEWEST_NAMES or max(sizes.values()) > _LARGEST_SHARE * len(paths)
    if few or _are_labels(named):
        return Persons((None,) * len(paths))
    return Persons(tuple(None if match is None else match["person"] for match in numbered), guessed=True)


def joined(persons: Sequence[str], digests: Sequence[str]) -> tuple[Sequence[str], tuple[str, ...]]:
    """The persons of N pictures, those with an identical picture as one: whoever is in it, it must not stand on both
    sides of a split. Such a group has the name of its first picture. digests: of the pictures' content. Returns what
    should be known about it as well."""
    if len(set(digests)) == len(digests):
        return persons, ()
    from scipy.sparse import coo_array  # takes a quarter of a second to load, and few data sets want it
    from scipy.sparse.csgraph import connected_components

    names, person = np.unique(persons, return_inverse=True)
    picture = len(names) + np.unique(digests, return_inverse=True)[1]
    nodes = len(names) + len(digests)
    meetings = coo_array((np.ones(len(digests)), (person, picture)), shape=(nodes, nodes))
    group = connected_components(meetings, directed=False)[1][person]
    found, first = np.unique(group, return_index=True)
    if len(found) == len(names):
        return persons, ()
    name_of = {one: persons[i] for one, i in zip(found.tolist(), first.tolist(), strict=True)}
    warning = (
        f"{len(names)} persons count as {len(found)}, because some have a picture that is another's too: it must not "
        "stand on both sides of a split."
    )
    return tuple(name_of[one] for one in group.tolist()), (warning,)


def _are_labels(named: Sequence[tuple[str, str]]) -> bool:
    """Whether names (with the labels of their pictures) are just other words for the labels."""
    spelled = sum(any(map(expression_of, re.split(r"[ _-]", name))) for name, _ in named)
    each_has_one = len(set(named)) == len({name for name, _ in named}) <= len({label for _, label in named})
    return each_has_one or spelled > _LARGEST_SHARE_OF_EXPRESSIONS * len(named)
