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
    # For the desk's board only: a phone needs none of it.
    "board.css": ("css/board",),
    # One module out of small files, each of which speaks of one thing. `start.js` comes last.
    "board.js": tuple(
        f"js/board/{name}.js"
        for name in (
            "page",
            "grid",
            "toasts",
            "sending",
            "dialogs",
            "panel",
            "refreshing",
            "finding",
            "placing",
            "dragging",
            "keys",
            "start",
        )
    ),
}
# Rows of the longest day, and lanes side by side, for which there are places on a board.
_ROWS, _LANES = 300, 5
_SINGLES = (
    "js/behaviours.js",
    "js/desk.js",
    "js/locked.js",
    "js/staff.js",
    "js/own_day.js",
    "js/times.js",
    "favicon.svg",
    "js/patients.js",
)


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
    joined = [_with_places(asset) if asset.name == "board.css" else asset for asset in joined]
    return joined + [Asset(name, (FOLDER / name).read_bytes()) for name in _SINGLES]


def _with_places(asset: Asset) -> Asset:
    """Positions on the board are classes, since our policy allows no styles in a page: where it begins, how high it is."""
    rules = [
        f".t{n}{{top:calc({n}*var(--row))}}.h{n}{{height:calc({n}*var(--row))}}" for n in range(_ROWS + 1)
    ]
    rules += [
        f".lane-{lane}-{lanes}{{left:{100 * lane / lanes:.2f}%;width:{100 / lanes:.2f}%}}"
        for lanes in range(2, _LANES + 1)
        for lane in range(lanes)
    ]
    return Asset(asset.name, asset.content + "\n".join(rules).encode())


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.css")) if path.is_dir() else [path]
