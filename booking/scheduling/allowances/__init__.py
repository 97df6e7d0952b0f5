"""What a patient's insurance, or a package they bought, allows: its terms, and how visits draw on it. Pure.

It counts what the clinic has recorded. That a visit will be paid for is never said by any of it.
"""
