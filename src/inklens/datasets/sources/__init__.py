"""Kinds of data on this computer, one module each; `source` is their contract, and the `registry` above names them."""
