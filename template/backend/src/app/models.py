"""The tables by the names that they had in 0.1.0. New code imports them from `kit`."""

from kit.database.tables import Attachment, Base, Conversation, Feedback, Message

__all__ = ["Attachment", "Base", "Conversation", "Feedback", "Message"]
