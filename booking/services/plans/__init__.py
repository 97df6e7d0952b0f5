"""Plans of many visits: proposed, booked whole or not at all, and kept whole."""
