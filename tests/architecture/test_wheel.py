"""The wheel has all that it needs: unpacked elsewhere, it migrates and serves from an empty folder."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

SERVE = """
import sqlite3
from booking.app import create_app
from booking.cli import main
app = create_app()
assert "unpacked" in app.root_path, app.root_path
client = app.test_client()
assert client.get("/healthz").status_code == 200
page = client.get("/book")
assert page.status_code == 200 and "Stillwater" in page.text, page.text
sheet = page.text.split('rel="stylesheet" href="')[1].split('"')[0]
assert client.get(sheet).status_code == 200
"""


@pytest.mark.timeout(170)
def test_the_wheel_serves_from_an_empty_folder(tmp_path: Path) -> None:
    source, empty, unpacked = tmp_path / "source", tmp_path / "empty", tmp_path / "unpacked"
    # Built from a copy of what git knows, or would: nothing that lies about by chance comes along.
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    build = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(tmp_path),
        str(source),
    ]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(unpacked)
    empty.mkdir()
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("BOOKING_", "DATABASE_"))
    }
    environment |= {"PYTHONPATH": str(unpacked), "PYTHONSAFEPATH": "1"}
    clinic = str(unpacked / "booking" / "demo" / "clinic.toml")
    for command in (
        ["-m", "booking", "db", "upgrade"],
        ["-m", "booking", "clinic", "apply", clinic],
        ["-c", SERVE],
    ):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=empty,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
    assert (empty / "instance" / "booking.sqlite3").exists()
