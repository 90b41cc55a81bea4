"""HTTP on both sides: clients of /v1, and the inference servers behind."""
