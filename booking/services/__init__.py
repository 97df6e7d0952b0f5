"""Use cases: one function is one thing a person does, in one transaction. Start at `booking`, then `availability`."""
