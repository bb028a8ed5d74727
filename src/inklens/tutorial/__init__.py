"""The tutorial: ``inklens demo`` and ``inklens quiz``.

`run` computes everything as numbers, of which `fits` are the models, `own_picture` what becomes of a picture of one's
own, and `certainty` the look back; `page` draws and writes them as a page. `quiz` asks before it tells.
"""
