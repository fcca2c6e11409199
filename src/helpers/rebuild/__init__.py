"""Make all that ships, verify all, execute the notebooks."""
