"""Anyone's own test: a folder with a notebook, run, checked and published as one page.

`plan` makes the folder, `measure` runs the search and keeps counts, `tables` and `charts` are what
the notebook shows, `publish` executes and checks it, `page` makes the page.
"""
