"""Runs an agent of openai-agents on a conversation, and turns the run into ChatKit's events."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, Self, TypeVar, cast

from agents import (
    Agent,
    Model,
    RawResponsesStreamEvent,
    RunConfig,
    RunHooks,
    Runner,
    RunResultStreaming,
    RunState,
    StreamEvent,
)
from agents.exceptions import (
    InputGuardrailTripwireTriggered,
    ModelBehaviorError,
    OutputGuardrailTripwireTriggered,
    ToolInputGuardrailTripwireTriggered,
    ToolOutputGuardrailTripwireTriggered,
)
from agents.models import get_default_model
from agents.run import DEFAULT_MAX_TURNS
from chatkit.agents import (
    AgentContext,
    ClientToolCall,
    ResponseStreamConverter,
    ThreadItemConverter,
    stream_agent_response,
)
from chatkit.errors import BaseStreamError, CustomStreamError
from chatkit.store import NotFoundError
from chatkit.types import (
    AssistantMessageItem,
    Attachment,
    ClientToolCallItem,
    GeneratedImage,
    GeneratedImageItem,
    InferenceOptions,
    NoticeEvent,
    ProgressUpdateEvent,
    ThreadItem,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemRemovedEvent,
    ThreadStreamEvent,
    UserMessageItem,
    WorkflowItem,
)
from pydantic import Field

from kit.chat.turns import APPROVAL, Turn, closing, with_fresh_ids
from kit.database.chatkit_store import generate_id
from kit.errors import RefusedError
from kit.llm import approvals
from kit.llm.agent_input import AgentInput, in_order
from kit.llm.compatibility import Ending, current_ending
from kit.llm.model_client import get_run_config
from kit.llm.model_errors import (
    SENTENCES,
    Sentences,
    explain_ending,
    explain_model_error,
)
from kit.llm.run_memory import PendingClientTool, RunMemory
from kit.llm.tool_outputs import ToolOutputs, decoded
from kit.people.identity import RequestContext
from kit.settings import get_settings

RECENT = 100
"""In how many of the newest items open questions are found, and what the person has chosen."""

NO_IMAGE = "The image is not kept."

OnResult = Callable[[RunResultStreaming], Awaitable[None] | None]

TRIPWIRES = (
    InputGuardrailTripwireTriggered,
    OutputGuardrailTripwireTriggered,
    ToolInputGuardrailTripwireTriggered,
    ToolOutputGuardrailTripwireTriggered,
)


class ChatContext(AgentContext[RequestContext]):
    """The context that the agent's tools receive. Derive a class to give tools more."""

    client_tool_calls: list[ClientToolCall] = Field(default=[])
    """All client tools that the run has called. `client_tool_call` is the last one."""

    @classmethod
    def of(cls, turn: Turn, **fields: Any) -> Self:
        """Return the context of a turn, with the given fields of a derived class."""
        return cls(thread=turn.thread, store=turn.store, request_context=turn.context, **fields)

    def __setattr__(self, name: str, value: Any) -> None:
        """Remember each client tool that is called: an answer may call several."""
        if name == "client_tool_call" and value is not None:
            self.client_tool_calls.append(value)
        super().__setattr__(name, value)


Context = TypeVar("Context", bound=AgentContext[RequestContext])


async def run_agent(
    agent: Agent[Context],
    turn: Turn,
    note: str | None = None,
    *,
    agents: Mapping[str, Agent[Context]] | None = None,
    context: Context | None = None,
    converter: ThreadItemConverter | None = None,
    stream_converter: ResponseStreamConverter | None = None,
    run_config: RunConfig | None = None,
    hooks: RunHooks[Context] | None = None,
    max_turns: int = DEFAULT_MAX_TURNS,
    on_result: OnResult | None = None,
    sentences: Sentences = SENTENCES,
) -> AsyncIterator[ThreadStreamEvent]:
    """Run the agent on the conversation and return the events for ChatKit's page.

    The run uses the model and the tool that the person chose for the message. If an agent has
    handed the conversation over, the next turn goes on with the agent that spoke last.

    Args:
        agent: the agent to run.
        turn: the turn that the agent answers.
        note: additional input for the agent, for this turn only.
        agents: the agents that a person can choose as tools in the composer, by the tool's id.
        context: what the agent's tools receive. By default a `ChatContext`.
        converter: turns the items of the conversation into the agent's input. By default an
            `AgentInput`, which is made anew for each turn.
        stream_converter: turns images and citations into ChatKit's.
        run_config: the configuration of the run. By default `get_run_config()`.
        hooks: gets the events of the run's lifecycle.
        max_turns: how often the model may be asked.
        on_result: gets the result when the run is over.
        sentences: what the person reads when the answer does not come as usual.

    Raises:
        CustomStreamError: the run failed; the message tells the person why.
    """
    run = _Run(turn, context or cast(Context, ChatContext.of(turn)), sentences)
    try:
        if call := run.next_client_tool():
            yield call
            return
        limit = get_settings().history_items
        history = await turn.history(max(limit, RECENT))
        options = _options(turn, history)
        first, starting = run.choose(agent, agents or {}, options)
        config = run_config or get_run_config()
        pending = None
        if turn.action and turn.action.type == APPROVAL:
            async for step in approvals.answered(turn, turn.action, sentences):
                if isinstance(step, approvals.PendingApproval):
                    pending = step
                else:
                    yield step
            if pending is None:
                return
            note = pending.note
            if pending.last_item is not None:
                history = await turn.history(limit, pending.last_item)
        elif turn.message:
            async for event in approvals.withdraw(turn, history, sentences):
                yield event
        known = [item for item in history[-limit:] if item.id not in run.memory.blocked]
        inputs = await (converter or AgentInput()).to_agent_input(known)
        if note:
            inputs.append({"role": "user", "content": note})
        inputs = in_order(inputs)
        state = None
        if pending:
            state = await approvals.resumed(pending, first, run.context, inputs)
            if options and options.model is not None:
                # openai-agents runs the agents as they are in the code, without the chosen model.
                config = replace(config, model=starting.model)
        result = run.start(
            starting,
            state or inputs,
            run_config=config,
            hooks=hooks,
            max_turns=max_turns,
        )
        events = run.events(result, stream_converter or ResponseStreamConverter())
        async with closing(events):
            async for event in events:
                yield event
        run.memory.agents.pop(first.name, None)
        if result.last_agent.name != first.name:
            run.memory.agents[first.name] = result.last_agent.name
        if result.interruptions:
            is_as_made = bool(known) and result.input == inputs
            made_from = known[-1].id if is_as_made else None
            async for event in approvals.ask(turn, result, sentences, made_from, note):
                yield event
            return
        async for event in run.conclude(result):
            yield event
        if on_result:
            awaitable = on_result(result)
            if inspect.isawaitable(awaitable):
                await awaitable
    except TRIPWIRES:
        run.block(await turn.history(get_settings().history_items))
        raise CustomStreamError(sentences.blocked, allow_retry=False) from None
    except (BaseStreamError, RefusedError):
        raise
    except Exception as error:
        if run.ending.is_refusal and isinstance(error, ModelBehaviorError):
            return  # the refusal is no valid output of the agent's type, and is its answer
        raise CustomStreamError(explain_model_error(error), allow_retry=True) from error
    finally:
        run.memory.keep(turn.thread)


class _Run:
    """One run: what it remembers, and what the person has seen of it."""

    def __init__(
        self, turn: Turn, context: AgentContext[RequestContext], sentences: Sentences
    ) -> None:
        self.memory = RunMemory.of(turn.thread)
        self.context = context
        self.ending = Ending()
        self._turn = turn
        self._sentences = sentences
        self._outputs = ToolOutputs(turn.thread.id, self._keep_file)
        self._made: list[str] = []
        self._images: set[str] = set()
        self._notices: list[str] = []
        self._has_shown = False
        self._is_resumed = False
        self._counted = (0, 0)
        self._model: str | Model | None = None
        if turn.message:
            self.memory.client_tools = []
            # The person may send the refused message again, with Retry.
            self.memory.blocked = [one for one in self.memory.blocked if one != turn.message.id]

    def next_client_tool(self) -> ThreadItemDoneEvent | None:
        """Return the event that calls the next client tool of the last answer, if one is left."""
        if self._turn.message or self._turn.action or not self.memory.client_tools:
            return None
        return self._call_client_tool(generate_id("tool_call"))

    def _call_client_tool(self, item_id: str) -> ThreadItemDoneEvent:
        call = self.memory.client_tools.pop(0)
        return ThreadItemDoneEvent(
            item=ClientToolCallItem(
                id=item_id,
                thread_id=self._turn.thread.id,
                created_at=datetime.now(),
                call_id=item_id,
                name=call.name,
                arguments=call.arguments,
            )
        )

    def choose(
        self,
        agent: Agent[Context],
        agents: Mapping[str, Agent[Context]],
        options: InferenceOptions | None,
    ) -> tuple[Agent[Context], Agent[Context]]:
        """Return the agent that answers, as the person has chosen it, and the one that runs now.

        The latter has spoken last, or has the tool that the person chose for the message. It uses
        the model that they chose. Only models in OPENAI_MODEL and OPENAI_MODELS are allowed, since
        models differ in cost.

        Raises:
            CustomStreamError: the model or the tool is not available.
        """
        tool = options.tool_choice.id if options and options.tool_choice else None
        if tool is not None and tool in agents:
            agent, tool = agents[tool], None
        known = list(_reachable(agent))
        last = self.memory.agents.get(agent.name, agent.name)
        known.sort(key=lambda one: one.name != last)  # the one that spoke last comes first
        changes: dict[str, Any] = {}
        running = known[0]
        if tool is not None:
            having = [one for one in known if tool in [each.name for each in one.tools]]
            named = [one for one in known if one.name == tool]
            if not having + named:
                raise CustomStreamError(f"The assistant has no tool named {tool}.")
            running = (having + named)[0]
            # Not for the turn that answers the output of that tool.
            if having and self._turn.message:
                changes["model_settings"] = replace(running.model_settings, tool_choice=tool)
        if options and options.model is not None:
            changes["model"] = _allowed(options.model)
        return agent, running.clone(**changes) if changes else running

    def start(
        self, agent: Agent[Any], start: Any, run_config: RunConfig, **options: Any
    ) -> RunResultStreaming:
        """Start the run, with an input or the state of an interrupted run."""
        self._model = run_config.model
        token = current_ending.set(self.ending)  # the task of the run gets a copy of this context
        try:
            result = Runner.run_streamed(
                agent, start, context=self.context, run_config=run_config, **options
            )
        finally:
            current_ending.reset(token)
        # A resumed run has the usage of the turn before, which is counted already.
        usage = result.context_wrapper.usage
        self._counted = (usage.input_tokens, usage.output_tokens)
        self._outputs.skip(result.new_items)
        self._is_resumed = isinstance(start, RunState)
        return result

    async def events(
        self, result: RunResultStreaming, converter: ResponseStreamConverter
    ) -> AsyncIterator[ThreadStreamEvent]:
        """Return the events of the run for the page."""
        try:
            async with closing(_read(self.context, result, converter)) as stream:
                async for event in with_fresh_ids(stream):
                    await self._keep_outputs(result)
                    if isinstance(event, ThreadItemDoneEvent):
                        done = await self._done(event, result)
                        if done is None:
                            continue
                        event = done
                    self._note(event)
                    yield event
        finally:
            self._count(result)
            await self._keep_outputs(result)
        for item_id in self._images:  # the model has begun them only
            self._notices.append(NO_IMAGE)
            yield ThreadItemRemovedEvent(item_id=item_id)

    def _count(self, result: RunResultStreaming) -> None:
        """Count what the models of the run have used. Of a stopped answer servers do not tell."""
        usage = result.context_wrapper.usage
        tokens_in, tokens_out = self._counted
        self._turn.count_usage(
            _name_of(self._model or result.last_agent.model),
            usage.input_tokens - tokens_in,
            usage.output_tokens - tokens_out,
        )

    async def _keep_outputs(self, result: RunResultStreaming) -> None:
        """Store what tools have done. It stays done, though the answer fails or is stopped."""
        turn = self._turn
        client_tools = [call.name for call in self._client_tool_calls()]

        async def keep() -> None:
            with suppress(NotFoundError):  # the conversation was deleted meanwhile
                async for item in self._outputs.of_new(result.new_items, client_tools):
                    self._made.append(item.id)
                    await turn.store.add_thread_item(turn.thread.id, item, turn.context)

        if self._outputs.has_new(result.new_items):
            await asyncio.shield(keep())

    def _client_tool_calls(self) -> Sequence[ClientToolCall]:
        if isinstance(self.context, ChatContext):
            return self.context.client_tool_calls
        return [call for call in [self.context.client_tool_call] if call]

    async def _done(
        self, event: ThreadItemDoneEvent, result: RunResultStreaming
    ) -> ThreadStreamEvent | None:
        """Return the event that is stored and shown for an item that is done, if it is now."""
        match event.item:
            case AssistantMessageItem() as item if not _text_of(item):
                return ThreadItemRemovedEvent(item_id=item.id)
            case ClientToolCallItem() as item:
                # ChatKit knows the last call of the run only.
                self.memory.client_tools = [
                    PendingClientTool(name=call.name, arguments=call.arguments)
                    for call in self._client_tool_calls()
                ]
                if result.interruptions:  # the page runs the tools after the person's answer
                    return None
                return self._call_client_tool(item.id)
            case GeneratedImageItem(image=GeneratedImage() as image) as item:
                try:
                    kept = await self._keep_image(image)
                except RefusedError as error:
                    self._notices.append(f"{NO_IMAGE} {error}")
                    return ThreadItemRemovedEvent(item_id=item.id)
                return ThreadItemDoneEvent(item=item.model_copy(update={"image": kept}))
        return event

    def _note(self, event: ThreadStreamEvent) -> None:
        match event:
            case ThreadItemAddedEvent(item=GeneratedImageItem(id=item_id)):
                self._images.add(item_id)
            case ThreadItemRemovedEvent(item_id=item_id):
                self._images.discard(item_id)
            case ThreadItemDoneEvent(item=item):
                self._images.discard(item.id)
                self._made.append(item.id)
                is_reasoning = isinstance(item, WorkflowItem) and item.workflow.type == "reasoning"
                self._has_shown = self._has_shown or not is_reasoning
            case _ if event.type in ("notice", "client_effect"):
                self._has_shown = True

    async def conclude(self, result: RunResultStreaming) -> AsyncIterator[ThreadStreamEvent]:
        """Call the client tools that have waited, or say why there is no whole answer.

        Raises:
            CustomStreamError: there is no answer, or it has broken off.
        """
        if self._is_resumed and self.memory.client_tools and not self.context.client_tool_call:
            yield self._call_client_tool(generate_id("tool_call"))
            return
        # A tool may be the end of a run. Then its output is the final one, and nothing is missing
        # unless the tool has failed.
        has_output = bool(str(result.final_output or "").strip())
        has_shown = self._has_shown or (has_output and not self.ending.has_failed_tool)
        for notice in self._notices:
            yield NoticeEvent(level="warning", message=notice)
        has_shown = has_shown or bool(self._notices)
        sentence = explain_ending(self.ending, has_shown, self._sentences)
        if sentence is None:
            return
        if self.ending.error or not has_shown:
            raise CustomStreamError(sentence, allow_retry=True)
        yield NoticeEvent(level="warning", message=sentence)

    def block(self, history: Sequence[ThreadItem]) -> None:
        """Remember what the model is not to see again: the last message and what followed it."""
        since: list[str] = []
        for item in reversed(history):
            since.append(item.id)
            if isinstance(item, UserMessageItem):
                break
        # Older ones are not sent anyway.
        most = 2 * get_settings().history_items
        self.memory.blocked = [*self.memory.blocked, *since, *self._made][-most:]

    async def _keep_file(self, name: str, mime_type: str, content: bytes) -> Attachment:
        turn = self._turn
        return await turn.files.keep_made_file(turn.thread, name, mime_type, content, turn.context)

    async def _keep_image(self, image: GeneratedImage) -> GeneratedImage:
        """Return the image as a file of the conversation, with a preview for the page.

        Raises:
            RefusedError: the image cannot be kept.
        """
        if not image.url.startswith("data:"):
            return image
        turn = self._turn
        _, content = decoded(image.url)
        if content is None:
            raise RefusedError(400, "It is damaged.")
        return await turn.files.keep_made_image(turn.thread, "image", content, turn.context)


def _options(turn: Turn, history: Sequence[ThreadItem]) -> InferenceOptions | None:
    """Return what the person has chosen for the message that is answered."""
    if turn.message:
        return turn.message.inference_options
    messages = (item for item in reversed(history) if isinstance(item, UserMessageItem))
    last = next(messages, None)
    return last.inference_options if last else None


def _name_of(model: str | Model | None) -> str:
    """Return the name of a model as openai-agents resolves it."""
    if isinstance(model, Model):
        model = getattr(model, "model", None) or type(model).__name__
    return str(model or get_default_model())


def _allowed(model: str) -> str:
    settings = get_settings()
    if model not in [settings.openai_model, *settings.openai_models]:
        raise CustomStreamError(
            f"The model {model} is not offered here: OPENAI_MODELS does not name it."
        )
    return model


def _reachable(agent: Agent[Context]) -> Iterator[Agent[Context]]:
    """Return the agent and all to which it hands over, directly or not."""
    seen: dict[int, Agent[Context]] = {}
    waiting = [agent]
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen[id(one)] = one
        yield one
        for next_one in one.handoffs:
            # openai-agents has no public way from a handoff to its agent.
            reference = getattr(next_one, "_agent_ref", None)
            target = reference() if reference else next_one
            if isinstance(target, Agent):
                waiting.append(target)


def _text_of(item: AssistantMessageItem) -> str:
    return "".join(part.text for part in item.content).strip()


class _Readable:
    """A run whose annotations ChatKit can read.

    OpenAI's client gives the annotations of a stream classes of their own, which ChatKit's
    `stream_agent_response` refuses. It accepts dicts.
    """

    def __init__(self, result: RunResultStreaming) -> None:
        self._result = result

    async def stream_events(self) -> AsyncIterator[StreamEvent]:
        async for event in self._result.stream_events():
            if (
                isinstance(event, RawResponsesStreamEvent)
                and event.data.type == "response.output_text.annotation.added"
                and not isinstance(event.data.annotation, dict)
            ):
                annotation = cast(Any, event.data.annotation).model_dump()
                data = event.data.model_copy(update={"annotation": annotation})
                event = RawResponsesStreamEvent(data=data)
            yield event


async def _read(
    context: AgentContext[RequestContext],
    result: RunResultStreaming,
    converter: ResponseStreamConverter,
) -> AsyncIterator[ThreadStreamEvent]:
    """Return ChatKit's events of a run. The run has ended when they end.

    ChatKit reads a run in two tasks. When ChatKit is cancelled or fails, it does not end them, and
    they log errors. So only the run is cancelled here, and ChatKit reads it to the end.
    """
    events: asyncio.Queue[ThreadStreamEvent | None] = asyncio.Queue()
    readable = cast(RunResultStreaming, _Readable(result))

    async def read() -> None:
        try:
            async for event in stream_agent_response(context, readable, converter=converter):
                events.put_nowait(event)
        finally:
            events.put_nowait(None)

    reader = asyncio.create_task(read())
    try:
        while (event := await events.get()) is not None:
            yield event
        await reader
    finally:
        if not result.is_complete:
            result.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        # After a failure, one of ChatKit's tasks still waits for an event. This event ends it.
        await context.stream(ProgressUpdateEvent(text=""))
