"""An image and sources."""

from urllib.parse import quote

from chatkit.types import (
    Annotation,
    EntitySource,
    FileSource,
    GeneratedImage,
    GeneratedImageItem,
    GeneratedImageUpdated,
    ThreadItemAddedEvent,
    ThreadItemDoneEvent,
    ThreadItemUpdatedEvent,
    URLSource,
)

from app.demo.speech import Events, of, say
from app.turn import Turn

SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="320" height="180">'
    '<rect width="320" height="180" fill="#4f46e5"/>'
    '<circle cx="160" cy="90" r="60" fill="#fbbf24"/></svg>'
)


async def image(turn: Turn) -> Events:
    """Show an image that is being made."""
    item = GeneratedImageItem(**of(turn))
    made = GeneratedImage(id=item.id, url=f"data:image/svg+xml,{quote(SVG)}")
    yield ThreadItemAddedEvent(item=item)
    yield ThreadItemUpdatedEvent(
        item_id=item.id, update=GeneratedImageUpdated(image=made, progress=0.5)
    )
    yield ThreadItemDoneEvent(item=item.model_copy(update={"image": made}))


async def sources(turn: Turn) -> Events:
    """Say something that has sources."""
    text = "This is said with sources: a page, a file and a thing that your page knows."
    annotations = [
        Annotation(
            source=URLSource(title="ChatKit", url="https://platform.openai.com/docs/guides/chatkit")
        ),
        Annotation(source=FileSource(title="The handbook", filename="handbook.pdf")),
        Annotation(source=EntitySource(title="Ada", id="person_1", data={"age": 36}), index=60),
    ]
    async for event in say(turn, text, annotations):
        yield event
