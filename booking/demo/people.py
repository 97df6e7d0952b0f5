"""The demo's patients: fictional, with addresses and numbers that are reserved for fiction."""

from dataclasses import dataclass

_FIRST = (
    "Maria", "James", "Nora", "Walter", "Ruth", "Samuel", "Ingrid", "Hector", "Priya", "George", "Elena", "Victor",
    "Fatima", "Howard", "Lucía", "Arthur", "Yuki", "Leonard", "Anita", "Gerald", "Sofia", "Ray", "Dolores", "Edwin",
    "Carmen", "Stanley", "Irene", "Omar", "Judith", "Paul", "Teresa", "Milton", "Grace", "Anton", "Shirley", "Kofi",
)  # fmt: skip
_LAST = (
    "Alvarez", "Bennett", "Castellano", "Dubois", "Ekström", "Fairbanks", "Goldberg", "Haddad", "Iwasaki", "Jefferson",
    "Kowalski", "Lindqvist", "Moreno", "Nakamura", "O'Connell", "Petrosyan", "Quintero", "Rosenthal", "Sandoval",
    "Takahashi", "Urbina", "Vasquez", "Whitaker", "Ximénez", "Yamada", "Zielinski",
)  # fmt: skip


@dataclass(frozen=True)
class Person:
    first_name: str
    last_name: str
    email: str | None
    phone: str | None
    # How often a week they come, for those who come often.
    often: int = 0


def patients(count: int) -> list[Person]:
    """So many different people: some with a landline only, some couples who share an address, a few who come often."""
    people = []
    for number in range(count):
        first, last = _FIRST[number % len(_FIRST)], _LAST[(number * 7 + number // len(_FIRST)) % len(_LAST)]
        home = number - 1 if number % 9 == 4 else number
        email = None if number % 8 == 3 else f"patient{home}@mail.example"
        phone = f"+1818555{100 + number % 100:04d}" if number % 3 != 1 or email is None else None
        people.append(Person(first, last, email, phone, often=(3, 2, 2, 3)[number] if number < 4 else 0))
    return people
