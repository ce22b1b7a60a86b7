"""The ladder of the database: every step that was ever released, in order. A step is never changed, only followed."""

from __future__ import annotations

LADDER: tuple[tuple[str, ...], ...] = (
    (
        # `seed` is text because vendors report seeds beyond 64 bits with a sign; `created` counts microseconds since
        # 1970 in UTC; `words` is the prompt as `naming.plain` makes it, because SQL folds the case of ASCII only.
        """
        CREATE TABLE picture (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            path TEXT NOT NULL,
            tool TEXT NOT NULL,
            operation TEXT NOT NULL,
            provider TEXT NOT NULL,
            model TEXT NOT NULL,
            prompt TEXT NOT NULL,
            words TEXT NOT NULL,
            arguments TEXT NOT NULL,
            seed TEXT,
            cost_usd REAL,
            cost_basis TEXT NOT NULL,
            width INTEGER NOT NULL,
            height INTEGER NOT NULL,
            format TEXT NOT NULL,
            bytes INTEGER NOT NULL,
            created INTEGER NOT NULL,
            job_id TEXT NOT NULL,
            variant INTEGER NOT NULL
        )
        """,
        "CREATE INDEX picture_by_time ON picture (created, number)",
        "CREATE INDEX picture_by_tool ON picture (tool, created, number)",
        """
        CREATE TABLE lineage (
            child TEXT NOT NULL REFERENCES picture (id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            parent TEXT NOT NULL,
            PRIMARY KEY (child, position)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX lineage_by_parent ON lineage (parent)",
    ),
    (
        # Times are seconds since 1970 in UTC. `seen` is the moment from which the job's end counts as
        # heard by a caller, see `Journal.mark_seen`; 0 while no caller was given it.
        """
        CREATE TABLE job (
            id TEXT PRIMARY KEY,
            tool TEXT NOT NULL,
            operation TEXT NOT NULL,
            provider TEXT NOT NULL,
            model TEXT NOT NULL,
            state TEXT NOT NULL,
            key TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            plan TEXT NOT NULL,
            expected INTEGER NOT NULL,
            reserved_usd REAL NOT NULL,
            cost_usd REAL,
            cost_basis TEXT NOT NULL,
            notes TEXT NOT NULL,
            error TEXT,
            created REAL NOT NULL,
            finished REAL,
            owner TEXT NOT NULL,
            lease_until REAL NOT NULL,
            cancel_asked INTEGER NOT NULL,
            seen INTEGER NOT NULL
        ) WITHOUT ROWID
        """,
        "CREATE INDEX job_by_time ON job (created)",
        "CREATE INDEX job_by_state ON job (state, lease_until)",
        "CREATE INDEX job_by_fingerprint ON job (fingerprint)",
        "CREATE INDEX job_by_key ON job (key) WHERE key != ''",
        """
        CREATE TABLE call (
            job_id TEXT NOT NULL REFERENCES job (id) ON DELETE CASCADE,
            number INTEGER NOT NULL,
            state TEXT NOT NULL,
            count INTEGER NOT NULL,
            first_variant INTEGER NOT NULL,
            arguments TEXT NOT NULL,
            handle TEXT,
            products TEXT,
            cost_usd REAL,
            error TEXT,
            PRIMARY KEY (job_id, number)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX picture_by_job ON picture (job_id, variant)",
    ),
    (
        "ALTER TABLE call ADD COLUMN trace TEXT",
        "CREATE INDEX call_by_handle ON call (handle) WHERE handle IS NOT NULL",
    ),
)
