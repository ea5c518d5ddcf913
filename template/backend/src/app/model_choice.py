"""What the person chose for a message: another model, a tool that is to be used."""

from dataclasses import replace
from typing import Any, TypeVar

from agents import Agent
from chatkit.errors import CustomStreamError
from chatkit.types import InferenceOptions

from app.settings import get_settings

Context = TypeVar("Context")


def with_choices(agent: Agent[Context], options: InferenceOptions | None) -> Agent[Context]:
    """Return the agent with the model and the tool that the person chose in ChatKit's page.

    Raises:
        CustomStreamError: they are not offered. What costs money is chosen from a list.
    """
    changes: dict[str, Any] = {}
    if options and options.model is not None:
        settings = get_settings()
        if options.model not in [settings.openai_model, *settings.openai_models]:
            raise CustomStreamError(
                f"The model {options.model} is not offered here: OPENAI_MODELS does not name it."
            )
        changes["model"] = options.model
    if options and options.tool_choice is not None:
        tool = options.tool_choice.id
        if tool not in [known.name for known in agent.tools]:
            raise CustomStreamError(f"The assistant has no tool named {tool}.")
        changes["model_settings"] = replace(agent.model_settings, tool_choice=tool)
    return agent.clone(**changes) if changes else agent
