"""Whole numbers, as forms and addresses send them."""


def whole(words: str | None, digits: int = 9) -> int | None:
    """A whole number of so many digits at the most, written in 0 to 9; None for anything else."""
    fits = words and len(words) <= digits and words.isascii() and words.isdigit()
    return int(words) if words and fits else None
