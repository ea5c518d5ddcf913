"""What the page, and whoever writes in it, may rely on: each pitfall has a test of its name."""
