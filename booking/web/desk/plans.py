"""Treatment plans at the desk: the board of those that run, and each plan's page. How one is arranged: `new_plan`."""

from flask.typing import ResponseReturnValue

from booking.web import plan_changes, staff_plans
from booking.web.desk import blueprint
from booking.web.staff_plans import Ways

WAYS = Ways(
    plan="desk.plan",
    plans="desk.plans",
    link="desk.plan_link",
    send="desk.send_plan_link",
    withdraw="desk.withdraw_plan",
    visit="desk.visit",
    change="desk.plan_change",
    book="desk.new_plan",
)


@blueprint.get("/plans")
def plans() -> ResponseReturnValue:
    return staff_plans.board_page(WAYS, own=False)


@blueprint.get("/plans/<reference>")
def plan(reference: str) -> ResponseReturnValue:
    return staff_plans.plan_page(WAYS, reference)


@blueprint.get("/plans/<reference>/link")
def plan_link(reference: str) -> ResponseReturnValue:
    return staff_plans.link_page(WAYS, reference)


@blueprint.post("/plans/<reference>/send")
def send_plan_link(reference: str) -> ResponseReturnValue:
    return staff_plans.sent(WAYS, reference)


@blueprint.post("/plans/<reference>/withdraw")
def withdraw_plan(reference: str) -> ResponseReturnValue:
    return staff_plans.withdrawn(WAYS, reference)


@blueprint.get("/plans/<reference>/change/<change>")
def plan_change(reference: str, change: str) -> ResponseReturnValue:
    return plan_changes.change_page(WAYS, reference, change)


@blueprint.post("/plans/<reference>/change/<change>")
def change_plan(reference: str, change: str) -> ResponseReturnValue:
    return plan_changes.changed(WAYS, reference, change)
