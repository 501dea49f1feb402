"""What belongs to one visitor is never shared: whatever shows something of a session, or a token, is private.

A page with a session cookie bypasses the cache, and one that sets a cookie is not stored. What that leaves is a *fragment*: rendered
with a token for one visitor, stored, and replayed into a page that then has a token and no Set-Cookie. So each token, and each
value that is found in a session, says `depends_on(private=True)`, and neither the fragment nor the page around it is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask_wtf import FlaskForm
from flask_wtf.csrf import _FlaskFormCSRF, generate_csrf

from cms_cache_mw import depends_on

if TYPE_CHECKING:
    from collections.abc import Mapping
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface


class VisitorsSession(SecureCookieSession):
    """A session that makes private what shows something of it, or changes it. What is not in it is the same for every visitor."""

    def __init__(self, initial: Mapping[str, Any] | None = None) -> None:
        super().__init__(initial)
        self.on_update = _changed

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401 - values of any type
        value = super().__getitem__(key)
        depends_on(private=True)
        return value

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - the same
        """The value of a key."""
        if key in self:
            depends_on(private=True)
        return super().get(key, default)

    def setdefault(self, key: str, default: Any = None) -> Any:  # noqa: ANN401 - the same
        """The value of a key, which it has from now on."""
        depends_on(private=True)
        return super().setdefault(key, default)


def _changed(session: SecureCookieSession) -> None:
    session.modified = True
    depends_on(private=True)


class VisitorsSessions(SecureCookieSessionInterface):
    """Opens such sessions."""

    session_class = VisitorsSession


def token() -> str:
    """A visitor's token for forms. Flask-WTF makes it once a request, so that the session is not always asked."""
    depends_on(private=True)
    text: str = generate_csrf()
    return text


class VisitorsForm(FlaskForm):  # type: ignore[misc] # has no types
    """A form with a token."""

    class Meta(FlaskForm.Meta):  # type: ignore[misc] # the same
        """Where the token comes from."""

        class csrf_class(_FlaskFormCSRF):  # type: ignore[misc] # noqa: N801 - the name that WTForms looks for
            """Flask-WTF's, and private."""

            def generate_csrf_token(self, csrf_token_field: object) -> str:
                """A token for this form's field."""
                depends_on(private=True)
                text: str = super().generate_csrf_token(csrf_token_field)
                return text
