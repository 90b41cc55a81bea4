"""Reading files: whatever is dropped in becomes one normalised text, its structure and its places.

Nothing here knows the database. A file is parsed in a process of its own (`process.read`), with
limits on size, pages, time and memory.
"""
