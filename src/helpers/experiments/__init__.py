"""One module or folder a notebook, named as it is: frames, tables, and what ships."""
