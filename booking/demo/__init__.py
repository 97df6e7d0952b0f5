"""A fictional clinic around today's date, for newcomers and for trying things out. Never in production."""
