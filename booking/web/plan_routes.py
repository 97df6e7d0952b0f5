"""The addresses of plans that the desk and practitioners both have, each under their own: one list of them."""

from flask import Blueprint
from flask.typing import ResponseReturnValue

from booking.web import plan_changes, staff_plans
from booking.web.staff_plans import Ways


def add_routes(blueprint: Blueprint, *, own: bool, book: str = "") -> None:
    """Adds the board of plans, each plan's page and link, and what is changed of it. `own`: of a practitioner's own patients.
    `book`: where a plan that was prescribed is booked.
    """
    ways = Ways(
        plan=f"{blueprint.name}.plan",
        plans=f"{blueprint.name}.plans",
        link=f"{blueprint.name}.plan_link",
        send=f"{blueprint.name}.send_plan_link",
        withdraw=f"{blueprint.name}.withdraw_plan",
        visit=f"{blueprint.name}.visit",
        change=f"{blueprint.name}.plan_change",
        book=book,
    )

    @blueprint.get("/plans")
    def plans() -> ResponseReturnValue:
        return staff_plans.board_page(ways, own=own)

    @blueprint.get("/plans/<reference>")
    def plan(reference: str) -> ResponseReturnValue:
        return staff_plans.plan_page(ways, reference)

    @blueprint.get("/plans/<reference>/link")
    def plan_link(reference: str) -> ResponseReturnValue:
        return staff_plans.link_page(ways, reference)

    @blueprint.post("/plans/<reference>/send")
    def send_plan_link(reference: str) -> ResponseReturnValue:
        return staff_plans.sent(ways, reference)

    @blueprint.post("/plans/<reference>/withdraw")
    def withdraw_plan(reference: str) -> ResponseReturnValue:
        return staff_plans.withdrawn(ways, reference)

    @blueprint.get("/plans/<reference>/change/<change>")
    def plan_change(reference: str, change: str) -> ResponseReturnValue:
        return plan_changes.change_page(ways, reference, change)

    @blueprint.post("/plans/<reference>/change/<change>")
    def change_plan(reference: str, change: str) -> ResponseReturnValue:
        return plan_changes.changed(ways, reference, change)
