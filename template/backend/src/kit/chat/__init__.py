"""ChatKit's protocol: what a request does, what is stored, what is sent."""
