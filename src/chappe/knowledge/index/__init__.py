"""The derived index: what search reads, made from the database and never the truth."""
