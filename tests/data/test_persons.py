"""Films and franchises in SFEW file names."""

import pytest

from fer_sweep.data.persons import film_of, franchise_of


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
