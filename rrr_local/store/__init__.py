"""The log: one SQLite file with everything that happened, owned by the person whose laptop it is.

schema       the tables and views as plain SQL
migrations   how a file gets that schema
sqlite       connections, transactions, and what SQLite's errors mean to a person
records      what flows in
rows         plain inserts and updates; above them catalogue, tries, runs and evals turn records into rows
writer       the one thread of a process that writes
store        `Store`, the front of all this
queries      what flows out
"""
