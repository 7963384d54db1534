"""Films and franchises in SFEW file names."""

import re

import pytest

from fer_sweep.data.persons import film_of, franchise_of, joined, persons_of


def names_in(
    paths: list[str], pattern: re.Pattern[str] | None = None, labels: list[str] | None = None
) -> list[str | None]:
    """What persons_of finds; labels: by default those of faces that all have another expression."""
    found = persons_of(paths, labels or [str(n) for n in range(len(paths))], pattern)
    assert not found.guessed or pattern is None
    return list(found.names)


@pytest.mark.parametrize(
    ("file_name", "film"),
    [
        ("AlexEmma_000225840_00000024.mat", "AlexEmma"),
        ("50_50_001805320_00000009.png", "50_50"),
        ("OceansThirteen-010619400_00000087.jpg", "OceansThirteen"),
        ("IAmSam_013827920__00000055.mat", "IAmSam"),
        ("HarryPotter_Deathly_Hallows_1_001610960_00000028.mat", "HarryPotter_Deathly_Hallows_1"),
        ("AlexEmma_000225840_00000024.gif", None),
        ("AlexEmma_00225840_00000024.mat", None),
        ("AlexEmma_000225840_00000024.mat.png", None),
        ("_000225840_00000024.mat", None),
    ],
)
def test_film_is_what_stands_before_time_and_frame(file_name: str, film: str | None) -> None:
    assert film_of(file_name) == film


@pytest.mark.parametrize(
    ("film", "franchise"),
    [
        ("HarryPotter_Deathly_Hallows_1", "HarryPotter"),
        ("HarryPotterAndOrderOPhoenix", "HarryPotter"),
        ("OceansEleven", "Oceans"),
        ("OceansTwelve", "Oceans"),
        ("WrongTurn3", "WrongTurn"),
        ("WrongTurn", "WrongTurn"),
        ("Hangover_2", "Hangover"),
        ("21", "21"),
        ("50_50", "50_50"),
        ("Juno", "Juno"),
    ],
)
def test_sequels_share_a_franchise(film: str, franchise: str) -> None:
    assert franchise_of(film) == franchise


def test_a_pattern_names_the_person_and_nothing_where_it_does_not_fit() -> None:
    pattern = re.compile(r"by-(?P<person>\w+)/|(?P<camera>cam)")

    assert names_in(["a/by-ann/1.png", "a/cam/2.png", "a/3.png"], pattern) == ["ann", None, None]
    assert names_in([], pattern) == []


def test_a_pattern_is_stronger_than_film_names() -> None:
    assert names_in(["Fear/Juno_000225840_00000024.png"], re.compile(r"^(?P<person>\w+)/")) == ["Fear"]


def test_films_are_franchises_and_other_names_among_them_are_nobody() -> None:
    paths = [
        "Angry/HarryPotter_Deathly_Hallows_1_001610960_00000028.png",
        "Sad/OceansTwelve-010619400_00000087.jpg",
        "Sad/WrongTurn3_000225840_00000024.png",
        "Sad/Ann_Lee_0001.jpg",
    ]

    assert names_in(paths) == ["HarryPotter", "Oceans", "WrongTurn", None]


def test_subjects_of_ck_are_known_by_their_names_in_any_folder() -> None:
    paths = [f"anger/S0{subject}_00{sequence}_00000011.png" for subject in (10, 11, 12) for sequence in (1, 2)]

    assert names_in([*paths, "fear/other_1.png"]) == ["S010", "S010", "S011", "S011", "S012", "S012", None]


def test_persons_with_an_identical_picture_are_one() -> None:
    persons = ["b", "a", "a", "c", "d", "d"]

    names, (warning,) = joined(persons, ["1", "2", "3", "1", "3", "4"])

    assert names == ("b", "a", "a", "b", "a", "a")
    assert warning.startswith("4 persons count as 2, because some have a picture that is another's too")
    assert joined(persons, ["1", "2", "2", "3", "4", "4"]) == (persons, ())  # copies of one person's picture
    assert joined(persons, list("123456")) == (persons, ())


@pytest.mark.parametrize("separator", ["_", "-", " "])
def test_a_name_before_a_number_is_a_person(separator: str) -> None:
    names = ["Ann Lee", "Bo_Li", "Cy", "D2_x"]
    paths = [f"joy/{name}{separator}{number:04d}.jpg" for name in names for number in (1, 2)]

    assert names_in(paths) == [name for name in names for _ in (1, 2)]


def test_one_file_with_another_name_does_not_hide_the_persons_of_the_others() -> None:
    paths = [f"{name}_{number}.png" for name in ("Ann", "Bo", "Cy", "Di") for number in (1, 2)]

    assert names_in([*paths, "portrait.png", "0001.png"])[-3:] == ["Di", None, None]


@pytest.mark.parametrize(
    "names",
    [
        [f"Training_{n}" for n in range(8)],  # one name
        ["Ann_1", "Bo_1", "Cy_1"],  # too few to tell
        [*(f"img_{n}" for n in range(4)), "Ann_1", "Bo_1", "Cy_1", "Di_1"],  # one name has half of the pictures
        ["1", "2_3", "000_004", "-5"],  # no letters
        ["ann", "bo", "cy", "di"],  # no numbers
    ],
)
def test_names_that_do_not_tell_persons_apart_are_nobodys(names: list[str]) -> None:
    assert names_in([f"{name}.png" for name in names]) == [None] * len(names)


def test_names_that_only_repeat_the_labels_are_nobodys() -> None:
    labels = [label for label in ("angry", "fear", "happy", "sad", "odd") for _ in range(4)]
    plain = [f"{label}/{label}_{n:03d}.png" for n, label in enumerate(labels)]
    with_more = [f"{label}/{sex}_{label}_{n}.png" for n, (label, sex) in enumerate(zip(labels, 10 * "mf", strict=True))]
    abbreviated = [f"{label}/{label[:2]}_{n}.png" for n, label in enumerate(labels)]

    for paths in (plain, with_more, abbreviated):
        assert names_in(paths, None, labels) == [None] * len(paths)


def test_a_person_may_be_called_joy() -> None:
    paths = [f"{name}_{number}.png" for name in ("Joy", "Bo", "Cy", "Di") for number in (1, 2)]

    assert names_in(paths, None, 4 * ["happy", "sad"])[:2] == ["Joy", "Joy"]
