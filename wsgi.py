"""Where web servers and the `flask` command find the application."""

from booking.app import create_app

app = create_app()
