"""Sphinx: how the pages look. What is on them is prepared by helpers.site.build (`make site`)."""

from helpers.site import citation
from helpers.site import pages as site_pages

cff = citation.cff()
project = "The Congress Test"
author = copyright = citation.AUTHORS
copyright += ". Text and figures CC BY 4.0, code MIT"
version = release = str(cff["version"])
language = "en"

extensions = ["myst_nb", "sphinx_copybutton"]
exclude_patterns = ["extra"]
nb_execution_mode = "off"
nb_code_prompt_show = nb_code_prompt_hide = "Code"
nb_ipywidgets_js = {}  # would come from another host
myst_enable_extensions = ["attrs_block", "colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type"]

html_theme = "furo"
html_title = project
html_favicon = "_static/icon.svg"
html_static_path = ["_static"]
html_extra_path = ["extra"]
html_css_files = ["site.css"]
html_js_files = [("site.js", {"defer": "defer"})]
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {
        "color-brand-primary": "#8A3510",
        "color-brand-content": "#8A3510",
        "color-brand-visited": "#6B3A66",
        "color-foreground-muted": "#5F5F5F",
        "color-toc-title-text": "#5F5F5F",
        "color-sidebar-caption-text": "#5F5F5F",
    },
    "dark_css_variables": {
        "color-brand-primary": "#F0A585",
        "color-brand-content": "#F0A585",
        "color-brand-visited": "#D9B3D5",
        "color-foreground-muted": "#B5B5B5",
        "color-toc-title-text": "#B5B5B5",
        "color-sidebar-caption-text": "#B5B5B5",
    },
}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True
# the copy button belongs to what is meant to be copied, not to every cell of a notebook
copybutton_selector = "div.copy pre, div.highlight-console pre, div.highlight-bibtex pre"


def name_the_level(app, page, template, context, doctree):
    """Sphinx gives the captions of the navigation the role of a heading without a level."""
    tree = context.get("furo_navigation_tree", "")
    context["furo_navigation_tree"] = tree.replace(
        'role="heading"', 'role="heading" aria-level="2"'
    )


def setup(app):
    app.connect("doctree-resolved", site_pages.link_terms)
    app.connect("doctree-resolved", site_pages.keep_percent_signs)
    app.connect("html-page-context", name_the_level, priority=900)  # after Furo
