"""The model: what it is sent, what it answers, what it fails with."""
