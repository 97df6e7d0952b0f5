"""All patients by what one remembers of them: part of a name, digits of a number, a date of birth. Kept by the process.

Only ids and words are kept, no records: what is shown is fetched anew. A word leads to the patients who have it; names
repeat, so there are far fewer words than patients. Errors of typing are forgiven by what a word sounds like with one
letter left out: words that share one such remainder are one error apart.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import date
from itertools import chain, islice
from typing import NamedTuple

LONGEST_QUESTION = 80
_SHORTEST_DIGITS = 3
_SHORTEST_TO_FORGIVE = 4
_MANY = 500
# The tier in which errors are forgiven, and the last one.
_FORGIVEN = 3

_LETTERS = re.compile(r"[^\W\d_]+")
_NUMBER = re.compile(r"\+?\(?\d[\d\s().+/-]*")
_AMERICAN = re.compile(r"(\d{1,2})[/-](\d{1,2})(?:[/-](\d{2}|\d{4}))?")
_ISO = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")


class Entry(NamedTuple):
    """What is known of a patient. `gone`: merged into another, and on no list."""

    id: int
    first_name: str
    last_name: str
    phone: str | None
    born_on: date | None
    gone: bool
    email: str | None = None


class Asked(NamedTuple):
    """One part of a question: a name, digits of a phone number, or a date ("1950-03-04", "-03-04", "1950")."""

    name: str = ""
    digits: str = ""
    born: str = ""


def plain(words: str) -> str:
    """Without case, accents and invisible letters."""
    decomposed = unicodedata.normalize("NFKD", words)
    return "".join(
        letter
        for letter in decomposed
        if not unicodedata.combining(letter) and unicodedata.category(letter) != "Cf"
    ).casefold()


def names_in(words: str) -> list[str]:
    """The words of a name, folded. "O'Brien" is "obrien" as well as "brien"."""
    folded = plain(words)
    found = _LETTERS.findall(folded)
    joined = ["".join(_LETTERS.findall(part)) for part in folded.split() if len(_LETTERS.findall(part)) > 1]
    return list(dict.fromkeys([*found, *joined]))


def sound(name: str) -> str:
    """Roughly what a name sounds like: spellings that people mix up are the same."""
    for written, heard in (("ph", "f"), ("th", "t"), ("ck", "k"), ("qu", "k"), ("sch", "s"), ("sh", "s")):
        name = name.replace(written, heard)
    name = name.translate(_HEARD)
    name = name[:1] + name[1:].replace("h", "")
    return re.sub(r"(.)\1+", r"\1", name)


_HEARD = str.maketrans({"c": "k", "z": "s", "y": "i", "w": "v", "q": "k", "x": "s", "j": "i"})


def asked(words: str, this_year: int) -> list[Asked]:
    """What a question asks for, part by part."""
    rest = plain(words)[:LONGEST_QUESTION]
    parts: list[Asked] = []

    def number(found: re.Match[str]) -> str:
        written = found.group().strip()
        parts.extend(_dates_or_digits(written, this_year))
        return " "

    rest = _NUMBER.sub(number, rest)
    for word in rest.split():
        letters = "".join(_LETTERS.findall(word))
        if letters:
            parts.append(Asked(name=letters))
    return parts


def _dates_or_digits(written: str, this_year: int) -> Iterator[Asked]:
    digits: list[str] = []
    for piece in written.split():
        date_words = date_in(piece, this_year)
        if date_words:
            yield Asked(born=date_words)
        else:
            digits.append("".join(filter(str.isdigit, piece)))
    joined = "".join(digits)
    if joined:
        # Four digits may be a year as well.
        year = joined if len(joined) == 4 and "1900" <= joined <= str(this_year) else ""
        yield Asked(digits=joined, born=year)


def date_in(piece: str, this_year: int) -> str:
    """A date as people type it, as "1950-03-04"; without a year, as "-03-04"; "" for whatever else it is."""
    if found := _ISO.fullmatch(piece):
        return f"{found[1]}-{int(found[2]):02}-{int(found[3]):02}"
    if found := _AMERICAN.fullmatch(piece):
        month, day, year = int(found[1]), int(found[2]), found[3]
        if not (1 <= month <= 12 and 1 <= day <= 31):
            return ""
        if year and len(year) == 2:
            century = this_year // 100 * 100
            year = str(century + int(year) if century + int(year) <= this_year else century - 100 + int(year))
        return f"{year or ''}-{month:02}-{day:02}"
    return ""


@dataclass
class Words:
    """Words and who has them: unique words in order, and for each its patients."""

    words: list[str]
    starts: array[int]
    patients: array[int]
    # The words once more, as one text, in which a part of any of them is found at once.
    text: str
    offsets: array[int]

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, int]]) -> Words:
        words: list[str] = []
        starts, patients, offsets = array("i"), array("i"), array("i")
        offset = 0
        for word, place in sorted(pairs):
            if not words or words[-1] != word:
                words.append(word)
                starts.append(len(patients))
                offsets.append(offset)
                offset += len(word) + 1
            patients.append(place)
        starts.append(len(patients))
        return cls(words, starts, patients, "\n".join(words), offsets)

    def whose(self, first: int, last: int) -> array[int]:
        """The patients of a range of words."""
        return self.patients[self.starts[first] : self.starts[last]]

    def exact(self, word: str) -> set[int]:
        place = bisect_left(self.words, word)
        there = place < len(self.words) and self.words[place] == word
        return set(self.whose(place, place + 1)) if there else set()

    def beginning(self, part: str) -> set[int]:
        first = bisect_left(self.words, part)
        last = bisect_right(self.words, part + "\U0010ffff")
        return set(self.whose(first, last))

    def containing(self, part: str, at_most: int | None = None) -> set[int]:
        """Those with the part anywhere in a word; the first so many words, if there are more."""
        found: set[int] = set()
        left = at_most if at_most is not None else len(self.words)
        place = self.text.find(part)
        while place >= 0 and left:
            word = bisect_right(self.offsets, place) - 1
            found.update(self.whose(word, word + 1))
            left -= 1
            if word + 1 == len(self.words):
                break
            place = self.text.find(part, self.offsets[word + 1])
        return found


def _remainders(word: str) -> list[str]:
    return [word, *(word[:place] + word[place + 1 :] for place in range(len(word)))]


@dataclass
class Sounds:
    """Words by what they sound like, by the beginning of that, and by that with one letter left out.

    A remainder is kept as a number made of its hash and of its word's place: one sorted array instead of a dictionary.
    """

    words: list[str]
    heard: list[str]
    places: array[int]
    remainders: array[int]

    @classmethod
    def of(cls, words: list[str]) -> Sounds:
        sounds = [sound(word) for word in words]
        order = sorted(range(len(words)), key=sounds.__getitem__)
        kept = {
            _hash(remainder) << 24 | place
            for place, heard in enumerate(sounds)
            if len(heard) >= _SHORTEST_TO_FORGIVE - 1
            for remainder in _remainders(heard)
        }
        return cls(words, [sounds[place] for place in order], array("i", order), array("Q", sorted(kept)))

    def like(self, name: str) -> list[int]:
        """The places of the words that sound like this one, begin as it sounds, or are one error away from that."""
        heard = sound(name)
        if len(name) < _SHORTEST_TO_FORGIVE or len(heard) < _SHORTEST_TO_FORGIVE - 1:
            return []
        first, last = bisect_left(self.heard, heard), bisect_right(self.heard, heard + "\U0010ffff")
        found = dict.fromkeys(self.places[first:last])
        for remainder in _remainders(heard):
            mark = _hash(remainder)
            place = bisect_left(self.remainders, mark << 24)
            while place < len(self.remainders) and self.remainders[place] >> 24 == mark:
                word = self.remainders[place] & 0xFFFFFF
                if word not in found and one_error_apart(heard, sound(self.words[word])):
                    found[word] = None
                place += 1
        return list(found)


def _hash(word: str) -> int:
    return hash(word) & 0xFFFFFFFFFF


def one_error_apart(one: str, other: str) -> bool:
    """The same but for one letter that is missing, too much or another, or two neighbours that changed places."""
    if one == other:
        return True
    if abs(len(one) - len(other)) > 1:
        return False
    same = 0
    while same < min(len(one), len(other)) and one[same] == other[same]:
        same += 1
    left, right = one[same:], other[same:]
    if len(left) == len(right):
        return left[1:] == right[1:] or (left[:2] == right[1::-1] and left[2:] == right[2:])
    return left[1:] == right if len(left) > len(right) else right[1:] == left


@dataclass
class Index:
    """Entries in the order of their names; everything in it speaks of their places in that order."""

    ids: array[int]
    places: dict[int, int]
    names: Words
    digits: Words
    born: Words
    emails: Words
    sounds: Sounds

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Index:
        shown = sorted(
            (entry for entry in entries if not entry.gone),
            key=lambda entry: (plain(entry.last_name), plain(entry.first_name), entry.id),
        )
        ids = array("q", (entry.id for entry in shown))
        names, digits, born, emails = [], [], [], []
        for place, entry in enumerate(shown):
            names += [(word, place) for word in names_in(f"{entry.first_name} {entry.last_name}")]
            if entry.phone:
                digits.append((_digits(entry.phone), place))
            if entry.born_on:
                born.append((entry.born_on.isoformat(), place))
            if entry.email:
                emails.append((entry.email.lower(), place))
        words = Words.of(names)
        return cls(
            ids,
            {patient_id: place for place, patient_id in enumerate(ids)},
            words,
            Words.of(digits),
            Words.of(born),
            Words.of(emails),
            Sounds.of(words.words),
        )

    def places_of(self, ids: Set[int]) -> set[int]:
        """Where those of these who are here have their place."""
        return {self.places[one] for one in ids & self.places.keys()}

    def tiers(self, part: Asked) -> Iterator[set[int]]:
        """Whom this part means: surest first. Each holds what those before it hold."""
        if part.name:
            begins = self.names.beginning(part.name)
            yield self.names.exact(part.name) or begins
            yield begins
            anywhere = begins | (self.names.containing(part.name) if len(part.name) > 1 else set())
            yield anywhere
            forgiven = set(anywhere)
            for word in self.sounds.like(part.name):
                forgiven.update(self.names.whose(word, word + 1))
            yield forgiven
            return
        begins = self._born(part.born) | self._digits_beginning(part.digits)
        yield begins
        # So many begin with these digits that nobody looks for more who have them somewhere.
        inside = part.digits and len(part.digits) >= _SHORTEST_DIGITS and len(begins) < _MANY
        anywhere = begins | self.digits.containing(part.digits, _MANY) if inside else begins
        for _tier in range(_FORGIVEN):
            yield anywhere

    def _born(self, words: str) -> set[int]:
        if not words:
            return set()
        return self.born.containing(words) if words.startswith("-") else self.born.beginning(words)

    def _digits_beginning(self, digits: str) -> set[int]:
        """Numbers of this country are kept with its code and asked for without."""
        if len(digits) < _SHORTEST_DIGITS:
            return set()
        return self.digits.beginning(digits) | self.digits.beginning("1" + digits)


@dataclass
class Directory:
    """An index, and the entries that changed since it was made. A few of those; then a new index is made.

    `lately`: entries of the index that had just changed when it was made, and are reported once more.
    """

    index: Index
    lately: Mapping[int, Entry] = field(default_factory=dict)
    changed: dict[int, Entry] = field(default_factory=dict)
    late: Index | None = None

    @classmethod
    def of(cls, entries: Iterable[Entry], lately: Mapping[int, Entry] | None = None) -> Directory:
        return cls(Index.of(entries), lately or {})

    def with_changed(self, entries: Iterable[Entry]) -> Directory:
        """The same with these as they are now; itself if they are known."""
        news = {
            entry.id: entry
            for entry in entries
            if (self.changed.get(entry.id) or self.lately.get(entry.id)) != entry
        }
        if not news:
            return self
        changed = self.changed | news
        return Directory(self.index, self.lately, changed, Index.of(changed.values()))

    def find(self, parts: list[Asked], first: Set[int] = frozenset()) -> Iterator[int]:
        """The ids of whom all parts mean, surest first, then by name. Each once. Those in `first` come before all others, if
        nothing has to be forgiven for that.
        """
        tiers = self._tiers(parts)
        sure = list(islice(tiers, _FORGIVEN)) if first else []
        ahead = [(index, meant & index.places_of(first), old) for index, meant, old in chain(*sure)]
        given: set[int] = set()
        for index, meant, old in chain(ahead, *sure, chain.from_iterable(tiers)):
            for place in sorted(meant):
                patient_id = index.ids[place]
                if patient_id not in given and not (old and patient_id in self.changed):
                    given.add(patient_id)
                    yield patient_id

    def with_address(self, part: str, at_most: int) -> set[int] | None:
        """The ids of those who have this in their e-mail address; None if there are more than so many."""
        found: set[int] = set()
        for index, old in self._indexes():
            places = index.emails.containing(part, at_most + 1)
            if len(places) > at_most:
                return None
            ids = {index.ids[place] for place in places}
            found |= ids - self.changed.keys() if old else ids
        return found

    def _indexes(self) -> list[tuple[Index, bool]]:
        """The late index, if there is one, and the one that is `old`."""
        return [(self.late, False), (self.index, True)] if self.late else [(self.index, True)]

    def _tiers(self, parts: list[Asked]) -> Iterator[list[tuple[Index, set[int], bool]]]:
        """Whom all parts mean, tier by tier, in the late index and in the one that is `old`."""
        if not parts:
            return
        streams = [
            (index, zip(*(index.tiers(part) for part in parts), strict=True), old)
            for index, old in self._indexes()
        ]
        for _tier in range(_FORGIVEN + 1):
            # Whoever has the fewest is asked first, so that little is compared.
            yield [
                (index, set.intersection(*sorted(next(tiers), key=len)), old) for index, tiers, old in streams
            ]


def _digits(phone: str) -> str:
    return "".join(filter(str.isdigit, phone))
