"""The peers' environment, seen from ours."""

import os
from dataclasses import dataclass
from pathlib import Path

from bench.peers.clinic import Asked


@dataclass(frozen=True)
class Environment:
    """An interpreter that has Django and the peers, and the database and the zone that they work with."""

    python: str
    asked: Asked

    @property
    def database(self) -> Path:
        """Beside our own, on the same disk."""
        return Path(self.asked.url.removeprefix("sqlite:///")).with_suffix(".peer.sqlite3")

    def variables(self) -> dict[str, str]:
        return os.environ | {
            "DJANGO_SETTINGS_MODULE": "bench.peers.theirs.settings",
            "PEER_DATABASE": str(self.database),
            "PEER_ZONE": self.asked.told["zone"],
            "PYTHONPATH": str(Path(__file__).parent.parent.parent),
        }
