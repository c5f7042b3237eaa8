"""The command line: `rrr`. Standard output is data, standard error is everything else.

main       the group, one lazily imported module per noun
failure    what an error becomes: one line, a way out, an exit code
signals    Ctrl-C and SIGTERM
options    flags that several commands share
output     JSON documents, text and tables
progress   bars on a terminal, a line now and then elsewhere
"""
