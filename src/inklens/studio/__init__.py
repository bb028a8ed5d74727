"""The studio: a server on this computer that shows models, reads photos and trains, for a browser on this computer.

The parent process parses requests and answers them; it loads neither NumPy nor a model. All that computes runs in child
processes (`processes`), whose death costs the one request that waited for it.
"""
