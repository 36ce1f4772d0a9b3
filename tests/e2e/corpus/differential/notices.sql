-- Notices, warnings and errors that code on the target raises, with context.
INSERT INTO noisy VALUES (1, 'quiet')
INSERT INTO noisy VALUES (2, 'notice')
INSERT INTO noisy VALUES (3, 'warning') RETURNING id
INSERT INTO noisy VALUES (4, 'info')
INSERT INTO noisy VALUES (5, 'debug')
INSERT INTO noisy VALUES (6, 'error')
INSERT INTO noisy VALUES (7, 'check')
INSERT INTO noisy VALUES (8, 'cast')
INSERT INTO noisy VALUES (9, 'zero')
INSERT INTO noisy VALUES (10, 'query')
INSERT INTO noisy VALUES (11, 'both')
INSERT INTO noisy VALUES (12, 'notice'), (13, 'warning'), (14, 'error')
INSERT INTO noisy VALUES (15, 'notice'), (1, 'quiet')
UPDATE noisy SET what = 'warning' WHERE id = 1
UPDATE noisy SET what = 'error' WHERE id < 4
SET client_min_messages = warning
INSERT INTO noisy VALUES (16, 'notice')
INSERT INTO noisy VALUES (17, 'warning')
INSERT INTO noisy VALUES (18, 'info')
SET client_min_messages TO error
INSERT INTO noisy VALUES (19, 'warning')
INSERT INTO noisy VALUES (20, 'error')
RESET client_min_messages
INSERT INTO noisy VALUES (21, 'notice') RETURNING id, what
INSERT INTO noisy_late VALUES (1, 'notice')
INSERT INTO noisy_late VALUES (2, 'error')
BEGIN
INSERT INTO noisy_late VALUES (3, 'warning')
COMMIT
BEGIN
INSERT INTO noisy_late VALUES (4, 'error')
COMMIT
BEGIN
INSERT INTO noisy VALUES (30, 'notice')
INSERT INTO noisy VALUES (31, 'error')
INSERT INTO noisy VALUES (32, 'notice')
ROLLBACK
COMMIT
ROLLBACK
BEGIN
BEGIN
START TRANSACTION
COMMIT
SELECT 'x' AS a_very_long_name_for_a_column_that_is_longer_than_sixty_three_bytes_and_will_be_cut
SELECT 1 AS aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
SELECT 'a'::name, 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb'::name
SELECT '\n', E'\n'
DELETE FROM noisy
