"""Measurements, storms and soaks, runnable by anyone: `make bench`, `make storm`, `make soak`."""
