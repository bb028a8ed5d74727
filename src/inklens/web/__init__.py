<<<<<<< HEAD
"""The model in a browser: its bytes, the modules that show it, and one page that holds both."""
=======
"""Models for browsers: a model as bytes, and the modules of JavaScript that read them."""
>>>>>>> core
