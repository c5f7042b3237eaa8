"""What version 2 changed: conversations, ratings taken back, attempts left out of training, and how far a run is.

A *turn* is one question of a conversation with its episode. Turns form a tree by `parent_id`: editing a question or asking again makes a
sibling. `context_id` is the turn whose last reply precedes this one in the model's context; a problem with a check has none, since it
stands alone and can be trained on.

A reply that gets an expected answer later is written again with its verdict (`attempts.copy_of`), since the log is append-only; the
lists leave out what has a copy.

A run's sums over its steps (`groups`, `groups_used`, `seconds`) are kept in its own row: a screen asks for them four times a second.
"""

from __future__ import annotations

TABLES = """
CREATE TABLE turns(id INTEGER PRIMARY KEY, session_id TEXT NOT NULL REFERENCES sessions(id),
  parent_id INTEGER REFERENCES turns(id),  -- the turn before it on its branch; NULL: the first of the conversation
  context_id INTEGER REFERENCES turns(id),  -- what precedes it in the model's context; NULL: it stands alone
  attempt_id INTEGER NOT NULL REFERENCES attempts(id), hidden INTEGER NOT NULL DEFAULT 0 CHECK(hidden IN (0, 1)),
  created_at TEXT NOT NULL) STRICT;
CREATE TABLE retractions(outcome_id INTEGER PRIMARY KEY REFERENCES outcomes(id),  -- a rating its person took back
  created_at TEXT NOT NULL) STRICT;
CREATE TABLE excluded(attempt_id INTEGER PRIMARY KEY REFERENCES attempts(id),  -- a first attempt not to be trained on
  created_at TEXT NOT NULL) STRICT;
ALTER TABLE attempts ADD COLUMN copy_of INTEGER REFERENCES attempts(id);  -- the same reply before it could be checked
ALTER TABLE reflections ADD COLUMN token_ids BLOB CHECK(length(token_ids) % 4 = 0);  -- as in attempts; in a chat only
ALTER TABLE reflections ADD COLUMN prompt TEXT;  -- the user message that asked for it; in a chat only
ALTER TABLE train_runs ADD COLUMN phase TEXT
  CHECK(phase IN ('preparing', 'measuring', 'collecting', 'training', 'evaluating', 'saving', 'done'));
ALTER TABLE train_runs ADD COLUMN phase_done INTEGER;
ALTER TABLE train_runs ADD COLUMN phase_total INTEGER;
ALTER TABLE train_runs ADD COLUMN request TEXT CHECK(request IN ('pause', 'stop', 'discard'));
ALTER TABLE train_runs ADD COLUMN note TEXT;
ALTER TABLE train_runs ADD COLUMN groups INTEGER;
ALTER TABLE train_runs ADD COLUMN groups_used INTEGER;
ALTER TABLE train_runs ADD COLUMN seconds REAL;
UPDATE train_runs SET (groups, groups_used, seconds) =
  (SELECT sum(s.groups), sum(s.groups_used), sum(s.seconds) FROM train_steps s WHERE s.run_id = train_runs.id);
"""

INDEXES = """
CREATE INDEX turns_session ON turns(session_id, id);
CREATE INDEX turns_attempt ON turns(attempt_id);
CREATE INDEX attempts_copy ON attempts(copy_of) WHERE copy_of IS NOT NULL;
CREATE INDEX attempts_day ON attempts(created_at) WHERE attempt_no = 1;
CREATE INDEX outcomes_user ON outcomes(attempt_id, id) WHERE source = 'user';
CREATE INDEX groups_attempt ON rollout_groups(first_attempt_id);
CREATE INDEX evals_adapter ON evals(adapter_id) WHERE adapter_id IS NOT NULL;
"""

VIEWS = """
DROP VIEW winning_reflections;
DROP VIEW episodes;
DROP VIEW run_summary;
DROP VIEW attempt_verdicts;

-- Every attempt with the verdict that counts: the person's newest that was not taken back, else the verifier's newest.
CREATE VIEW attempt_verdicts AS
SELECT a.id AS attempt_id, o.source, o.verdict, o.detail AS reason, o.score, o.created_at
FROM attempts a LEFT JOIN outcomes o ON o.id = coalesce(
  (SELECT max(u.id) FROM outcomes u WHERE u.attempt_id = a.id AND u.source = 'user'
    AND NOT EXISTS (SELECT 1 FROM retractions x WHERE x.outcome_id = u.id)),
  (SELECT max(id) FROM outcomes WHERE attempt_id = a.id AND source = 'verifier'));

-- One row per first attempt. What was checked later is there once, as its copy.
CREATE VIEW episodes AS
SELECT a.id, a.session_id, s.kind, t.name AS task, a.problem_id, p.split, p.prompt, a.adapter_id, a.text AS attempt,
  v.verdict, v.reason,
  (SELECT count(*) FROM reflections r WHERE r.attempt_id = a.id) AS reflections,
  (SELECT count(*) FROM attempts b JOIN attempt_verdicts w ON w.attempt_id = b.id
    WHERE b.first_attempt_id = a.id AND w.verdict = 'pass') AS retries_passed,
  a.created_at,
  EXISTS (SELECT 1 FROM excluded x WHERE x.attempt_id = a.id) AS excluded,
  v.source IS 'user' AS by_user,
  (SELECT (SELECT name FROM train_runs WHERE id = g.train_run_id) FROM rollout_groups g
    WHERE g.first_attempt_id = a.id ORDER BY g.id DESC LIMIT 1) AS run
FROM attempts a JOIN sessions s ON s.id = a.session_id LEFT JOIN problems p ON p.id = a.problem_id
  LEFT JOIN tasks t ON t.id = p.task_id JOIN attempt_verdicts v ON v.attempt_id = a.id
WHERE a.attempt_no = 1 AND NOT EXISTS (SELECT 1 FROM attempts c WHERE c.copy_of = a.id);

CREATE VIEW run_summary AS
SELECT r.rowid AS position, r.id, r.name, r.status, coalesce(m.repo_id, m.local_path) AS model, t.name AS task,
  r.backend, r.last_step, r.total_steps,
  (SELECT reward_mean FROM train_steps WHERE run_id = r.id AND reward_mean IS NOT NULL
    ORDER BY step LIMIT 1) AS first_reward,
  (SELECT reward_mean FROM train_steps WHERE run_id = r.id AND reward_mean IS NOT NULL
    ORDER BY step DESC LIMIT 1) AS last_reward,
  r.groups, r.groups_used, r.seconds, r.error, r.created_at, r.started_at, r.ended_at
FROM train_runs r JOIN models m ON m.id = r.model_id JOIN tasks t ON t.id = r.task_id;

-- Reflections whose retry passed. CROSS JOIN keeps SQLite going through reflections, so that the newest come first.
CREATE VIEW winning_reflections AS
SELECT f.id, f.text AS reflection, p.prompt, a.id AS attempt_id, a.text AS attempt, v.reason,
  b.id AS retry_id, b.text AS retry,
  g.train_run_id AS run_id, g.step, f.created_at
FROM reflections f CROSS JOIN attempts b ON b.reflection_id = f.id
  JOIN attempt_verdicts w ON w.attempt_id = b.id AND w.verdict = 'pass'
  JOIN attempts a ON a.id = f.attempt_id JOIN attempt_verdicts v ON v.attempt_id = a.id
  LEFT JOIN problems p ON p.id = a.problem_id LEFT JOIN rollout_groups g ON g.id = f.group_id
WHERE NOT EXISTS (SELECT 1 FROM attempts c WHERE c.copy_of = a.id);
"""
