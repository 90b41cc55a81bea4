"""Corpora, their documents and passages, and the search over them."""
