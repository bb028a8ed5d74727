"""Models in browsers: a model as bytes, the modules that show it, and one page that holds both."""
