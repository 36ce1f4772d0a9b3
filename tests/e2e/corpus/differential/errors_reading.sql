-- Errors in the grammar, the analysis, the planner and while rows are computed.
SELEC 1
SELECT FROM WHERE
SELECT 1 FROM
SELECT * FROM item WHERE
SELECT (1
SELECT 1)
SELECT 'unterminated
SELECT "unterminated
SELECT $$unterminated
SELECT /* unterminated
SELECT 1 +
SELECT a b c
SELECT 1,, 2
SELECT * * FROM item
INSERT item VALUES (1)
UPDATE item name = 'x'
DELETE item
SELECT 1 LIMIT LIMIT
SELECT CASE END
SELECT 1 ORDER 1
SELECT ☃ ☃ ☃
SELECT 'é' 'è'
SELECT * FROM item JOIN part
SELECT 1;; SELECT )
CREATE
FOO BAR
SELECT @
SELECT ""
SELECT 123abc
SELECT U&'\zzzz'
SELECT E'\xzz\u12'
SELECT nope
SELECT nope FROM item
SELECT item.nope FROM item
SELECT i.nope FROM item i
SELECT nope.id FROM item
SELECT item.id FROM item i
SELECT id, nope, name FROM item
SELECT id FROM item WHERE nope = 1
SELECT id FROM item ORDER BY nope
SELECT count(*) FROM item GROUP BY nope
SELECT 1 FROM item i JOIN part p ON p.item_id = i.nope
SELECT "ID" FROM item
SELECT Naem FROM item
SELECT * FROM nope
SELECT * FROM public.nope
SELECT * FROM nope.item
SELECT * FROM "Item"
SELECT 1 FROM item, nope
SELECT id FROM item, part
SELECT id FROM item JOIN part ON true
SELECT * FROM item i, part i
SELECT * FROM item WHERE id = (SELECT nope FROM part)
SELECT nope.* FROM item
SELECT *
INSERT INTO nope VALUES (1)
INSERT INTO item (nope) VALUES (1)
INSERT INTO item (id, id) VALUES (1, 2)
INSERT INTO item (id, name) VALUES (1)
INSERT INTO item (id) VALUES (1, 'x')
UPDATE nope SET id = 1
UPDATE item SET nope = 1
UPDATE item SET id = 1, id = 2
DELETE FROM nope
DELETE FROM item WHERE nope
SELECT 1 + 'x'
SELECT 1 + true
SELECT 'a' + 'b'
SELECT id + name FROM item
SELECT name > 5 FROM item
SELECT id FROM item WHERE name
SELECT id FROM item WHERE id
SELECT NOT 1
SELECT 1 AND true
SELECT - 'x'::text
SELECT CASE WHEN 1 THEN 2 END
SELECT CASE WHEN true THEN 1 ELSE 'x' END
SELECT COALESCE(1, 'x')
SELECT ARRAY[1, 'x']
SELECT ARRAY[[1], [2, 3]]
SELECT 1 IN ('x')
SELECT id FROM item WHERE id = 'x'
SELECT id FROM item WHERE made = '2024-13-01'
SELECT id FROM item WHERE mood = 'glad'
SELECT id FROM item WHERE at > 'yesterdayish'
SELECT id FROM item WHERE doc @> '{x}'
SELECT lower(1)
SELECT lower('a', 'b')
SELECT length()
SELECT upper(id) FROM item
SELECT substr(1, 2)
SELECT sum(name) FROM item
SELECT name, count(*) FROM item
SELECT id FROM item GROUP BY mood
SELECT mood FROM item GROUP BY mood HAVING id > 1
SELECT count(count(*)) FROM item
SELECT id FROM item WHERE count(*) > 1
SELECT sum(id) OVER (ORDER BY nope) FROM item
SELECT row_number() FROM item
SELECT count(*) OVER missing FROM item
SELECT id FROM item WHERE row_number() OVER () = 1
SELECT DISTINCT name FROM item ORDER BY id
SELECT DISTINCT ON (id) name FROM item ORDER BY name
SELECT id FROM item ORDER BY 5
SELECT id FROM item GROUP BY 5
SELECT id, name FROM item UNION SELECT id FROM part
SELECT id FROM item UNION SELECT name FROM item
SELECT 1 UNION SELECT 'x'
SELECT id FROM item LIMIT -1
SELECT id FROM item LIMIT 'x'
SELECT id FROM item OFFSET -1
SELECT id FROM item WHERE id = (SELECT item_id FROM part)
SELECT (SELECT id, name FROM item)
SELECT (SELECT id FROM item)
SELECT id FROM item WHERE (id, name) = (1)
SELECT id FROM item WHERE (id, name) IN (SELECT id FROM part)
SELECT ROW(1, 2) = ROW(1)
SELECT 1 / 0
SELECT 1.0 / 0
SELECT 1 % 0
SELECT 1::float8 / 0
SELECT 2147483647 + 1
SELECT 32767::int2 + 1::int2
SELECT 9223372036854775807 + 1
SELECT - (-2147483648)
SELECT 1e308::float8 * 10
SELECT 1e5::int2
SELECT 'x'::int
SELECT 'abc'::text::int
SELECT '2024-02-30'::text::date
SELECT 1.5::text::int
SELECT 'glad'::text::mood
SELECT 'glad'::mood
SELECT true::date
SELECT 1::timestamp
SELECT date '2024-01-01'::int
SELECT ARRAY[1]::int
SELECT '{1}'::int
SELECT name::int FROM item
SELECT name::int FROM item WHERE id = 5
SELECT id, 10 / (id - 3) FROM item ORDER BY id
SELECT 10 / (id - 1) FROM item ORDER BY id
SELECT 10 / (id - 5) AS x FROM item
SELECT price::int2 FROM item ORDER BY id
SELECT price * 1e300::float8 * 1e300::float8 FROM item ORDER BY id
SELECT sqrt(id - 3) FROM item ORDER BY id
SELECT ln(price) FROM item ORDER BY id
SELECT (doc ->> 'a')::date FROM item ORDER BY id
SELECT code::int FROM item ORDER BY id
SELECT repeat('x', id - 3)::int FROM item ORDER BY id
SELECT sum(10 / (id - 2)) FROM item
SELECT count(*) FROM item WHERE 10 / (id - 2) > 0
SELECT id FROM item ORDER BY 10 / (id - 4)
SELECT 1 WHERE 1 / 0 = 1
SELECT CASE WHEN id > 0 THEN 1 / 0 END FROM item
SELECT (ARRAY[1,2])['x']
SELECT 'a' COLLATE "nope"
SELECT 'a' ~ '('
SELECT name ~ code FROM item WHERE id = 1
SELECT 'a' LIKE 'a\'
SELECT to_char(1, 2)
SELECT make_date(id * 10000000, 1, 1) FROM item ORDER BY id
SELECT generate_series(1, 3) + 'x'
SELECT 'x'::nope
SELECT 'x'::public.nope
SELECT nope(1)
SELECT public.nope(1)
SELECT $1
SELECT 1::int4(5)
SELECT 'a'::varchar(0)
SELECT '1'::numeric(0, 0)
SELECT '1'::bit(0)
SELECT id FROM item FETCH FIRST -1 ROWS ONLY
SELECT id FROM item WHERE id = 1 AND name = 2
SELECT i.name FROM item i JOIN part p USING (name)
SELECT * FROM item JOIN part USING (nope)
SELECT * FROM item NATURAL JOIN nope
WITH a AS (SELECT 1) SELECT * FROM b
WITH a AS (SELECT 1), a AS (SELECT 2) SELECT * FROM a
WITH a(x, y) AS (SELECT 1) SELECT * FROM a
SELECT * FROM (SELECT 1)
SELECT x.y FROM (SELECT 1 AS y) AS z
SELECT * FROM (VALUES (1), (2, 3)) AS v
VALUES (1), (1, 2)
VALUES (1), ('x')
SELECT id FROM item WHERE id = 1 ORDER BY sum(id)
SELECT DEFAULT
SELECT current_date + 'x'
SELECT interval '1 day' + 1
SELECT EXTRACT(nothing FROM date '2024-01-01')
SELECT EXTRACT(hour FROM date '2024-01-01')
SELECT overlay('a' PLACING 'b' FROM 0)
SELECT 'a'::json = 'b'::json
SELECT '{}'::json = '{}'::json
SELECT DISTINCT k_json FROM kinds
SELECT k_point FROM kinds ORDER BY k_point
SELECT max(k_point) FROM kinds
SELECT 'ü'; SELECT 1 / 0; SELECT 2
SELECT 1; SELECT 'ü', 1 + 'x'
SELECT 1 AS ok; SELEC 2
