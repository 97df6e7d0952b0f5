"""Sending what use cases have queued: the worker, its deliveries, and the channels that they go by."""
