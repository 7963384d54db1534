"""The first signal waits for a safe place, the second does not."""

import signal

import pytest

from fer_sweep.cli import interruption
from fer_sweep.cli.interruption import SIGNALS, Interruption


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_waits_until_it_is_asked_for(number: signal.Signals) -> None:
    with Interruption() as held:
        held.check()
        signal.raise_signal(number)
        with pytest.raises(KeyboardInterrupt):
            held.check()


def test_a_second_signal_is_raised_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "TOGETHER_SECONDS", 0.0)
    with Interruption():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)


def test_signals_that_come_together_are_one() -> None:
    with Interruption() as held:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            held.check()


def test_the_handlers_of_before_are_back_afterwards() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]

    with Interruption():
        pass

    assert [signal.getsignal(number) for number in SIGNALS] == before
