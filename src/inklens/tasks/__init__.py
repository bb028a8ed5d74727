"""What commands do: arguments in, data out; the command line, the studio, pages and notebooks call the same functions.

Each module is named after its command, and its first line says which. What several of them stand on:

========================  ==============================================================================
`session`                 a model with the rows that it was fitted and judged on
`model_rows` `halves`     rows of a data set as a linear model is fed
`models` `fitted`         a fit, and what it found in words and as JSON
`checkpoints`             what is left of a fit that was broken off, to go on from
`reading`                 the one way from a picture to its digit
`judging` `predictions`   a model's answers on rows
`figures`                 figures that commands write on request
`interrupts`              Ctrl-C between long work and the file that it is for
`bulk`                    millions of pictures into one table
========================  ==============================================================================
"""
