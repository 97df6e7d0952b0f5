"""Staff: who they are, what is theirs to see, and what they saw or did."""
