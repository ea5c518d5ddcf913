"""The ASGI application: Django, with static files and the lifespan, which Django lacks."""

import os
from typing import Any

from django.core.asgi import get_asgi_application
from servestatic import ServeStaticASGI

from app.site.bodies import Receive, Send, shortened
from kit.backend import running

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "app.site.settings")
django = get_asgi_application()

from app.site.settings import environment  # noqa: E402
from app.site.static import static_folders  # noqa: E402 -- needs Django's settings

environment.check_hosts()

# Wrapped around Django. As Django's middleware it fails in development for a missing file.
site = ServeStaticASGI(django)
for folder in static_folders():
    site.add_files(folder, prefix="/static/")


async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Serve the site and handle the lifespan."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    else:
        await site(scope, shortened(scope, receive), send)


async def _live(receive: Receive, send: Send) -> None:
    """Check the settings at the start, and close the database connections at the end."""
    await receive()
    try:
        async with running():
            await send({"type": "lifespan.startup.complete"})
            await receive()
    except Exception as error:
        await send({"type": "lifespan.startup.failed", "message": str(error)})
        raise
    await send({"type": "lifespan.shutdown.complete"})
