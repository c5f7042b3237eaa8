"""Running a model's Python, which nobody has read.

    candidate   the model's code: in its own interpreter, without files, network, other processes
        ^  v    calls and plain values, through us
    judge       the tests and what they expect: in another interpreter of the same kind, where no line of the model's code runs

The verdict comes from the judge alone. A candidate may print, exit, patch every builtin, search its memory and write whatever it
likes to its pipes: all it can ever send is an answer to a call, the right one or a wrong one. What is expected never reaches it.
"""
