"""What the template's own tests share: projects, versions, servers and what they talk to."""
