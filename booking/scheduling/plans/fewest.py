"""With whom fixed times are had, so that it is as few people as can be. Values only."""

from collections import Counter
from collections.abc import Collection, Sequence
from itertools import chain, combinations

_TRIED = 3
"""Up to so many people all groups are tried."""


def by_most(times: Sequence[Collection[int]]) -> list[int]:
    """All who are free at these times, whoever has the most of them first."""
    return [person for person, _count in Counter(chain(*times)).most_common()]


def fewest(times: Sequence[Collection[int]]) -> list[int]:
    """Of the people who are free at each of these times as few as can be, so that one of them is free whenever anybody is; who has
    the most times comes first. Where more than three are needed, they are taken in turn, whoever has the most of what is left.
    """
    left = [people for people in times if people]
    for count in range(_TRIED + 1):
        for group in combinations(by_most(left), count):
            if all(any(one in people for one in group) for people in left):
                return list(group)
    taken = []
    while left:
        taken.append(by_most(left)[0])
        left = [people for people in left if taken[-1] not in people]
    return taken
