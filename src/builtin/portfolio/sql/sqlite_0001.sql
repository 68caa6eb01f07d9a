-- The platform's data. Rows belong to a tenant. Amounts: integers of minor units.
CREATE TABLE tenants (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL
) STRICT;

CREATE TABLE properties (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    city TEXT NOT NULL,
    country TEXT NOT NULL,
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    acquired_on TEXT NOT NULL,
    price INTEGER NOT NULL CHECK (price >= 0),
    PRIMARY KEY (tenant_id, id)
) STRICT;

CREATE TABLE investors (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    email TEXT,
    country TEXT NOT NULL,
    tax_id TEXT,
    joined_on TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id)
) STRICT;

-- What an investor holds of a property, from invested_on until before exited_on.
CREATE TABLE investments (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    property_id TEXT NOT NULL,
    investor_id TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount > 0),
    invested_on TEXT NOT NULL,
    exited_on TEXT,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, property_id) REFERENCES properties (tenant_id, id),
    FOREIGN KEY (tenant_id, investor_id) REFERENCES investors (tenant_id, id)
) STRICT;
CREATE INDEX investments_by_property ON investments (tenant_id, property_id);
CREATE INDEX investments_by_investor ON investments (tenant_id, investor_id);

CREATE TABLE valuations (
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    property_id TEXT NOT NULL,
    valued_on TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount >= 0),
    method TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, property_id) REFERENCES properties (tenant_id, id)
) STRICT;
CREATE INDEX valuations_by_property ON valuations (tenant_id, property_id, valued_on);

-- What was paid for a property and a period: once, whoever asks how often.
CREATE TABLE distributions (
    tenant_id TEXT NOT NULL,
    property_id TEXT NOT NULL,
    period_id TEXT NOT NULL,
    distributed_on TEXT NOT NULL,
    total INTEGER NOT NULL CHECK (total > 0),
    currency TEXT NOT NULL,
    method TEXT NOT NULL,
    terms TEXT NOT NULL,
    initiated_by TEXT,
    job_id TEXT NOT NULL,
    fence INTEGER NOT NULL,
    applied_at TEXT NOT NULL,
    PRIMARY KEY (tenant_id, property_id, period_id),
    FOREIGN KEY (tenant_id, property_id) REFERENCES properties (tenant_id, id)
) STRICT;

CREATE TABLE distribution_lines (
    tenant_id TEXT NOT NULL,
    property_id TEXT NOT NULL,
    period_id TEXT NOT NULL,
    investor_id TEXT NOT NULL,
    weight TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount >= 0),
    PRIMARY KEY (tenant_id, property_id, period_id, investor_id),
    FOREIGN KEY (tenant_id, property_id, period_id)
        REFERENCES distributions (tenant_id, property_id, period_id),
    FOREIGN KEY (tenant_id, investor_id) REFERENCES investors (tenant_id, id)
) STRICT;

-- The ledger. Entries of one reference add up to zero where they move money between accounts. An entry without an investor
-- is the property's own.
CREATE TABLE transactions (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    property_id TEXT NOT NULL,
    investor_id TEXT,
    kind TEXT NOT NULL,
    amount INTEGER NOT NULL,
    currency TEXT NOT NULL,
    occurred_on TEXT NOT NULL,
    reference TEXT NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, property_id) REFERENCES properties (tenant_id, id),
    FOREIGN KEY (tenant_id, investor_id) REFERENCES investors (tenant_id, id)
) STRICT;
CREATE INDEX transactions_by_reference ON transactions (tenant_id, reference);
CREATE INDEX transactions_by_property ON transactions (tenant_id, property_id, occurred_on);
CREATE INDEX transactions_by_investor ON transactions (tenant_id, investor_id, occurred_on);

CREATE TABLE notifications (
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    id TEXT NOT NULL,
    recipient TEXT NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL,
    priority TEXT NOT NULL,
    created_at TEXT NOT NULL,
    read_at TEXT,
    PRIMARY KEY (tenant_id, id)
) STRICT;
CREATE INDEX notifications_by_recipient ON notifications (tenant_id, recipient, created_at);

-- Imports by the job that runs them. Rows up to rows_read are in, or among the rejects; whoever holds the highest fence goes
-- on behind them. state: checking, running, done, or rejected, where a wrong row left all of them out.
CREATE TABLE imports (
    id TEXT NOT NULL PRIMARY KEY,
    tenant_id TEXT NOT NULL REFERENCES tenants (id),
    source TEXT NOT NULL,
    target TEXT NOT NULL,
    terms TEXT NOT NULL,
    file_bytes INTEGER NOT NULL,
    file_sha256 TEXT NOT NULL,
    state TEXT NOT NULL,
    fence INTEGER NOT NULL,
    rows_total INTEGER,
    rows_read INTEGER NOT NULL,
    rows_in INTEGER NOT NULL,
    rows_rejected INTEGER NOT NULL,
    rejects_stored INTEGER NOT NULL,
    rejects_file TEXT,
    started_at TEXT NOT NULL,
    ended_at TEXT
) STRICT;

-- What was wrong with rows: the first ones of each import.
CREATE TABLE import_rejects (
    import_id TEXT NOT NULL REFERENCES imports (id),
    row_number INTEGER NOT NULL,
    line INTEGER NOT NULL,
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (import_id, row_number, field)
) STRICT;

-- Jobs that follow from what was stored, written in the same transaction; queued_at: when the queue has taken them.
CREATE TABLE outbox (
    job_id TEXT NOT NULL PRIMARY KEY,
    reference TEXT NOT NULL,
    queue TEXT NOT NULL,
    payload TEXT NOT NULL,
    queued_at TEXT
) STRICT;
CREATE INDEX outbox_by_reference ON outbox (reference);
