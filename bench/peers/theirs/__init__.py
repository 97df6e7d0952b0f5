"""What runs in the peers' environment: Django and the two packages are there, and nothing of ours."""
