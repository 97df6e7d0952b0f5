"""What a change tells to whom: messages written in the transaction of the change.

Nobody sends anything from here; the worker does (`booking.reminders`). These functions are parts of use cases: they
receive the session and never commit. A change drops what is queued about the appointment and writes anew, under the
appointment's sequence, so nothing stale is sent and nothing is sent twice.

Of one visit: `by_patients` has what they booked or changed themselves, `by_clinic` what the clinic did, which may be taken
back; `news` what of it they don't know yet, `unheard` what of that waits with a decision, and `ways` how they hear of it; `again`
tells it once more. Of several: `of_plans`, by how each is known (`knowing`), those that gave way as well (`given_way`). Of none:
`to_contacts`. `calling` has the calls about a plan that pass from visit to visit.
Below them, `reminding` and `waiting` know what else is written of a visit, `otherwise` how that goes another way than before,
`numbers` how it goes to another number, and `writing` has the rows. The lists of a week are `booking.services.digests`.
"""

from booking.services.notices.again import (
    OWN,
    another_way,
    call_made,
    cancellation_corrected,
    plan_another_way,
    sent_again,
)
from booking.services.notices.by_clinic import (
    Told,
    booked_by_clinic,
    cancelled_as_asked,
    cancelled_by_clinic,
    cancelled_by_clinic_instead,
    changed_by_clinic,
    taken_back,
    wish_corrected,
)
from booking.services.notices.by_patients import (
    booked,
    cancelled,
    cannot_come,
    comes_after_all,
    contact_corrected,
    moved,
)
from booking.services.notices.calling import (
    IS_ABOUT_A_PLAN,
    PLAN,
    WEEK,
    is_about_a_plan,
    left_behind,
    of_week,
    pass_on,
)
from booking.services.notices.knowing import (
    KNEW,
    Knew,
    News,
    as_known,
    as_penciled,
    begins,
    known_as,
    known_of,
    known_visit,
    never_known,
    news,
    same_place,
)
from booking.services.notices.news import heard, is_change_by_clinic
from booking.services.notices.numbers import number_corrected, texted
from booking.services.notices.of_plans import (
    came_back,
    make_up_offered,
    plan_booked,
    plan_changed,
    plan_contact_corrected,
    plan_end_corrected,
    plan_prescribed,
    told_at_last,
)
from booking.services.notices.otherwise import Left, leave_way, take_way, told_kinds
from booking.services.notices.reminding import reminder_days, reminders, unwritten
from booking.services.notices.to_contacts import links_wanted, own_list, text_answer
from booking.services.notices.unheard import as_they_know, heard_of, is_soon, is_unheard, news_of, yet_to_hear
from booking.services.notices.waiting import (
    cancellation_told,
    drop_queued,
    stop_writing,
    told_with_plan,
    waiting,
    waiting_with_plan,
)
from booking.services.notices.ways import (
    SOON,
    TAKEN_BACK_WITHIN,
    Way,
    channel_of_clinic,
    on_short_notice,
    way_of_answer,
    way_of_clinic,
)
from booking.services.notices.writing import (
    ANSWERS,
    ASKED,
    NAMED,
    ON_SHORT_NOTICE,
    SENT_AGAIN,
    TOLD_TOGETHER,
    UNREACHABLE,
)

__all__ = [
    "ANSWERS",
    "ASKED",
    "IS_ABOUT_A_PLAN",
    "KNEW",
    "NAMED",
    "ON_SHORT_NOTICE",
    "OWN",
    "PLAN",
    "SENT_AGAIN",
    "SOON",
    "TAKEN_BACK_WITHIN",
    "TOLD_TOGETHER",
    "UNREACHABLE",
    "WEEK",
    "Knew",
    "Left",
    "News",
    "Told",
    "Way",
    "another_way",
    "as_known",
    "as_penciled",
    "as_they_know",
    "begins",
    "booked",
    "booked_by_clinic",
    "call_made",
    "came_back",
    "cancellation_corrected",
    "cancellation_told",
    "cancelled",
    "cancelled_as_asked",
    "cancelled_by_clinic",
    "cancelled_by_clinic_instead",
    "cannot_come",
    "changed_by_clinic",
    "channel_of_clinic",
    "comes_after_all",
    "contact_corrected",
    "drop_queued",
    "heard",
    "heard_of",
    "is_about_a_plan",
    "is_change_by_clinic",
    "is_soon",
    "is_unheard",
    "known_as",
    "known_of",
    "known_visit",
    "leave_way",
    "left_behind",
    "links_wanted",
    "make_up_offered",
    "moved",
    "never_known",
    "news",
    "news_of",
    "number_corrected",
    "of_week",
    "on_short_notice",
    "own_list",
    "pass_on",
    "plan_another_way",
    "plan_booked",
    "plan_changed",
    "plan_contact_corrected",
    "plan_end_corrected",
    "plan_prescribed",
    "reminder_days",
    "reminders",
    "same_place",
    "sent_again",
    "stop_writing",
    "take_way",
    "taken_back",
    "text_answer",
    "texted",
    "told_at_last",
    "told_kinds",
    "told_with_plan",
    "unwritten",
    "waiting",
    "waiting_with_plan",
    "way_of_answer",
    "way_of_clinic",
    "wish_corrected",
    "yet_to_hear",
]
