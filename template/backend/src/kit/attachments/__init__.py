"""Files that people attach to their messages, or that the assistant makes."""
