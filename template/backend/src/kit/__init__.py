"""The kit: code that is the same in every project. An update replaces it.

The names below and `kit.routes` are the public API, which docs/kit.md describes. Everything else in
the kit may change with any update.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from kit import moved

if TYPE_CHECKING:
    from kit.chat.turns import Turn, stream_text
    from kit.database.chatkit_store import generate_id, keep_item
    from kit.database.engine import read, write
    from kit.database.tables import Base, Conversation, Message
    from kit.errors import RefusedError
    from kit.llm.agent_input import AgentInput
    from kit.llm.agent_run import ChatContext, run_agent
    from kit.llm.model_client import get_client, get_run_config
    from kit.llm.model_errors import Sentences
    from kit.people.identity import Headers, Identity, RequestContext
    from kit.people.limits import limit_rate
    from kit.settings import get_settings

_HOMES = {
    "AgentInput": "kit.llm.agent_input",
    "Base": "kit.database.tables",
    "ChatContext": "kit.llm.agent_run",
    "Conversation": "kit.database.tables",
    "Headers": "kit.people.identity",
    "Identity": "kit.people.identity",
    "Message": "kit.database.tables",
    "RefusedError": "kit.errors",
    "RequestContext": "kit.people.identity",
    "Sentences": "kit.llm.model_errors",
    "Turn": "kit.chat.turns",
    "generate_id": "kit.database.chatkit_store",
    "get_client": "kit.llm.model_client",
    "get_run_config": "kit.llm.model_client",
    "get_settings": "kit.settings",
    "keep_item": "kit.database.chatkit_store",
    "limit_rate": "kit.people.limits",
    "read": "kit.database.engine",
    "run_agent": "kit.llm.agent_run",
    "stream_text": "kit.chat.turns",
    "write": "kit.database.engine",
}

__all__ = [
    "AgentInput",
    "Base",
    "ChatContext",
    "Conversation",
    "Headers",
    "Identity",
    "Message",
    "RefusedError",
    "RequestContext",
    "Sentences",
    "Turn",
    "generate_id",
    "get_client",
    "get_run_config",
    "get_settings",
    "keep_item",
    "limit_rate",
    "read",
    "run_agent",
    "stream_text",
    "write",
]

moved.follow()


def __getattr__(name: str) -> Any:
    # Imported on first access, so that code that only needs the settings does not load the
    # model's client.
    if name not in _HOMES:
        raise AttributeError(f"kit has no public name {name!r}")
    return getattr(import_module(_HOMES[name]), name)
