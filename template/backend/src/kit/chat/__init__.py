"""The ChatKit protocol: checks of requests, turns of the assistant, and stored items."""
