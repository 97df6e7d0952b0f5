"""As few people as can be for a row of times, against all groups there are."""

from itertools import combinations

from hypothesis import given, strategies as st

from booking.scheduling.plans.fewest import fewest

TIMES = st.lists(st.frozensets(st.integers(1, 7), max_size=4), max_size=9)


def covers(group: tuple[int, ...] | list[int], times: list[frozenset[int]]) -> bool:
    return all(people & set(group) for people in times if people)


@given(TIMES)
def test_no_group_of_up_to_three_is_smaller_and_whoever_is_free_is_had(times: list[frozenset[int]]) -> None:
    found = fewest(times)
    assert covers(found, times) and len(set(found)) == len(found)
    people = frozenset[int]().union(*times)
    smaller = (group for count in range(len(found)) for group in combinations(people, count))
    least = min((len(group) for group in smaller if covers(group, times)), default=len(found))
    assert len(found) == least or least > 3


def test_who_has_the_most_times_is_taken_rather() -> None:
    assert fewest([{1, 2}, {2}, {2, 3}]) == [2]
    assert fewest([{1, 2}, {2}, {2, 3}, {1}]) == [2, 1]
    assert fewest([]) == fewest([set()]) == []
    assert fewest([{one} for one in range(9)]) == list(range(9))
