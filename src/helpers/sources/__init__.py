"""Where files come from, who is in them, and what their labels mean."""
