"""What Django knows this package as."""

import logging

from django.apps import AppConfig


class Site(AppConfig):
    """The chat, as one of Django's apps."""

    name = "app.site"
    label = "chats"
    verbose_name = "Chats"

    def ready(self) -> None:
        """Keep Django from logging each refusal a second time; it still logs what it caught."""
        logging.getLogger("django.request").addFilter(lambda record: bool(record.exc_info))
