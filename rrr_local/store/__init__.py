"""The log: one SQLite file with everything that happened, owned by the person whose laptop it is.

schema       the tables and views of version 1 as plain SQL; schema_2 what version 2 changed
migrations   how a file gets the newest schema
sqlite       connections, transactions, and what SQLite's errors mean to a person
records      what flows in
rows         plain inserts and updates; above them catalogue, tries, turns, feedback, runs and evals turn records into rows
writer       the one thread of a process that writes
log          an open file: its writer and its readers
store        `Store`, the front of all this: everything that may be written
queries      what flows out: runs, steps, failures, settings; history has the episodes, chats the conversations, search the words,
             evaluations, runs_read, tasks_read, models, spans and ready what their names say
"""
