-- Reads of tables: every form of a query.
SELECT * FROM item ORDER BY id
SELECT * FROM public.item WHERE id = 1
SELECT i.* FROM item AS i WHERE i.id < 3 ORDER BY 1
SELECT id, name FROM item ORDER BY name DESC
SELECT * FROM kinds ORDER BY k_int2
SELECT k_int2, k_int4, k_int8, k_float4, k_float8, k_numeric, k_money FROM kinds ORDER BY 1 NULLS FIRST
SELECT k_bool, k_text, k_varchar, k_bpchar, k_name, k_bytea FROM kinds ORDER BY k_text
SELECT k_date, k_time, k_timetz, k_timestamp, k_timestamptz, k_interval FROM kinds ORDER BY k_date
SELECT k_uuid, k_json, k_jsonb, k_inet, k_cidr, k_macaddr, k_macaddr8, k_bit, k_varbit FROM kinds ORDER BY k_inet
SELECT k_point, k_line, k_lseg, k_box, k_path, k_polygon, k_circle FROM kinds ORDER BY k_int4
SELECT k_int4range, k_numrange, k_daterange, k_tsvector, k_tsquery, k_int4s, k_texts, k_mood, k_moods FROM kinds ORDER BY k_int4
SELECT k_numeric + 1, k_money * 2, k_int8 / 2, - k_float8 FROM kinds ORDER BY k_int4
SELECT k_varchar || 'x', k_bpchar || 'x', k_name || 'x', upper(k_text) FROM kinds ORDER BY k_int4
SELECT k_date + 1, k_timestamp + interval '1 day', k_interval * 2 FROM kinds ORDER BY k_int4 LIMIT 1
SELECT k_jsonb -> 'k', k_json ->> 'k', k_int4s[1], k_texts[1][2] FROM kinds ORDER BY k_int4
SELECT k_mood::text, k_mood = 'happy', k_mood > 'sad' FROM kinds ORDER BY k_int4
SELECT count(*), count(price), sum(price), avg(price), min(price), max(price) FROM item
SELECT mood, count(*) FROM item GROUP BY mood ORDER BY mood
SELECT mood, flag, count(*) FROM item GROUP BY GROUPING SETS ((mood), (flag), ()) ORDER BY 1, 2, 3
SELECT mood, flag, count(*), GROUPING(mood, flag) FROM item GROUP BY CUBE (mood, flag) ORDER BY 1, 2, 3, 4
SELECT mood, flag, sum(id) FROM item GROUP BY ROLLUP (mood, flag) ORDER BY 1, 2, 3
SELECT mood, count(*) AS n FROM item GROUP BY 1 HAVING count(*) > 1
SELECT DISTINCT mood FROM item ORDER BY mood NULLS FIRST
SELECT DISTINCT ON (mood) mood, id FROM item ORDER BY mood, id DESC
SELECT id FROM item ORDER BY price NULLS LAST, id LIMIT 2 OFFSET 1
SELECT id FROM item ORDER BY id FETCH FIRST 2 ROWS ONLY
SELECT flag FROM item ORDER BY flag FETCH FIRST 1 ROW WITH TIES
SELECT id FROM item LIMIT 0
SELECT id FROM item WHERE name = 'anvil' OR price > 100
SELECT id FROM item WHERE mood IS NULL
SELECT id FROM item WHERE tags @> ARRAY['heavy']
SELECT id FROM item WHERE doc @> '{"a": 1}'
SELECT id FROM item WHERE doc ->> 'a' = '1'
SELECT id FROM item WHERE made > '2000-01-01'
SELECT id FROM item WHERE at BETWEEN '1999-01-01' AND '2030-01-01' ORDER BY id
SELECT id FROM item WHERE id IN (SELECT item_id FROM part) ORDER BY id
SELECT id FROM item i WHERE EXISTS (SELECT 1 FROM part p WHERE p.item_id = i.id) ORDER BY id
SELECT id FROM item WHERE id NOT IN (SELECT item_id FROM part WHERE item_id IS NOT NULL) ORDER BY id
SELECT id FROM item WHERE id = ANY (SELECT item_id FROM part) ORDER BY id
SELECT id FROM item WHERE (id, name) = (1, 'anvil')
SELECT i.name, p.qty FROM item i JOIN part p ON p.item_id = i.id ORDER BY p.id
SELECT i.name, p.qty FROM item i LEFT JOIN part p ON p.item_id = i.id ORDER BY i.id, p.id
SELECT i.name, p.qty FROM part p RIGHT JOIN item i ON p.item_id = i.id ORDER BY i.id, p.id
SELECT i.name, p.qty FROM item i FULL JOIN part p ON p.item_id = i.id ORDER BY i.id, p.id
SELECT count(*) FROM item CROSS JOIN part
SELECT count(*) FROM item, part
SELECT id, name, qty FROM item JOIN part USING (id)
SELECT * FROM item_names NATURAL JOIN late ORDER BY id
SELECT * FROM item_names JOIN late USING (id) ORDER BY id
SELECT * FROM (SELECT id AS x FROM item) AS s WHERE x < 3 ORDER BY x
SELECT i.id, l.qty FROM item i, LATERAL (SELECT qty FROM part p WHERE p.item_id = i.id ORDER BY qty LIMIT 1) AS l ORDER BY 1
SELECT i.id, t FROM item i, unnest(i.tags) AS t ORDER BY 1, 2
SELECT i.id, e.key, e.value FROM item i, jsonb_each(i.doc) AS e WHERE i.id = 1 ORDER BY 2
WITH a AS (SELECT id FROM item WHERE id < 3) SELECT * FROM a ORDER BY id
WITH a AS MATERIALIZED (SELECT 1 AS x), b AS (SELECT x + 1 AS y FROM a) SELECT x, y FROM a, b
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i FROM n
WITH RECURSIVE n(i) AS (VALUES (1) UNION SELECT i % 3 + 1 FROM n) SELECT sum(i) FROM n
SELECT id FROM item UNION SELECT id FROM part ORDER BY id
SELECT id FROM item UNION ALL SELECT item_id FROM part ORDER BY 1
SELECT id FROM item INTERSECT SELECT item_id FROM part ORDER BY 1
SELECT id FROM item EXCEPT SELECT item_id FROM part ORDER BY 1
(SELECT id FROM item ORDER BY id LIMIT 1) UNION ALL (SELECT id FROM item ORDER BY id DESC LIMIT 1)
SELECT id, row_number() OVER (ORDER BY price), rank() OVER (PARTITION BY mood ORDER BY id) FROM item ORDER BY id
SELECT id, sum(id) OVER w, lag(id) OVER w, lead(name, 1, 'none') OVER w FROM item WINDOW w AS (ORDER BY id) ORDER BY id
SELECT id, avg(id) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM item ORDER BY id
SELECT id, first_value(name) OVER (ORDER BY id), ntile(2) OVER (ORDER BY id), cume_dist() OVER (ORDER BY id) FROM item ORDER BY id
SELECT id, count(*) OVER (ORDER BY id RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE CURRENT ROW) FROM item ORDER BY id
SELECT (SELECT name FROM item WHERE id = 1), (SELECT count(*) FROM part) AS parts
SELECT ARRAY(SELECT id FROM item ORDER BY id)
SELECT id, CASE WHEN price > 10 THEN 'dear' WHEN price IS NULL THEN 'unknown' ELSE 'cheap' END AS class FROM item ORDER BY id
SELECT * FROM item_names ORDER BY id
SELECT name FROM item_names WHERE id = 2
SELECT * FROM event ORDER BY id
SELECT what FROM event WHERE day >= '2024-01-01'
SELECT * FROM event_2023
SELECT * FROM parent ORDER BY id
SELECT * FROM ONLY parent
SELECT * FROM child
SELECT i.id AS "Id", i.name "n" FROM public.item AS i WHERE i.id = 1
SELECT "id", "name" FROM "public"."item" WHERE "id" = 1
SELECT ID, Name FROM ITEM WHERE Id = 1
SELECT item.id, public.item.name FROM item WHERE item.id = 1
SELECT 1 FROM item WHERE id = 1
SELECT 'x' AS x, i.id, i.* FROM item i WHERE id = 2
SELECT count(*) AS count, count(DISTINCT mood) FROM item
SELECT length(name), upper(code), price::text, raw FROM item ORDER BY id
SELECT price, price::numeric(12, 4), price::int, price::float8 FROM item ORDER BY id
SELECT code, code::text, code::varchar(2), label FROM item JOIN part ON part.item_id = item.id ORDER BY part.id
SELECT * FROM part WHERE label = 'ab'
SELECT to_jsonb(name), jsonb_build_object('id', id, 'tags', tags) FROM item ORDER BY id
SELECT made - date '2000-01-01' FROM item WHERE id = 1
SELECT DISTINCT length(name) AS l FROM item ORDER BY l
SELECT name FROM item ORDER BY length(name), name
SELECT max(id) FROM item WHERE false
SELECT mood FROM item WHERE mood = ANY (ARRAY['ok', 'sad']::mood[]) ORDER BY id
SELECT * FROM (VALUES (1, 'one'), (2, 'two')) AS t(n, w) JOIN item ON item.id = t.n ORDER BY n
SELECT * FROM item WHERE name LIKE '%☃'
SELECT string_agg(name, ', ' ORDER BY id) FROM item
SELECT p.item_id, array_agg(p.qty ORDER BY p.qty) FROM part p GROUP BY p.item_id HAVING sum(p.qty) > 1 ORDER BY 1
