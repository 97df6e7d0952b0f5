"""Style sheets, scripts and pictures, under addresses that change with their content.

The style sheets are small files, one per component; a page gets them as one, joined at start-up. What is served under
a hashed address may be kept by browsers for a year.
"""

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from flask import Flask, Response, abort, request

FOLDER = Path(__file__).parent.parent / "static"

_BUNDLES = {
    "patient.css": ("css/tokens.css", "css/layout.css", "css/components"),
    "staff.css": ("css/tokens.css", "css/layout.css", "css/components", "css/staff"),
}
_SINGLES = ("js/behaviours.js", "favicon.svg")


@dataclass(frozen=True)
class Asset:
    name: str
    content: bytes

    @property
    def address(self) -> str:
        return f"/static/{hashlib.sha256(self.content).hexdigest()[:12]}/{self.name}"


def init_app(app: Flask) -> None:
    by_name = {asset.name: asset for asset in _read()}
    by_address = {asset.address: asset for asset in by_name.values()}

    def static(path: str) -> Response:
        asset = by_address.get(f"/static/{path}") or abort(404)
        kind = mimetypes.guess_type(asset.name)[0] or "application/octet-stream"
        response = Response(asset.content, mimetype=kind)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        response.set_etag(hashlib.sha256(asset.content).hexdigest()[:16])
        return response.make_conditional(request)

    addresses = {name: asset.address for name, asset in by_name.items()}
    app.add_url_rule("/static/<path:path>", "static", static)
    app.add_url_rule(
        "/favicon.ico", "favicon", lambda: static(addresses["favicon.svg"].removeprefix("/static/"))
    )
    app.jinja_env.globals["asset"] = addresses.__getitem__


def _read() -> list[Asset]:
    joined = [
        Asset(name, b"\n".join(path.read_bytes() for part in parts for path in _files(FOLDER / part)))
        for name, parts in _BUNDLES.items()
    ]
    return joined + [Asset(name, (FOLDER / name).read_bytes()) for name in _SINGLES]


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.css")) if path.is_dir() else [path]
