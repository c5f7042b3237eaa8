"""The chat engine and the trainer as processes of their own, and the front ends' side of both.

protocol       what app and engine say to each other: one JSON object a line
conversation   the engine's side of a chat, logged as it happens; `prompts` and `turns` (as nodes of the episode tree) belong to it
serve          the engine process: requests from standard input (`inbox`), events to standard output
client         the app's side: start, ask, cancel, restart; `child` is one process, `mail` its events for one request
jobs           one-shot children for what needs numbers: pre-flight, demo, collecting, evaluating
plan           what a run is made of, as a front end hands it to a trainer
work           a whole run: measure, collect, train, measure again
preflight      would a run work, what would it teach and take? From data, probe, machine and checks
detached       a trainer that outlives whoever started it: start, find, ask to pause or stop

The app's side (protocol, client, plan, detached, and the starting half of jobs) imports neither numpy nor an ML library.
"""
