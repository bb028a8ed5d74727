"""Models for browsers: a model as bytes, and the modules of JavaScript that read them."""
