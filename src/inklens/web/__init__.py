"""The model in a browser: its bytes, the modules that show it, and one page that holds both."""
