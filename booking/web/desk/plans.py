"""Treatment plans at the desk: the board of those that run, and each plan's page. How one is arranged: `new_plan`."""

from booking.web.desk import blueprint
from booking.web.plan_routes import add_routes

add_routes(blueprint, own=False, book="desk.new_plan")
