"""Numbers of things in words."""


def counted(number: int, noun: str) -> str:
    """`1 picture`, `2 pictures`: a noun whose plural ends in s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
