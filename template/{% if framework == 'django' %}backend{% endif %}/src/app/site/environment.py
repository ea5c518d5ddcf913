"""The settings that only Django needs, from the environment and from backend/.env.local."""

import os

from pydantic import Field

from kit.errors import StartupError
from kit.people.identity import LOOPBACK
from kit.settings import ENV_FILE, Settings, Words, read_port

LOOPBACK_HOSTS = ["127.0.0.1", "localhost", "[::1]"]


class DjangoSettings(Settings):
    """What can be set besides `kit.settings`, under the names that Django gives them."""

    allowed_hosts: Words = LOOPBACK_HOSTS
    """The only names under which this server may be asked, by the page's server too."""

    csrf_trusted_origins: Words = Field(default=[])
    """Where browsers see forms of this server, if a proxy hands on another name than theirs."""

    login_failures: int = Field(default=5, ge=0)
    """How often an address may fail to log in under a name; 0: any number of times."""

    login_cooloff_minutes: int = Field(default=15, ge=1)
    """How long it waits then."""

    login_redirect_url: str | None = None
    """Where a login leads: to the page, by default that of `uv run dev`, in production `/`."""

    session_cookie_domain: str | None = None
    """The domain that the page and this server are both part of, if they have different names."""

    @property
    def page_url(self) -> str:
        """Where the page is."""
        if self.login_redirect_url:
            return self.login_redirect_url
        if self.app_env == "production":
            return "/"
        return f"http://127.0.0.1:{read_port('FRONTEND_PORT', 3000)}"

    def check_hosts(self) -> None:
        """Refuse to let other machines in without knowing by which names.

        Raises:
            StartupError: BACKEND_HOST is that of a network, and ALLOWED_HOSTS is not set.
        """
        host = os.environ.get("BACKEND_HOST") or LOOPBACK[0]
        if host not in LOOPBACK and self.allowed_hosts == LOOPBACK_HOSTS:
            raise StartupError(
                f"BACKEND_HOST={host} lets other machines in, and ALLOWED_HOSTS is not set. Set it "
                "to the names under which they ask, with commas between them, such as the one in "
                f"the front end's BACKEND_URL; here or in {ENV_FILE}."
            )
