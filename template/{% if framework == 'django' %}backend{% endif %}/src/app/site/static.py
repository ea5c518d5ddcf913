"""Where the files are that pages of Django's need."""

from collections.abc import Iterator

from django.contrib.staticfiles.finders import AppDirectoriesFinder, FileSystemFinder


def static_folders() -> Iterator[str]:
    """Return the folders, straight from the packages: nobody needs to run collectstatic."""
    for finder in (FileSystemFinder(), AppDirectoriesFinder()):
        for storage in finder.storages.values():
            yield storage.path("")
