"""Redirects imports of modules that were in `app` until 0.1.0 to their new places."""

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType

KIT = Path(__file__).parent

MOVED = {
    "app.agent_input": "kit.llm.agent_input",
    "app.agent_run": "kit.llm.agent_run",
    "app.assistant_errors": "kit.chat.chatkit_server",
    "app.attachments": "kit.attachments",
    "app.attachments.content": "kit.attachments.content",
    "app.attachments.endpoint": "kit.attachments.endpoint",
    "app.attachments.files": "kit.attachments.file_store",
    "app.attachments.form": "kit.attachments.endpoint",
    "app.attachments.images": "kit.attachments.content",
    "app.attachments.preview": "kit.attachments.preview",
    "app.attachments.room": "kit.attachments.attachment_store",
    "app.attachments.store": "kit.attachments.attachment_store",
    "app.attachments.sweep": "kit.attachments.retention",
    "app.chatkit_server": "kit.chat.chatkit_server",
    "app.chatkit_store": "kit.database.chatkit_store",
    "app.database": "kit.database.engine",
    "app.database_url": "kit.database.engine",
    "app.databases": "kit.database.engine",
    "app.databases.mysql": "kit.database.mysql",
    "app.databases.mysql_tls": "kit.database.mysql",
    "app.databases.postgresql": "kit.database.postgresql",
    "app.databases.sqlite": "kit.database.sqlite",
    "app.demo": "kit.demo",
    "app.demo.pictures": "kit.demo",
    "app.demo.questions": "kit.demo",
    "app.demo.signals": "kit.demo",
    "app.demo.speech": "kit.demo",
    "app.demo.widgets": "kit.demo",
    "app.dictation": "kit.llm.model_client",
    "app.disclosure": "kit.disclosure",
    "app.embedded_postgres": "kit.database.postgresql",
    "app.endpoint": "kit.backend",
    "app.env_files": "kit.env_files",
    "app.env_lines": "kit.env_files",
    "app.errors": "kit.errors",
    "app.event_loop": "kit.database.engine",
    "app.half_answers": "kit.chat.turns",
    "app.headers": "kit.people.identity",
    "app.health": "kit.backend",
    "app.item_ids": "kit.chat.turns",
    "app.json_limits": "kit.chat.request_checks",
    "app.lifecycle": "kit.backend",
    "app.limits": "kit.people.limits",
    "app.model_choice": "kit.llm.agent_run",
    "app.model_errors": "kit.llm.model_errors",
    "app.model_provider": "kit.llm.model_client",
    "app.oidc": "kit.people.oidc",
    "app.ports": "kit.settings",
    "app.replies": "kit.http.request_handling",
    "app.request_checks": "kit.chat.request_checks",
    "app.request_handling": "kit.http.request_handling",
    "app.request_log": "kit.http.request_log",
    "app.running_turns": "kit.chat.turns",
    "app.serve": "kit.serve",
    "app.settings": "kit.settings",
    "app.streaming": "kit.http.streaming",
    "app.tool_memory": "kit.llm.tool_outputs",
    "app.turn": "kit.chat.turns",
    "app.turn_limit": "kit.people.limits",
    "app.turn_statements": "kit.database.chatkit_store",
    "app.wire_times": "kit.chat.chatkit_server",
}


class _Follower(MetaPathFinder, Loader):
    """Finds and loads moved modules by their old names."""

    def __init__(self) -> None:
        """Start without any found modules."""
        self._specs: dict[str, ModuleSpec | None] = {}

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return the spec of a moved module; None if your own code has a module with its name."""
        if fullname not in MOVED:
            return None
        found = PathFinder.find_spec(fullname, path)
        # Below a moved package, the default finder finds the kit's modules and would load them a
        # second time.
        if found and not Path(found.origin or "").is_relative_to(KIT):
            return None
        return spec_from_loader(fullname, self)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Import and return the module at its new place."""
        new = MOVED[spec.name]
        warnings.warn(f"{spec.name} is {new} now", DeprecationWarning, stacklevel=2)
        module = import_module(new)
        if not hasattr(module, "__path__") and any(
            old.startswith(f"{spec.name}.") for old in MOVED
        ):
            module.__path__ = []  # it was a package: Python imports submodules only from packages
        self._specs[spec.name] = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Restore the spec of the module, which has already run under its new name."""
        if module.__spec__:
            module.__spec__ = self._specs.pop(module.__spec__.name)


def follow() -> None:
    """Install the redirection of imports. Further calls have no effect."""
    if not any(isinstance(finder, _Follower) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Follower())
