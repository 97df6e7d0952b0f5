"""Fails if the models say anything that the migrations don't, on SQLite or on PostgreSQL.

Run from the top of the project, as `python -m tools.migration_drift`.
"""

import tempfile

from flask_migrate import check

from booking.app import create_app
from tests import databases

for database in (databases.sqlite, databases.postgresql):
    with database() as url, tempfile.TemporaryDirectory() as instance:
        application = create_app(databases.SETTINGS | {"BOOKING_DATABASE_URL": url}, instance_path=instance)
        with application.app_context():
            # Compares, says what differs, and ends this program if anything does.
            check()
print("The migrations say what the models say.")
