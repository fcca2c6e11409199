"""From an image to a template, and from templates to candidates."""
