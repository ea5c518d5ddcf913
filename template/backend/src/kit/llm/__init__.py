"""The model: its client, its input from a conversation, its run, and explanations of its errors."""
