"""The settings that only Django needs, from the environment and from backend/.env.local."""

from pydantic import Field

from app.ports import read_port
from app.settings import Settings, Words


class DjangoSettings(Settings):
    """What can be set besides `app.settings`, under the names that Django gives them."""

    allowed_hosts: Words = Field(default=["*"])
    """The only names under which this server may be asked, by the page's server too."""

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
