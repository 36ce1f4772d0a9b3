-- Transactions, savepoints, deferred constraints, settings: tags, statuses, errors.
BEGIN
SELECT 1
COMMIT
START TRANSACTION
ROLLBACK
BEGIN WORK
END
BEGIN TRANSACTION
ABORT
BEGIN ISOLATION LEVEL SERIALIZABLE
SHOW transaction_isolation
COMMIT
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY
INSERT INTO item (id, name) VALUES (200, 'x')
ROLLBACK
BEGIN READ ONLY
SHOW transaction_read_only
UPDATE item SET price = 1
SELECT 1
COMMIT
START TRANSACTION READ WRITE, ISOLATION LEVEL READ COMMITTED
COMMIT
BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE
COMMIT
BEGIN
SELECT 1 / 0
SELECT 1
INSERT INTO item (id, name) VALUES (200, 'x')
SAVEPOINT a
SELEC
SELECT nope
ROLLBACK
BEGIN
SELECT 1 / 0
COMMIT
BEGIN
SELEC
SELECT 1
COMMIT
BEGIN
SELECT nope
ROLLBACK
BEGIN
SELECT * FROM nope
COMMIT
BEGIN
SAVEPOINT a
INSERT INTO item (id, name) VALUES (200, 'x')
SAVEPOINT b
INSERT INTO item (id, name) VALUES (200, 'x')
ROLLBACK TO SAVEPOINT b
ROLLBACK TO b
RELEASE SAVEPOINT b
RELEASE b
ROLLBACK TO a
RELEASE a
COMMIT
BEGIN
SAVEPOINT a
SAVEPOINT a
RELEASE a
ROLLBACK TO a
ROLLBACK TO nope
ROLLBACK TO a
RELEASE nope
ROLLBACK
SAVEPOINT outside
RELEASE outside
ROLLBACK TO outside
BEGIN
INSERT INTO late VALUES (1, 1)
SELECT count(*) FROM late
COMMIT
BEGIN
INSERT INTO late VALUES (50, 999)
COMMIT
BEGIN
INSERT INTO late VALUES (50, 999)
UPDATE late SET item_id = 1 WHERE id = 50
COMMIT
DELETE FROM late WHERE id = 50
BEGIN
SET LOCAL TimeZone = 'Asia/Tokyo'
SHOW TimeZone
SELECT timestamptz '2024-01-01 00:00+00'
COMMIT
SHOW TimeZone
SET TimeZone = 'Europe/Berlin'
SELECT timestamptz '2024-07-01 00:00+00', k_timestamptz FROM kinds ORDER BY 2
BEGIN
SET TimeZone = 'UTC'
ROLLBACK
SHOW timezone
RESET TimeZone
SET TimeZone TO DEFAULT
SET TIME ZONE 'America/New_York'
SET TIME ZONE LOCAL
SET TimeZone = 'Nowhere/City'
SET DateStyle = 'ISO, DMY'
SELECT '01/02/2024'::date
SHOW DateStyle
SET DateStyle = 'ISO, MDY'
SELECT '01/02/2024'::date
RESET DateStyle
SET IntervalStyle = 'iso_8601'
SELECT interval '1 year 2 days 03:04:05', k_interval FROM kinds ORDER BY 2
SET IntervalStyle = 'postgres_verbose'
SELECT interval '-1 year 2 days 03:04:05'
SET IntervalStyle = 'sql_standard'
SELECT interval '1 year 2 days'
SET IntervalStyle = 'nothing'
SET IntervalStyle TO DEFAULT
SET extra_float_digits = 0
SELECT 0.1::float4, 0.30000000000000004::float8
SET extra_float_digits = 3
SELECT 0.1::float4, 1.0::float8 / 3
SET extra_float_digits = 99
RESET extra_float_digits
SET statement_timeout = '5s'
SHOW statement_timeout
RESET statement_timeout
SET lock_timeout = 100
RESET lock_timeout
SET application_name = 'differential'
SHOW application_name
RESET application_name
SET client_encoding = 'UTF8'
SHOW client_encoding
SHOW standard_conforming_strings
SHOW server_encoding
SHOW server_version
SHOW server_version_num
SHOW integer_datetimes
SHOW search_path
SET search_path = public
SELECT id FROM item WHERE id = 1
SET search_path = nope
SELECT id FROM item WHERE id = 1
SELECT id FROM public.item WHERE id = 1
RESET search_path
SET search_path TO public, pg_catalog
SHOW search_path
RESET search_path
SET default_transaction_isolation = 'serializable'
SHOW default_transaction_isolation
BEGIN
SHOW transaction_isolation
COMMIT
RESET default_transaction_isolation
SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ
SHOW default_transaction_isolation
RESET default_transaction_isolation
BEGIN
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE
SHOW transaction_isolation
SELECT 1
SET TRANSACTION ISOLATION LEVEL READ COMMITTED
ROLLBACK
SET TRANSACTION ISOLATION LEVEL SERIALIZABLE
SET LOCAL TimeZone = 'UTC'
BEGIN
SET TRANSACTION READ ONLY
INSERT INTO item (id, name) VALUES (201, 'y')
ROLLBACK
BEGIN
SET LOCAL statement_timeout = '1ms'
SELECT count(*) FROM generate_series(1, 1000000) AS g, generate_series(1, 100) AS h
ROLLBACK
SELECT 1
