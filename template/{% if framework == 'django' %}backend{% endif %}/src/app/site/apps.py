"""The Django app of the chat."""

import logging

from django.apps import AppConfig


class Site(AppConfig):
    """The configuration of the app."""

    name = "app.site"
    label = "chats"
    verbose_name = "Chats"

    def ready(self) -> None:
        """Let Django log only requests with an exception. The kit logs the others already."""
        logging.getLogger("django.request").addFilter(lambda record: bool(record.exc_info))
