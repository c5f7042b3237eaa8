"""The newest version's number, and schema version 1: never edited after a release. `schema_2` holds what came after.

Every table is STRICT. Attempts, reflections and outcomes are append-only: a verdict changes by a new row in `outcomes`.
What many rows refer to has an INTEGER key, what people name or two processes create has a ULID. Times are UTC, ISO 8601
with milliseconds. JSON is only in the columns config, meta, extra and env.

A resumed run starts a new *segment*: its step rows after the checkpoint are deleted and written again, its groups stay
with the segment they were made in. A group counts when its step row has the same segment; the others are what was
thrown away.

Rendered prompts are not stored: they are rebuilt from the problem and the earlier texts, and `prompt_sha256` proves
that the rebuilt one is what the model saw.
"""

from __future__ import annotations

SCHEMA_VERSION = 2
APPLICATION_ID = 0x7272724C
"""'rrrL' in the file's header: this is a log of ours."""

TABLES = """
CREATE TABLE models(id INTEGER PRIMARY KEY, repo_id TEXT, revision TEXT,  -- a commit hash, never a branch
  local_path TEXT, format TEXT NOT NULL, quant TEXT, params INTEGER, size_bytes INTEGER, license TEXT,
  gated INTEGER NOT NULL DEFAULT 0, files_sha256 TEXT, has_chat_template INTEGER, verified_at TEXT,
  added_at TEXT NOT NULL, UNIQUE(repo_id, revision)) STRICT;
CREATE TABLE tasks(id INTEGER PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL, kind TEXT NOT NULL,
  verifier TEXT NOT NULL, verifier_sha256 TEXT NOT NULL, config TEXT NOT NULL, created_at TEXT NOT NULL,
  UNIQUE(name, version)) STRICT;
CREATE TABLE problems(id INTEGER PRIMARY KEY, task_id INTEGER NOT NULL REFERENCES tasks(id),
  split TEXT NOT NULL CHECK(split IN ('train', 'eval', 'practice')),
  sha256 TEXT NOT NULL,  -- the same problem twice has it equal: guards against leaks from train to eval
  prompt TEXT NOT NULL, answer TEXT, meta TEXT, cluster TEXT, UNIQUE(task_id, sha256)) STRICT;
CREATE TABLE templates(id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
  text TEXT NOT NULL) STRICT;
CREATE TABLE train_runs(id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE,
  status TEXT NOT NULL CHECK(status IN ('queued', 'running', 'paused', 'stopped', 'done', 'failed', 'lost')),
  model_id INTEGER NOT NULL REFERENCES models(id), task_id INTEGER NOT NULL REFERENCES tasks(id),
  base_adapter_id INTEGER REFERENCES adapters(id), failures_session_id TEXT REFERENCES sessions(id),
  backend TEXT NOT NULL, seed INTEGER NOT NULL, config TEXT NOT NULL, config_sha256 TEXT NOT NULL, total_steps INTEGER,
  last_step INTEGER NOT NULL DEFAULT 0, segment INTEGER NOT NULL DEFAULT 0, last_checkpoint TEXT,
  pid INTEGER, host TEXT, heartbeat_at TEXT, error TEXT, app_version TEXT, env TEXT,
  started_at TEXT, ended_at TEXT, created_at TEXT NOT NULL) STRICT;
CREATE TABLE adapters(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
  model_id INTEGER NOT NULL REFERENCES models(id),
  train_run_id TEXT REFERENCES train_runs(id), step INTEGER, path TEXT NOT NULL,  -- relative to the data folder
  sha256 TEXT NOT NULL, size_bytes INTEGER, rank INTEGER, config TEXT,
  kind TEXT NOT NULL CHECK(kind IN ('checkpoint', 'final', 'imported')), note TEXT, created_at TEXT NOT NULL,
  deleted_at TEXT) STRICT;
CREATE TABLE sessions(id TEXT PRIMARY KEY,
  kind TEXT NOT NULL CHECK(kind IN ('chat', 'train', 'eval', 'collect')), title TEXT,
  model_id INTEGER REFERENCES models(id), adapter_id INTEGER REFERENCES adapters(id),
  task_id INTEGER REFERENCES tasks(id), train_run_id TEXT REFERENCES train_runs(id),
  eval_id TEXT REFERENCES evals(id), app_version TEXT, started_at TEXT NOT NULL, ended_at TEXT) STRICT;
CREATE TABLE attempts(id INTEGER PRIMARY KEY, session_id TEXT NOT NULL REFERENCES sessions(id),
  problem_id INTEGER REFERENCES problems(id), adapter_id INTEGER REFERENCES adapters(id),
  first_attempt_id INTEGER REFERENCES attempts(id),  -- what this retries; NULL: this is the first
  reflection_id INTEGER REFERENCES reflections(id),  -- NULL: first attempt, or a plain retry
  attempt_no INTEGER NOT NULL, text TEXT NOT NULL, answer TEXT, finish_reason TEXT, prompt_sha256 TEXT,
  template_id INTEGER REFERENCES templates(id), prompt_tokens INTEGER, completion_tokens INTEGER, duration_ms INTEGER,
  seed INTEGER, token_ids BLOB CHECK(length(token_ids) % 4 = 0),  -- uint32 little-endian; of failed first attempts only
  created_at TEXT NOT NULL,
  CHECK((attempt_no = 1) = (first_attempt_id IS NULL)), CHECK(reflection_id IS NULL OR attempt_no > 1)) STRICT;
CREATE TABLE reflections(id INTEGER PRIMARY KEY,
  attempt_id INTEGER NOT NULL REFERENCES attempts(id),  -- the failed attempt
  group_id INTEGER REFERENCES rollout_groups(id), sample_no INTEGER NOT NULL DEFAULT 0, text TEXT NOT NULL,
  tokens INTEGER, reward REAL, advantage REAL, finish_reason TEXT, seed INTEGER, created_at TEXT NOT NULL) STRICT;
CREATE TABLE outcomes(id INTEGER PRIMARY KEY, attempt_id INTEGER NOT NULL REFERENCES attempts(id),
  source TEXT NOT NULL CHECK(source IN ('verifier', 'user')),
  verdict TEXT NOT NULL CHECK(verdict IN ('pass', 'fail', 'unparsed', 'timeout', 'error')),
  score REAL, detail TEXT,  -- the reason, as a person reads it
  verifier_sha256 TEXT, duration_ms INTEGER, created_at TEXT NOT NULL) STRICT;
CREATE TABLE rollout_groups(id INTEGER PRIMARY KEY, train_run_id TEXT NOT NULL REFERENCES train_runs(id),
  step INTEGER NOT NULL, segment INTEGER NOT NULL DEFAULT 0, problem_id INTEGER NOT NULL REFERENCES problems(id),
  first_attempt_id INTEGER NOT NULL REFERENCES attempts(id), size INTEGER NOT NULL, reward_mean REAL, reward_std REAL,
  used INTEGER NOT NULL, skip_reason TEXT) STRICT;
CREATE TABLE train_steps(run_id TEXT NOT NULL REFERENCES train_runs(id), step INTEGER NOT NULL,
  segment INTEGER NOT NULL DEFAULT 0,
  loss REAL, reward_mean REAL, reward_std REAL, kl REAL, grad_norm REAL, lr REAL, groups INTEGER, groups_used INTEGER,
  first_try_rate REAL, retry_rate REAL, reflection_tokens REAL, tokens INTEGER, tok_per_s REAL, seconds REAL,
  peak_mem_mb REAL, not_finite INTEGER NOT NULL DEFAULT 0, extra TEXT, created_at TEXT NOT NULL,
  PRIMARY KEY(run_id, step)) STRICT, WITHOUT ROWID;
CREATE TABLE evals(id TEXT PRIMARY KEY, task_id INTEGER NOT NULL REFERENCES tasks(id),
  model_id INTEGER NOT NULL REFERENCES models(id), adapter_id INTEGER REFERENCES adapters(id), status TEXT NOT NULL,
  n INTEGER, epochs INTEGER NOT NULL DEFAULT 1, seed INTEGER, config TEXT NOT NULL,
  problems_sha256 TEXT NOT NULL,  -- equal: may be compared pairwise
  first_try REAL, final_rate REAL, errors INTEGER, error TEXT, started_at TEXT, ended_at TEXT) STRICT;
CREATE TABLE eval_items(eval_id TEXT NOT NULL REFERENCES evals(id), problem_id INTEGER NOT NULL REFERENCES problems(id),
  epoch INTEGER NOT NULL DEFAULT 0, first_attempt_id INTEGER REFERENCES attempts(id),
  retry_attempt_id INTEGER REFERENCES attempts(id), first_pass INTEGER, final_pass INTEGER, error TEXT,
  PRIMARY KEY(eval_id, problem_id, epoch)) STRICT, WITHOUT ROWID;  -- the key is where a stopped eval goes on
CREATE TABLE settings(key TEXT PRIMARY KEY, value TEXT NOT NULL, updated_at TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""

INDEXES = """
CREATE INDEX attempts_session ON attempts(session_id, id);
CREATE INDEX attempts_problem ON attempts(problem_id, adapter_id, attempt_no);
CREATE INDEX attempts_first ON attempts(first_attempt_id) WHERE first_attempt_id IS NOT NULL;
CREATE INDEX attempts_reflection ON attempts(reflection_id) WHERE reflection_id IS NOT NULL;
CREATE INDEX reflections_attempt ON reflections(attempt_id);
CREATE INDEX reflections_group ON reflections(group_id, sample_no) WHERE group_id IS NOT NULL;
CREATE INDEX outcomes_attempt ON outcomes(attempt_id, source, id);
CREATE INDEX groups_run_step ON rollout_groups(train_run_id, step);
CREATE INDEX adapters_run ON adapters(train_run_id, step);
"""

VIEWS = """
-- Every attempt with the verdict that counts: the person's newest, else the verifier's newest.
CREATE VIEW attempt_verdicts AS
SELECT a.id AS attempt_id, o.source, o.verdict, o.detail AS reason, o.score, o.created_at
FROM attempts a LEFT JOIN outcomes o ON o.id = coalesce(
  (SELECT max(id) FROM outcomes WHERE attempt_id = a.id AND source = 'user'),
  (SELECT max(id) FROM outcomes WHERE attempt_id = a.id AND source = 'verifier'));

-- One row per first attempt.
CREATE VIEW episodes AS
SELECT a.id, a.session_id, s.kind, t.name AS task, a.problem_id, p.split, p.prompt, a.adapter_id, a.text AS attempt,
  v.verdict, v.reason,
  (SELECT count(*) FROM reflections r WHERE r.attempt_id = a.id) AS reflections,
  (SELECT count(*) FROM attempts b JOIN attempt_verdicts w ON w.attempt_id = b.id
    WHERE b.first_attempt_id = a.id AND w.verdict = 'pass') AS retries_passed,
  a.created_at
FROM attempts a JOIN sessions s ON s.id = a.session_id LEFT JOIN problems p ON p.id = a.problem_id
  LEFT JOIN tasks t ON t.id = p.task_id JOIN attempt_verdicts v ON v.attempt_id = a.id
WHERE a.attempt_no = 1;

CREATE VIEW run_summary AS
SELECT r.rowid AS position, r.id, r.name, r.status, coalesce(m.repo_id, m.local_path) AS model, t.name AS task,
  r.backend, r.last_step, r.total_steps,
  (SELECT reward_mean FROM train_steps WHERE run_id = r.id AND reward_mean IS NOT NULL
    ORDER BY step LIMIT 1) AS first_reward,
  (SELECT reward_mean FROM train_steps WHERE run_id = r.id AND reward_mean IS NOT NULL
    ORDER BY step DESC LIMIT 1) AS last_reward,
  (SELECT sum(groups) FROM train_steps WHERE run_id = r.id) AS groups,
  (SELECT sum(groups_used) FROM train_steps WHERE run_id = r.id) AS groups_used,
  (SELECT sum(seconds) FROM train_steps WHERE run_id = r.id) AS seconds,
  r.error, r.created_at, r.started_at, r.ended_at
FROM train_runs r JOIN models m ON m.id = r.model_id JOIN tasks t ON t.id = r.task_id;

CREATE VIEW eval_summary AS
SELECT e.rowid AS position, e.id, t.name AS task, coalesce(m.repo_id, m.local_path) AS model, a.name AS adapter,
  e.status, e.n,
  (SELECT count(*) FROM eval_items WHERE eval_id = e.id) AS items,
  (SELECT sum(first_pass) FROM eval_items WHERE eval_id = e.id) AS first_passed,
  (SELECT sum(final_pass) FROM eval_items WHERE eval_id = e.id) AS final_passed,
  e.first_try, e.final_rate, e.errors, e.problems_sha256, e.started_at, e.ended_at
FROM evals e JOIN tasks t ON t.id = e.task_id JOIN models m ON m.id = e.model_id
  LEFT JOIN adapters a ON a.id = e.adapter_id;

-- Reflections whose retry passed. CROSS JOIN keeps SQLite going through reflections, so that the newest come first.
CREATE VIEW winning_reflections AS
SELECT f.id, f.text AS reflection, p.prompt, a.id AS attempt_id, a.text AS attempt, v.reason,
  b.id AS retry_id, b.text AS retry,
  g.train_run_id AS run_id, g.step, f.created_at
FROM reflections f CROSS JOIN attempts b ON b.reflection_id = f.id
  JOIN attempt_verdicts w ON w.attempt_id = b.id AND w.verdict = 'pass'
  JOIN attempts a ON a.id = f.attempt_id JOIN attempt_verdicts v ON v.attempt_id = a.id
  LEFT JOIN problems p ON p.id = a.problem_id LEFT JOIN rollout_groups g ON g.id = f.group_id;
"""

SEARCHABLE = ("attempts", "reflections")
"""Tables whose `text` has had a full-text index since version 1."""
