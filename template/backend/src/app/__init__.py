"""Your own code: the assistant, its tools, the routes and the tables."""
