"""What every answer of the console tells browsers: run and load nothing but our own files, be framed by nobody."""

from collections.abc import Mapping
from typing import Final

POLICY: Final = (
    "default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; "
    "img-src 'self' data:; media-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def headers_of(nonce: str) -> Mapping[str, str]:
    """Return the headers of a page whose own inline script and style, if it has any, have this nonce."""
    return {
        "Content-Security-Policy": POLICY.format(nonce=nonce),
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",  # with less, browsers do not say which page a form is of
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cache-Control": "no-store",
    }
