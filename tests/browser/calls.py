"""An hour of a busy day at the desk: forty telephone calls, what the clerk does at each, and what it took.

The table below says what is said on the telephone. The clerk looks at the page after each key, as people do, and counts
keys, clicks and seconds; a colleague at the next screen changes things meanwhile. Nobody sleeps: the seconds are the
page's own.
"""

import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import text

from booking import clock
from booking.extensions import db
from booking.models import BookableBy, Reminders
from booking.reminders.delivery import deliver_due
from booking.scheduling.timeline import cell_at
from booking.services import booking
from tests.clinics import clinic, needled, practitioner, rooms, set_up, visit_type
from tests.staffing import hired, signed_in

ZONE = ZoneInfo("America/Los_Angeles")
TODAY = date(2026, 9, 15)  # A Tuesday.
DAYS = {"Tue": TODAY, "Wed": TODAY + timedelta(1), "Thu": TODAY + timedelta(2), "Fri": TODAY + timedelta(3)}
BOARD = f"/desk/day/{TODAY}"
EACH_CALL = timedelta(seconds=85)

PEOPLE = {
    "ana": "Ana Ruiz", "ben": "Ben Okoro", "cleo": "Cleo Park", "dev": "Dev Shah", "eve": "Eve Stone", "fay": "Fay Lind",
    "gus": "Gus Moran",
}  # fmt: skip
HALF_HOURS = ("9:00", "9:30", "10:00", "10:30", "11:00", "11:30",
              "13:00", "13:30", "14:00", "14:30", "15:00", "15:30", "16:00", "16:30")  # fmt: skip
# Who comes today, half an hour each; to Gus for fifty minutes, on the hour.
BOOKED_TODAY = """
ana   Abel  Alma  .     Anya  Arlo  Asa   Ava   .     Axel  Ayla  Amos  .     Adah  Alec
ben   Bart  Beth  Bill  .     Boaz  Bree  .     Burt  Bess  .     Basil Betty Blair Bruno
cleo  Cal   Cara  .     Chad  Cody  Cora  Cruz  Cyd   .     Clara Coral .     Cyrus Celia
dev   Dale  Dara  Dean  .     Dino  Dirk  Dora  .     Drew  Duke  .     Dylan Daisy Damon
eve   Earl  .     Eddy  Edna  Ella  Elmo  Emil  Emma  .     Enid  Ezra  Elsie .     Ewan
fay   Faith Felix .     Fern  Finn  Flora .     Floyd Ford  Frank .     Fred  Freya Fritz
gus   Gail  -     .     .     Glen  -     Greta -     .     -     Grace -     Grant -
"""
# Who comes on one of the three days after, and is known at the desk.
BOOKED_LATER = (
    "Hana", "Hugo", "Ines", "Ivan", "Jade", "Joel", "Kara", "Kurt", "Lena", "Luis", "Maya", "Milo", "Nina", "Noah", "Olga", "Otis",
    "Pia", "Paul", "Quinn", "Rita", "Rolf", "Sara", "Seth", "Tara", "Tony", "Uma", "Vera", "Vito", "Wanda", "Ximena",
)  # fmt: skip
SURNAMES = (
    "Quill",
    "Brandt",
    "Castor",
    "Delgado",
    "Ekberg",
    "Fontaine",
    "Grimaldi",
    "Hathaway",
    "Ibsen",
    "Jankowski",
    "Kowalczyk",
)


# What is done at a call


@dataclass(frozen=True)
class Move:
    """To another place, as in "Thu 10:00"; `to` names the person. By keys, or by mouse.

    `once_taken`: where to instead, if the colleague is faster.
    """

    who: str
    to: str
    at: str
    by: str = "keys"
    once_taken: str = ""
    and_back: bool = False


@dataclass(frozen=True)
class Find:
    """To the `place`-th of the next free times of all."""

    who: str
    place: int = 1


@dataclass(frozen=True)
class Book:
    """A visit for somebody known, found by `typed`: at the first time that is offered on that day."""

    who: str
    typed: str
    day: str = "Wed"


@dataclass(frozen=True)
class New:
    """A first record: a name, a telephone number, the first free time."""

    name: str
    phone: str


@dataclass(frozen=True)
class Here:
    who: str


@dataclass(frozen=True)
class Sure:
    """Confirms."""

    who: str


@dataclass(frozen=True)
class Away:
    """Can't come."""

    who: str
    why: str


@dataclass(frozen=True)
class Missed:
    who: str


@dataclass(frozen=True)
class Phone:
    """Has another number."""

    who: str
    typed: str
    phone: str


Does = Move | Find | Book | New | Here | Sure | Away | Missed | Phone


@dataclass(frozen=True)
class Call:
    """What is said, what the clerk does, and what the colleague does in the middle of it."""

    said: str
    does: Does
    meanwhile: Does | None = None


CALLS = (
    Call("I'm downstairs, do I come up?", Here("Abel")),
    Call("Alec here. Could I come an hour earlier than half past four?", Move("Alec", "ana", "15:30")),
    Call("Hana. I want another visit, tomorrow if you can.", Book("Hana", "hana", "Wed")),
    Call("Dean. I'm stuck in traffic; half past ten?", Move("Dean", "dev", "10:30")),
    Call(
        "Blair. Earlier, please, and I said yes to your message a minute ago.",
        Move("Blair", "ben", "13:00", by="mouse"),
        meanwhile=Sure("Blair"),
    ),
    Call("Axel. Can I come right after lunch?", Move("Axel", "ana", "13:30", by="mouse")),
    Call("Floyd. Half an hour earlier?", Move("Floyd", "fay", "13:00", by="mouse")),
    Call("Bart is at the door.", Here("Bart")),
    Call("Drew. Dev is lovely, but might I see Eve?", Move("Drew", "eve", "14:00")),
    Call("Grant. I can't come today, I'm ill.", Away("Grant", "ill")),
    Call("Joel. Anything on Thursday?", Book("Joel", "joel", "Thu")),
    Call("Ayla. Not today, tomorrow at the same time.", Move("Ayla", "ana", "Wed 14:30")),
    Call("Cal has arrived.", Here("Cal")),
    Call("Milo. A visit tomorrow, the first you have.", Book("Milo", "milo", "Wed")),
    Call("Faith hasn't come; it is a quarter past.", Missed("Faith")),
    Call("Dylan. At three instead? No, wait, I can't, leave it.", Move("Dylan", "dev", "15:00", and_back=True)),
    Call("Olga, 0162. Thursday, please.", Book("Olga", "olga", "Thu")),
    Call("Celia. May I come an hour earlier?", Move("Celia", "cleo", "15:30", once_taken="14:30"),
         meanwhile=Move("Clara", "cleo", "15:30")),
    Call("Greta. Today is impossible. When else?", Find("Greta", 3)),
    Call("Daisy. At three? Oh, my husband says no.", Move("Daisy", "dev", "15:00", by="mouse", and_back=True)),
    Call("Cyd. At two?", Move("Cyd", "cleo", "14:00", by="mouse")),
    Call("Enid. Is there anything with Dev, a little sooner?", Move("Enid", "dev", "13:30", by="mouse")),
    Call("I'd like to come for the first time. Zora Abbott.", New("zora abbott", "8185550131")),
    Call("Dale is here.", Here("Dale")),
    Call("Rita. Tomorrow?", Book("Rita", "rita", "Wed"), meanwhile=Book("Sara", "sara", "Wed")),
    Call("Fritz. I could come before the rush.", Move("Fritz", "fay", "15:00")),
    Call("Emil. I have a new telephone.", Phone("Emil", "emil", "8185550133")),
    Call("I'm new: Yusuf Adler.", New("yusuf adler", "8185550132")),
    Call("Ezra. Not today. Thursday at three?", Move("Ezra", "eve", "Thu 15:00", by="mouse")),
    Call("Tony. Friday, please.", Book("Tony", "tony", "Fri")),
    Call("Bruno. Half past two would be better.", Move("Bruno", "ben", "14:30")),
    Call("Ford. Something came up, I have to cancel.", Away("Ford", "work")),
    Call("Uma. One more this week.", Book("Uma", "uma", "Thu")),
    Call("Emma. When could I come instead?", Find("Emma", 2)),
    Call("Earl is in the waiting room.", Here("Earl")),
    Call("Vera. Tomorrow again.", Book("Vera", "vera", "Wed")),
    Call("Basil. On Friday at eleven?", Move("Basil", "ben", "Fri 11:00", by="mouse")),
    Call("I was sent by a friend. Xander Voss.", New("xander voss", "8185550134")),
    Call("Wanda. Is Thursday possible?", Book("Wanda", "wanda", "Thu")),
    Call("Quinn. And one for me, tomorrow.", Book("Quinn", "quinn", "Wed")),
)  # fmt: skip

_OF_THE_SHORT_FORM = {
    "Abel", "Alec", "Dean", "Blair", "Drew", "Grant", "Ayla", "Faith", "Celia", "Greta", "Daisy", "Enid", "zora abbott",
    "Rita", "Emil", "Ezra", "Tony",
}  # fmt: skip
# What `make test` plays: each kind of call, each way to the place that is wanted, and all that a colleague meddles with.
# `make bench` plays and counts them all.
SHORT = tuple(
    call
    for call in CALLS
    if (call.does.name if isinstance(call.does, New) else call.does.who) in _OF_THE_SHORT_FORM
)


# What it took


@dataclass
class Took:
    """One call: keys pressed, clicks and drags, turns of the wheel, fields touched, and seconds from the first of them to the
    answer.
    """

    call: Call
    keys: int = 0
    clicks: int = 0
    turns: int = 0
    fields: int = 0
    seconds: float = 0.0
    recovered: bool = False

    @property
    def strokes(self) -> int:
        return self.keys + self.clicks


@dataclass
class Hour:
    """All calls, and what was found in the database after them: faults in words, none if all is well."""

    took: list[Took] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)

    def of(self, kind: type, **how: Any) -> list[Took]:
        return [
            one
            for one in self.took
            if isinstance(one.call.does, kind)
            and all(getattr(one.call.does, name) == value for name, value in how.items())
        ]

    def median(self, what: str, kind: type, **how: Any) -> float:
        return statistics.median(getattr(one, what) for one in self.of(kind, **how))


# A turn of the wheel, if the visit and where it is to go aren't both well in sight. Says whether it was needed.
_BRING_BOTH_IN_SIGHT = """([who, day, person, cell]) => {
  const scroll = document.querySelector("[data-scroll]");
  const column = document.querySelector(`[data-column][data-day="${day}"][data-person="${person}"]`);
  const visit = [...document.querySelectorAll(".visits .v")].find((one) => one.querySelector("b").textContent.startsWith(`${who} `));
  const ground = column.querySelector(".ground").getBoundingClientRect();
  const rows = Number(document.querySelector("[data-rows]").dataset.rows);
  const view = scroll.getBoundingClientRect();
  const there = ground.top + ground.height * (cell - Number(column.dataset.cell0)) / rows;
  const here = visit.getBoundingClientRect();
  const [top, bottom] = [Math.min(there, here.top), Math.max(there, here.top)];
  if (top > view.top + 90 && bottom < view.bottom - 60) return false;
  scroll.scrollTop += (top + bottom) / 2 - (view.top + view.bottom) / 2;
  return true;
}"""


class Clerk:
    """Somebody at a desk, with a keyboard and a mouse that count."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.took: Took | None = None
        self.began = 0.0
        self.meanwhile: Callable[[], None] | None = None
        page.goto(BOARD)

    def answer(self, call: Call, meanwhile: Callable[[], None] | None = None) -> Took:
        """Does what the call wants; returns what it took. The clerk comes back to the board afterwards, uncounted."""
        took = self.took = Took(call)
        self.began, self.meanwhile = 0.0, meanwhile
        self.done(call.does)
        took.seconds = time.perf_counter() - self.began
        self.page.goto(BOARD)
        return took

    def done(self, does: Does) -> None:
        match does:
            case Move(by="keys"):
                self._move_by_keys(does)
            case Move():
                self._move_by_mouse(does)
            case Find():
                self._find(does)
            case Book():
                self._book(does)
            case New():
                self._book_new(does)
            case Here():
                self._choose(does.who)
                self._press("a")
                expect(self._visit(does.who)).to_contain_text("Here")
                self._told(does.who)
            case Sure():
                self._choose(does.who)
                self._press("c")
                expect(self._visit(does.who)).to_contain_text("Confirmed")
            case Away():
                self._cancel(does)
            case Missed():
                self._choose(does.who)
                self._click(self.page.locator("[data-panel]").get_by_role("button", name="No-show"))
                self._told("no-show")
            case Phone():
                self._new_phone(does)

    # Hands

    def _press(self, *keys: str) -> None:
        for key in keys:
            self._begin()
            self.page.keyboard.press(key)
            self.took.keys += 1

    def _type(self, words: str) -> None:
        self._begin()
        self.page.keyboard.type(words)
        self.took.keys += len(words)

    def _click(self, what: Locator, **how: Any) -> None:
        self._begin()
        what.click(**how)
        self.took.clicks += 1

    def _begin(self) -> None:
        self.began = self.began or time.perf_counter()

    def _let_the_colleague(self) -> None:
        """What the colleague does is none of this call's time."""
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            paused = time.perf_counter()
            act()
            self.began += time.perf_counter() - paused

    # Eyes

    def _visit(self, who: str) -> Locator:
        return self.page.locator(".visits .v[data-ref]").filter(
            has=self.page.locator("b", has_text=re.compile(f"^{who} "))
        )

    def _told(self, *words: str) -> None:
        for word in words:
            expect(self.page.locator(".toasts .board-toast").last).to_contain_text(word)

    def _choose(self, who: str) -> None:
        """A click on the visit, which opens it beside the board; before it a turn of the wheel, if it isn't in sight."""
        self._begin()
        visit = self._visit(who)
        view, box = self.page.locator("[data-scroll]").bounding_box(), visit.bounding_box()
        assert view and box
        if not view["y"] + 40 <= box["y"] <= view["y"] + view["height"] - 20:
            self.took.turns += 1
        self._click(visit, position={"x": 40, "y": 8})
        expect(self.page.locator("[data-panel]").get_by_role("heading", name=who)).to_be_focused()

    def _question(self) -> Locator:
        return self.page.locator('[data-dialog="move"]')

    def _ghost(self) -> tuple[str, str, int]:
        """Day, person and cell of the visit that is on its way."""
        return tuple(
            self.page.evaluate(
                """() => {
                  const ghost = document.querySelector(".key-ghost");
                  const visit = document.querySelector(".v.moving");
                  const column = (ghost ?? visit).closest("[data-column]");
                  const cell = ghost ? Number(column.dataset.cell0) + Number(/ t(\\d+)/.exec(ghost.className)[1]) : Number(visit.dataset.cell);
                  return [column.dataset.day, column.dataset.person, cell];
                }"""
            )
        )

    # What is done

    def _go_to_week(self, does: Move) -> None:
        self._press("w")
        self.page.wait_for_url("**/desk/week/**")
        expect(self._visit(does.who)).to_be_focused()

    def _move_by_keys(self, does: Move) -> None:
        self._choose(does.who)
        if " " in does.at:
            self._go_to_week(does)
        self._carry(does.to, does.at)
        self._let_the_colleague()
        if not self._put(does):
            self.took.recovered = True
            self._carry(does.to, does.once_taken or does.at)
            assert self._put(does)
        if does.and_back:
            self._take_back(does)

    def _carry(self, to: str, at: str) -> None:
        """By arrows, to the person and the time."""
        self._press("m")
        self.page.locator(".lit").first.wait_for(state="attached")
        on, cell = place(at)
        columns = self.page.locator("[data-column]").evaluate_all(
            "all => all.map((one) => [one.dataset.day, one.dataset.person])"
        )
        for _ in columns:
            day, person, _cell = self._ghost()
            away = columns.index([on.isoformat(), to]) - columns.index([day, person])
            if not away:
                break
            self._press("ArrowRight" if away > 0 else "ArrowLeft")
        for _ in range(20):
            _day, _person, here = self._ghost()
            if here == cell:
                break
            self._press("ArrowDown" if here < cell else "ArrowUp")
        assert self._ghost()[2] == cell, f"{at} isn't reached by arrows"

    def _put(self, does: Move) -> bool:
        """Enter, and Enter again; with a reason, if one is wanted. False, if the answer is no."""
        self._press("Enter")
        self._agree()
        return self._is_moved(does)

    def _agree(self) -> None:
        question = self._question()
        expect(question).to_be_visible()
        if question.get_by_label("The reason").is_visible():
            self._press("ArrowDown")
            expect(question.get_by_label("The reason")).to_have_value("The patient asked")
        self._press("Enter")

    def _is_moved(self, does: Move) -> bool:
        no = self.page.locator('[data-dialog="said"][open]')
        toast = self.page.locator(".toasts .board-toast", has_text=does.who)
        # Where the question itself has said in time that it can't be.
        left = self.page.locator("[data-doing]", has_text="Left where it was.")
        # A colleague has changed it since it was shown: the clerk has it there all the same.
        question = self.page.locator('[data-dialog="move"][open]')
        changed = question.locator("[data-since]:not([hidden])")
        expect(no.or_(toast).or_(left).or_(changed).first).to_be_visible()
        if changed.is_visible():
            self.took.recovered = True
            self.took.clicks += 1
            question.get_by_role("button", name="Move and tell the patient").click()
            return self._is_moved(does)
        if left.is_visible():
            return False
        if no.is_visible():
            self._press("Enter")
            expect(no).to_be_hidden()
            return False
        expect(self._visit(does.who)).to_have_class(re.compile("chosen"))
        return True

    def _take_back(self, does: Move) -> None:
        self._press("u")
        self._told("Taken back")

    def _move_by_mouse(self, does: Move) -> None:
        if " " in does.at:
            self._choose(does.who)
            self._go_to_week(does)
        self._drag(does.who, does.to, does.at)
        self._let_the_colleague()
        self._agree()
        if not self._is_moved(does):
            self.took.recovered = True
            self._drag(does.who, does.to, does.once_taken or does.at)
            self._agree()
            assert self._is_moved(does)
        if does.and_back:
            self._take_back(does)

    def _drag(self, who: str, to: str, at: str) -> None:
        """By the visit's upper edge, to the person and the time."""
        self._begin()
        on, cell = place(at)
        visit = self._visit(who)
        column = self.page.locator(f'[data-column][data-day="{on}"][data-person="{to}"]')
        if self.page.evaluate(_BRING_BOTH_IN_SIGHT, [who, str(on), to, cell]):
            self.took.turns += 1
        box, ground = visit.bounding_box(), column.locator(".ground").bounding_box()
        rows = int(self.page.locator("[data-rows]").first.get_attribute("data-rows") or 1)
        assert box and ground
        top = ground["y"] + ground["height"] * (cell - int(column.get_attribute("data-cell0") or 0)) / rows
        mouse = self.page.mouse
        mouse.move(box["x"] + 30, box["y"] + 3)
        mouse.down()
        mouse.move(box["x"] + 34, box["y"] + 10, steps=2)
        self.page.locator(".lit").first.wait_for(state="attached")
        mouse.move(ground["x"] + ground["width"] / 2, top + 4, steps=6)
        mouse.up()
        self.took.clicks += 1

    def _find(self, does: Find) -> None:
        self._choose(does.who)
        self._press("f")
        self.page.wait_for_url("**/times**")
        expect(self.page.locator(".free-times a").first).to_be_focused()
        self._press(*["Tab"] * (does.place - 1), "Enter")
        expect(self.page.get_by_role("button", name="Change it and tell the patient")).to_be_focused()
        self._press("Enter")
        self.page.wait_for_url(f"**{BOARD}**")
        expect(self.page.locator(".toasts")).to_contain_text("The patient is told at")

    def _who_is_it(self, typed: str) -> None:
        self._press("n")
        expect(self.page.get_by_label("Who is it?")).to_be_focused()
        self._type(typed)
        self.took.fields += 1

    def _open_the_one_found(self, who: str, opened: Locator) -> None:
        """By Enter; where several are found, by arrows to the one who is meant, and Enter again."""
        self._press("Enter")
        hit = self.page.locator("a.hit:focus")
        expect(opened.or_(hit).first).to_be_visible()
        if hit.count():
            while who not in hit.inner_text():
                self._press("ArrowDown")
            self._press("Enter")
        expect(opened).to_be_visible()

    def _book(self, does: Book) -> None:
        if does.day == "Fri":
            # Further than what is offered first: from that day's board.
            for day in ("Wed", "Thu", "Fri"):
                self._press("ArrowRight")
                self.page.wait_for_url(f"**/desk/day/{DAYS[day]}")
        self._who_is_it(does.typed)
        self._open_the_one_found(does.who, self.page.get_by_role("heading", name=f"New visit: {does.who}"))
        self._choose_time(does.day)
        self._let_the_colleague()
        self._press("Enter")
        booked, no = self.page.locator(".toasts", has_text="Booked:"), self.page.get_by_role("alert")
        expect(booked.or_(no)).to_be_visible()
        if no.is_visible():
            self.took.recovered = True
            self._click(self.page.locator("label.choice-of-time", has_text=this_week(does.day)).first)
            self._press("Enter")
        expect(booked).to_be_visible()
        self.took.fields += 1

    def _choose_time(self, day: str) -> None:
        """With arrows, to the first time on that day."""
        times = self.page.locator("input[name=time]")
        expect(self.page.locator("input[name=time]:focus")).to_have_count(1)
        for _ in range(times.count()):
            words = self.page.locator("label.choice-of-time:has(input:focus)").inner_text()
            if words.startswith(this_week(day)) and self.page.locator("input[name=time]:focus").is_checked():
                return
            self._press("ArrowDown")
        raise AssertionError(f"no time on {day}")

    def _book_new(self, does: New) -> None:
        self._who_is_it(does.name)
        self._press("Enter")
        expect(self.page.get_by_label("First name")).to_be_focused()
        self._press("Tab", "Tab")
        self._type(does.phone)
        self.took.fields += 1
        self._press("Enter")
        expect(self.page.locator(".toasts")).to_contain_text("Booked:")

    def _cancel(self, does: Away) -> None:
        self._choose(does.who)
        self._click(self.page.locator("[data-panel]").get_by_role("link", name="Cancel…"))
        expect(self.page.get_by_label("The patient", exact=True)).to_be_focused()
        self._press("Tab")
        self._type(does.why)
        self._press("Enter")
        self.page.wait_for_url(f"**{BOARD}**")
        expect(self.page.locator(".toasts")).to_contain_text("Cancelled.")

    def _new_phone(self, does: Phone) -> None:
        self._press("/")
        self._type(does.typed)
        patients_page = self.page.locator("[data-panel]").get_by_role("link", name="Patient’s page")
        self._open_the_one_found(does.who, patients_page)
        self._click(patients_page)
        self._click(self.page.get_by_role("link", name="Edit", exact=True))
        self._click(self.page.get_by_label("Phone", exact=True), click_count=3)
        self._type(does.phone)
        self._press("Enter")
        expect(self.page.get_by_role("heading", name=does.who)).to_be_visible()


def this_week(day: str) -> str:
    """As in "Wed, Sep 16,": the same day a week later may be proposed as well."""
    return f"{day}, {DAYS[day]:%b} {DAYS[day].day},"


def place(words: str) -> tuple[date, int]:
    """The day and the cell of "Thu 15:00", or of a time today."""
    day, _space, wall = words.rpartition(" ")
    on = DAYS[day or "Tue"]
    hour, minute = map(int, wall.split(":"))
    return on, cell_at(datetime(on.year, on.month, on.day, hour, minute, tzinfo=ZONE).astimezone(UTC))


# The clinic, its day, and what is true after it


def fill(app: Flask, now: datetime) -> None:
    """Seven practitioners, a full day, and a fifth of that on each of the days after; booked yesterday, and told."""
    offers = ["follow-up", "first"]
    with app.app_context(), clock.turned_to(now - timedelta(days=1)):
        set_up(
            clinic(
                visit_types=[
                    visit_type("follow-up", name="Follow-up"), needled("needles", name="Acupuncture"),
                    visit_type("first", name="First visit", kind="first"),
                ],
                practitioners=[
                    practitioner(slug, name=name, offers=["needles"] if slug == "gus" else offers) for slug, name in PEOPLE.items()
                ],
                rooms=rooms(10),
            )
        )  # fmt: skip
        number = 0
        for line in BOOKED_TODAY.split("\n")[1:-1]:
            person, *names = line.split()
            for wall, name in zip(HALF_HOURS, names, strict=True):
                if name not in (".", "-"):
                    _booked(name, number, person, wall)
                    number += 1
        for turn, name in enumerate(BOOKED_LATER):
            day = ("Wed", "Thu", "Fri")[turn % 3]
            person = ("ana", "ben", "cleo", "dev", "eve", "fay")[turn // 3 % 6]
            _booked(name, number + turn, person, f"{day} {HALF_HOURS[2 + turn // 18 * 5]}")
        send()
    with app.app_context(), clock.turned_to(now):
        send()


def _booked(name: str, number: int, person: str, at: str) -> None:
    _on, cell = place(at)
    booking.book(
        booking.Wish(
            "needles" if person == "gus" else "follow-up", person, datetime.fromtimestamp(cell * 300, UTC), name,
            SURNAMES[number % len(SURNAMES)], f"{name}@example.com".lower(), f"+1818555{2000 + number}", Reminders.EMAIL,
            audience=BookableBy.STAFF,
        ),
        actor="the day", key=f"the day, {name}",
    )  # fmt: skip


def send() -> None:
    """What the worker does each minute."""
    while deliver_due():
        pass


def play(
    app: Flask,
    live: str,
    new_page: Callable[[], Page],
    at: Callable[[datetime], None],
    now: datetime,
    calls: Sequence[Call] = CALLS,
) -> Hour:
    """The hour from `now` on, with these of its calls. `at` turns the clock of the server; `new_page` opens a browser of
    its own.
    """
    at(now)
    with clock.turned_to(now):
        clerk, colleague = (
            Clerk(_signed_in(app, live, new_page(), name)) for name in ("Dana Desk", "Kim Colleague")
        )
    before, written, hour = standing(app), _last_message(app), Hour()
    for number, call in enumerate(CALLS):
        now += EACH_CALL
        at(now)
        if number % 5 == 0:
            colleague.page.goto(BOARD)  # Who does nothing for a quarter of an hour is locked out.
        if call not in calls:
            continue

        def meanwhile(does: Does | None = call.meanwhile) -> None:
            if does is not None:
                colleague.answer(Call("at the next screen", does))

        hour.took.append(clerk.answer(call, meanwhile))
        with app.app_context(), clock.turned_to(now):
            send()
    now += timedelta(minutes=5)
    at(now)
    with app.app_context(), clock.turned_to(now):
        send()
    look(app, hour, before, written)
    return hour


def _signed_in(app: Flask, live: str, page: Page, name: str) -> Page:
    with app.app_context():
        client = signed_in(app, hired(name=name))
    kept = client.get_cookie(app.config["SESSION_COOKIE_NAME"])
    assert kept is not None
    page.context.add_cookies([{"name": kept.key, "value": kept.value, "url": live}])
    return page


@dataclass(frozen=True)
class Stands:
    """Where a visit is, by its patient's first name."""

    reference: str
    name: str
    cell: int
    person: str
    status: str
    sequence: int


def standing(app: Flask) -> dict[str, Stands]:
    query = text(
        "SELECT a.reference, a.first_name, a.from_cell, p.slug, a.status, a.sequence FROM appointments a"
        " JOIN practitioners p ON p.id = a.practitioner_id ORDER BY a.id"
    )
    with app.app_context(), db.engine.connect() as connection:
        return {row.reference: Stands(*row) for row in connection.execute(query)}


def _last_message(app: Flask) -> int:
    with app.app_context(), db.engine.connect() as connection:
        return int(connection.scalar(text("SELECT max(id) FROM messages")) or 0)


def look(app: Flask, hour: Hour, before: dict[str, Stands], written: int) -> None:
    """Whether each visit is where its call put it, none is twice, and each patient was told once."""
    after = standing(app)
    hour.lost += _lost([one.call for one in hour.took], before, after)
    with app.app_context(), db.engine.connect() as connection:
        overlaps = connection.execute(
            text(
                "SELECT a.appointment_id, b.appointment_id FROM claims a JOIN claims b ON a.resource_id = b.resource_id"
                " AND a.id < b.id AND a.from_cell < b.to_cell AND b.from_cell < a.to_cell"
            )
        )
        hour.double += [f"visits {one} and {other} overlap" for one, other in overlaps]
        told = connection.execute(
            text(
                "SELECT a.reference, m.kind, m.sequence FROM messages m JOIN appointments a ON a.id = m.appointment_id"
                " WHERE m.kind IN ('confirmation', 'change', 'cancellation') AND m.channel <> 'call'"
                " AND m.state IN ('queued', 'sending', 'sent', 'simulated') AND m.id > :written"
            ),
            {"written": written},
        ).all()
    for reference, visit in after.items():
        was = before.get(reference)
        said = [kind for to, kind, _ in told if to == reference]
        # A new number beside their address is nothing to write about.
        wanted = []
        if was is None:
            # Somebody new has given a number only, and was told on the telephone.
            wanted += ["confirmation"] if visit.name in BOOKED_LATER else []
        elif visit.status == "cancelled":
            wanted.append("cancellation")
        elif (visit.cell, visit.person) != (was.cell, was.person):
            wanted.append("change")
        if sorted(said) != sorted(wanted):
            hour.untold.append(f"{visit.name} was told {said} instead of {wanted}")
        if any(sequence > visit.sequence for to, _, sequence in told if to == reference):
            hour.untold.append(f"{visit.name} was told what isn't so")


def _lost(calls: Sequence[Call], before: dict[str, Stands], after: dict[str, Stands]) -> Iterator[str]:
    for reference in before.keys() - after.keys():
        yield f"{before[reference].name} is gone"
    wishes = [one for call in calls for one in (call.does, call.meanwhile) if one is not None]
    asked = {getattr(one, "who", ""): one for one in wishes if not isinstance(one, Sure)}
    for reference, was in before.items():
        visit, does = after.get(reference, was), asked.get(was.name)
        place_now, place_then = (visit.person, visit.cell), (was.person, was.cell)
        match does:
            case Move(and_back=False):
                wanted = (does.to, place(does.once_taken or does.at)[1])
                right = place_now == wanted
            case Find():
                right = place_now != place_then
            case _:
                right = place_now == place_then
        status = {Here: "arrived", Away: "cancelled", Missed: "noshow"}.get(type(does), "booked")
        if not right or visit.status != status:
            yield f"{was.name} is {visit}"
    new = [visit for reference, visit in after.items() if reference not in before]
    names = [one.name for one in new]
    expected = [
        one.who if isinstance(one, Book) else one.name.split()[0].title()
        for one in wishes
        if isinstance(one, Book | New)
    ]
    if sorted(names) != sorted(expected):
        yield f"booked are {sorted(names)} instead of {sorted(expected)}"
