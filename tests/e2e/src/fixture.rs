//! The database that most tests use. Every value in it is invented.

/// Roles of the cluster. `svc` is the one of the gateway; the corpus names the others.
pub const ROLES: &str = "
CREATE ROLE svc LOGIN; CREATE ROLE prov LOGIN CREATEROLE;
CREATE ROLE eph LOGIN; CREATE ROLE ephw LOGIN; CREATE ROLE ephv LOGIN; CREATE ROLE app_owner;
";

/// What the provisioning account of a fence needs in a database with these schemas, and what PUBLIC
/// must not have there.
pub const PROVISION: &str = "
GRANT USAGE ON SCHEMA billing, hr TO prov WITH GRANT OPTION;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA billing, hr TO prov WITH GRANT OPTION;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA billing TO prov WITH GRANT OPTION;
GRANT CREATE ON DATABASE {database} TO prov;
REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC;
";

/// Customers with masked columns, a table that nobody is granted, one for writes, one with a
/// value of each common type, and one that is large enough for statements that take long.
pub const BILLING: &str = "
CREATE SCHEMA billing; CREATE SCHEMA hr;
CREATE TABLE billing.customers(
  id int PRIMARY KEY, name text NOT NULL, plan text NOT NULL,
  account_number text, ssn text, email text, balance numeric(12,2) NOT NULL DEFAULT 0
);
INSERT INTO billing.customers
  SELECT g, 'Customer ' || g, (ARRAY['free','pro','enterprise'])[1 + g % 3],
         'ACCT-SECRET-' || lpad(g::text, 6, '0'), '900-55-' || lpad(g::text, 4, '0'),
         'customer' || g || '@mail.example', g * 1.25
  FROM generate_series(1, 500) g;
CREATE TABLE billing.notes(
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, tag text NOT NULL, body text,
  amount int NOT NULL DEFAULT 0 CHECK (amount >= 0)
);
CREATE UNIQUE INDEX ON billing.notes(tag);
CREATE TABLE billing.numbers(n int PRIMARY KEY, label text NOT NULL);
INSERT INTO billing.numbers SELECT g, 'number ' || g FROM generate_series(1, 50000) g;
CREATE TABLE billing.kinds(
  id int PRIMARY KEY, b bool, i2 smallint, i8 bigint, f4 real, f8 float8, n numeric, t text,
  v varchar(20), d date, ts timestamp, tz timestamptz, iv interval, u uuid, j jsonb, by bytea, a int[]
);
INSERT INTO billing.kinds VALUES
  (1, true, -2, 9007199254740993, 1.5, -2.25, 12345.6789, 'naïve ☃ text', 'short', '2026-02-28',
   '2026-02-28 12:34:56.789', '2026-02-28 12:34:56+00', '1 day 02:03:04',
   '6f1c2d3e-0000-4000-8000-000000000001', '{\"k\": [1, null, \"x\"]}', '\\x00ff10', '{1,2,NULL}'),
  (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE hr.salaries(employee text PRIMARY KEY, amount int NOT NULL);
INSERT INTO hr.salaries VALUES ('ada', 91001);
GRANT USAGE ON SCHEMA billing, hr TO svc;
GRANT ALL ON ALL TABLES IN SCHEMA billing, hr TO svc;
GRANT ALL ON ALL SEQUENCES IN SCHEMA billing TO svc;
ANALYZE;
";
