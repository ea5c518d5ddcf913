"""The settings for Django only, from the environment and from backend/.env.local."""

import os

from pydantic import Field

from kit.errors import StartupError
from kit.settings import ENV_FILE, LOOPBACK, Settings, Words, read_port

LOOPBACK_HOSTS = ["127.0.0.1", "localhost", "[::1]"]


class DjangoSettings(Settings):
    """The settings of the backend, and settings of Django under Django's names."""

    allowed_hosts: Words = LOOPBACK_HOSTS
    """The host names under which clients, the page's server included, may reach this server."""

    csrf_trusted_origins: Words = Field(default=[])
    """The origins of this server's forms in browsers, if a proxy passes on another host name."""

    login_failures: int = Field(default=5, ge=0)
    """How often a login may fail for a user name and a network address; 0 for no limit."""

    login_cooloff_minutes: int = Field(default=15, ge=1)
    """How many minutes further logins are then refused."""

    login_redirect_url: str | None = None
    """The URL after a login. The default is the page of `uv run dev`, and `/` in production."""

    session_cookie_domain: str | None = None
    """The common domain of the page and this server, if their host names differ."""

    @property
    def page_url(self) -> str:
        """The URL of the page."""
        if self.login_redirect_url:
            return self.login_redirect_url
        if self.app_env == "production":
            return "/"
        return f"http://127.0.0.1:{read_port('FRONTEND_PORT', 3000)}"

    def check_hosts(self) -> None:
        """Check that ALLOWED_HOSTS is set if other machines can reach the server.

        Raises:
            StartupError: BACKEND_HOST is not a loopback address, and ALLOWED_HOSTS is not set.
        """
        host = os.environ.get("BACKEND_HOST") or LOOPBACK[0]
        if host not in LOOPBACK and self.allowed_hosts == LOOPBACK_HOSTS:
            raise StartupError(
                f"BACKEND_HOST={host} lets other machines in, and ALLOWED_HOSTS is not set. Set it "
                "to the names under which they ask, with commas between them, such as the one in "
                f"the front end's BACKEND_URL; here or in {ENV_FILE}."
            )
