"""Our app beside two packages from PyPI that answer the same questions: `make bench-peers`.

Both are asked on one clinic, on SQLite, in this run and in turns, and a figure counts only if they found the
starts that we found. The peers live in an environment of their own, with the modules of `theirs`, as one of
them needs a package whose modules overwrite those of a package of ours (phonenumbers); we speak to them
through HTTP and through pipes.
"""
