"""What staff do with visits and patients: one function is one thing that a person does, in one transaction.

Each begins with `who` does it. Staff may pass the rules with a reason; nobody passes a clash of claims.
"""
