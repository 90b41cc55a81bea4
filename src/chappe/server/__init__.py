"""The server: everything put together behind one port."""
