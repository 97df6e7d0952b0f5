"""Addresses as pictures that a phone's camera reads."""

from io import BytesIO

import qrcode
from markupsafe import Markup
from qrcode.image.svg import SvgPathImage


def for_a_camera(address: str) -> Markup:
    """The picture, for the page itself: our policy takes no pictures from elsewhere."""
    code = qrcode.QRCode(border=2, image_factory=SvgPathImage)
    code.add_data(address)
    drawn = BytesIO()
    code.make_image().save(drawn)
    svg = drawn.getvalue().decode()
    return Markup(svg[svg.index("<svg") :])  # noqa: S704 - drawn by the library of our own address.
