"""`python -m booking` is `booking`."""

from booking.cli import main

main()
