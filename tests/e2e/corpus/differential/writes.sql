-- Writes: tags, RETURNING, and every constraint; each writes back what it changed.
INSERT INTO item (id, name) VALUES (100, 'hundred')
INSERT INTO item (id, name) VALUES (101, 'a'), (102, 'b'), (103, 'c')
INSERT INTO item (id, name, price) VALUES (104, 'd', 1.005) RETURNING id, price, flag
INSERT INTO item (id, name, tags, mood, made, at, doc, code, flag, raw) VALUES (105, 'e', ARRAY['x'], 'ok', '2024-01-01', '2024-01-01 00:00+00', '{"z": 1, "a": 2}', 'abc', true, '\x01') RETURNING *
INSERT INTO item (id, name) VALUES (106, DEFAULT)
INSERT INTO item (id, name, flag) VALUES (107, 'f', DEFAULT) RETURNING flag
INSERT INTO item DEFAULT VALUES
INSERT INTO item (id, name) SELECT id + 200, name || '!' FROM item WHERE id <= 2 RETURNING id, name
INSERT INTO item (id, name) SELECT 1, 'none' WHERE false
INSERT INTO item VALUES (108, 'g', 1)
UPDATE item SET price = 5 WHERE id = 100
UPDATE item SET price = price + 1 WHERE id >= 100 AND id < 104 RETURNING id, price
UPDATE item SET (price, code) = (7, 'x') WHERE id = 101 RETURNING price, code
UPDATE item SET (price, code) = (SELECT 8, 'y') WHERE id = 101 RETURNING price, code
UPDATE item SET flag = DEFAULT WHERE id = 105 RETURNING flag
UPDATE item SET name = i.name || '?' FROM (SELECT id, name FROM item) AS i WHERE i.id = item.id AND item.id = 102 RETURNING item.name
UPDATE item AS t SET code = 'al' WHERE t.id = 103 RETURNING t.id, t.code
UPDATE item SET price = 1 WHERE false
UPDATE item SET doc = jsonb_set(doc, '{z}', '9') WHERE id = 105 RETURNING doc
UPDATE item SET tags = tags || 'y'::text WHERE id = 105 RETURNING tags
UPDATE item SET mood = 'sad' WHERE id = 105 RETURNING mood
DELETE FROM item WHERE id = 108
DELETE FROM item WHERE id = 107 RETURNING id, name
DELETE FROM item WHERE false
DELETE FROM item USING part WHERE part.item_id = item.id AND item.id = 9999
WITH gone AS (DELETE FROM item WHERE id = 104 RETURNING id) SELECT * FROM gone
WITH made AS (INSERT INTO item (id, name) VALUES (109, 'h') RETURNING id, name) SELECT * FROM made
WITH changed AS (UPDATE item SET price = 3 WHERE id = 109 RETURNING id, price) SELECT * FROM changed
INSERT INTO item (id, name) VALUES (100, 'again') ON CONFLICT DO NOTHING
INSERT INTO item (id, name) VALUES (100, 'again') ON CONFLICT (id) DO NOTHING RETURNING id
INSERT INTO item (id, name) VALUES (100, 'again') ON CONFLICT (id) DO UPDATE SET name = excluded.name RETURNING id, name
INSERT INTO item (id, name) VALUES (100, 'more') ON CONFLICT (id) DO UPDATE SET name = item.name || excluded.name WHERE item.id = 100 RETURNING name
INSERT INTO item (id, name) VALUES (110, 'i') ON CONFLICT (name) DO UPDATE SET price = 1 RETURNING id
INSERT INTO item (id, name) VALUES (110, 'i'), (110, 'j') ON CONFLICT (id) DO UPDATE SET price = 2
INSERT INTO item (id, name) VALUES (111, 'k') ON CONFLICT (price) DO NOTHING
INSERT INTO item (id, name) VALUES (1, 'double')
INSERT INTO item (id, name) VALUES (120, 'anvil')
INSERT INTO item (id, name) VALUES (120, NULL)
INSERT INTO item (id) VALUES (120)
INSERT INTO item (name) VALUES ('no id')
INSERT INTO item (id, name, price) VALUES (120, 'neg', -1)
INSERT INTO item (id, name, price) VALUES (120, 'big', 123456789)
INSERT INTO item (id, name, code) VALUES (120, 'long', 'too long')
INSERT INTO item (id, name, mood) VALUES (120, 'mood', 'glad')
INSERT INTO item (id, name, made) VALUES (120, 'date', '2024-02-30')
INSERT INTO item (id, name, doc) VALUES (120, 'doc', '{')
INSERT INTO item (id, name, tags) VALUES (120, 'tags', '{a')
INSERT INTO item (id, name, raw) VALUES (120, 'raw', '\xz')
INSERT INTO item (id, name, flag) VALUES (120, 'flag', 'maybe')
INSERT INTO item (id, name) VALUES ('x', 'y')
INSERT INTO item (id, name) VALUES (99999999999, 'y')
INSERT INTO item (id, name) VALUES (true, 'y')
INSERT INTO item (id, name, price) VALUES (120, 'x', 'abc')
INSERT INTO item (id, name, price) VALUES (120, 'x', date '2024-01-01')
INSERT INTO item (id, name) VALUES (130, 'ok'), (1, 'double')
INSERT INTO item (id, name) SELECT 131 / (id - 2), 'q' FROM item WHERE id < 4 ORDER BY id
UPDATE item SET id = 1 WHERE id = 2
UPDATE item SET name = NULL WHERE id = 100
UPDATE item SET price = -5 WHERE id = 100
UPDATE item SET code = 'abcdefgh' WHERE id = 100
UPDATE item SET price = 'x' WHERE id = 100
UPDATE item SET price = 1 / (id - 100) WHERE id = 100
UPDATE item SET name = 5 WHERE id = 100 RETURNING name
UPDATE item SET price = true WHERE id = 100
UPDATE item SET id = (SELECT id FROM item) WHERE id = 100
INSERT INTO part (id, item_id, qty) VALUES (20, 999, 1)
INSERT INTO part (id, item_id, qty) VALUES (20, NULL, 1)
INSERT INTO part (id, item_id, qty) VALUES (21, 1, 0)
INSERT INTO part (id, item_id, qty) VALUES (22, 1, NULL)
INSERT INTO part (id, item_id, qty) VALUES (23, 1, 5)
INSERT INTO part (id, item_id, qty, label) VALUES (24, 1, 50, 'abcde')
INSERT INTO part (id, item_id, qty, label) VALUES (24, 1, 50, 'abc  ') RETURNING label
UPDATE part SET item_id = 999 WHERE id = 10
UPDATE part SET qty = -1 WHERE id = 10
UPDATE part SET qty = 6 WHERE id = 10
DELETE FROM item WHERE id = 1
UPDATE item SET id = 500 WHERE id = 1
INSERT INTO room VALUES (2, '[2024-01-01 12:00,2024-01-03)')
INSERT INTO room VALUES (3, '[2024-02-01,2024-02-02)')
INSERT INTO room VALUES (4, '[2024-03-02,2024-03-01)')
UPDATE room SET during = '[2024-01-01,2024-01-02)' WHERE id = 3
INSERT INTO event VALUES (3, '2024-03-03', 'march')
INSERT INTO event VALUES (4, '2030-01-01', 'no partition')
INSERT INTO event VALUES (4, NULL, 'no day')
INSERT INTO event_2023 VALUES (5, '2024-01-01', 'wrong partition')
UPDATE event SET day = '2023-03-03' WHERE id = 3
UPDATE event SET day = '2031-01-01' WHERE id = 3
DELETE FROM event WHERE id = 3
INSERT INTO child VALUES (3, 'x', 1) RETURNING *
UPDATE parent SET a = 'y' WHERE id = 3
DELETE FROM parent WHERE id = 3
INSERT INTO late VALUES (3, 3)
INSERT INTO late VALUES (1, 1)
INSERT INTO late VALUES (4, 999)
UPDATE late SET id = id + 1 WHERE id < 3
UPDATE late SET id = id - 1 WHERE id < 4 AND id > 1
DELETE FROM late WHERE id = 3
INSERT INTO kinds (k_int2) VALUES (40000)
INSERT INTO kinds (k_int2, k_numeric, k_varchar) VALUES (7, 'NaN', 'v') RETURNING k_int2, k_numeric, k_varchar, k_moods
INSERT INTO kinds (k_bit) VALUES (B'10101')
INSERT INTO kinds (k_varchar) VALUES ('12345678901')
INSERT INTO kinds (k_inet) VALUES ('300.1.1.1')
INSERT INTO kinds (k_uuid) VALUES ('x')
INSERT INTO kinds (k_int4s) VALUES ('{1,x}')
INSERT INTO kinds (k_timestamptz) VALUES ('2024-01-01 00:00:00.123456+00') RETURNING k_timestamptz
INSERT INTO kinds (k_int4range) VALUES ('[5,1)')
DELETE FROM kinds WHERE k_int2 = 7
DELETE FROM part WHERE id >= 20
DELETE FROM item WHERE id >= 100
SELECT id, name FROM item ORDER BY id
