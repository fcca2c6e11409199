"""The pages, the PDF and the citations, from what is committed."""
