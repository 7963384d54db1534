"""Numbers of things in words."""


def counted(number: int, noun: str) -> str:
    """`1 picture`, `2 pictures`, `2 entries`: a noun whose plural ends in s."""
    if number == 1:
        return f"{number} {noun}"
    return f"{number} {noun.removesuffix('y')}ies" if noun.endswith("ry") else f"{number} {noun}s"
