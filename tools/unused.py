"""Finds dead code: vulture, told what templates speak of, which it can't see by itself.

Run from the top of the project, as `python -m tools.unused`.
"""

import keyword
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TEMPLATES = Path("booking/templates")
WORD = re.compile(r"[A-Za-z_]\w*")
CODE = re.compile(r"{[{%](.*?)[%}]}", re.DOTALL)

words = sorted(
    {
        word
        for template in TEMPLATES.rglob("*.*")
        for code in CODE.findall(template.read_text())
        for word in WORD.findall(code)
    }
)
with tempfile.NamedTemporaryFile("w", suffix=".py") as spoken_of:
    # As attributes of anything: so vulture takes each for used.
    spoken_of.write(
        "anything = None\n" + "".join(f"anything.{word}\n" for word in words if not keyword.iskeyword(word))
    )
    spoken_of.flush()
    sys.exit(subprocess.run([sys.executable, "-m", "vulture", "booking", spoken_of.name]).returncode)
