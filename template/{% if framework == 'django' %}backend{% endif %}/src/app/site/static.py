"""The static files of Django's pages."""

from collections.abc import Iterator

from django.contrib.staticfiles.finders import AppDirectoriesFinder, FileSystemFinder


def static_folders() -> Iterator[str]:
    """Return the folders in the installed packages, so that collectstatic is not needed."""
    for finder in (FileSystemFinder(), AppDirectoriesFinder()):
        for storage in finder.storages.values():
            yield storage.path("")
