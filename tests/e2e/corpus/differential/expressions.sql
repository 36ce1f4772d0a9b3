-- Operators, conditions, conversions that PostgreSQL chooses, names of columns.
SELECT 1
SELECT 1 + 1
SELECT 1 + 1 AS two
SELECT 1, 1, 'x', NULL
SELECT -5 % 3, 5 / -2, 5.0 / 2, 2 ^ 10, |/ 25, ||/ 27, @ -3
SELECT 7 & 3, 7 | 8, 7 # 2, ~ 1, 1 << 4, 256 >> 2
SELECT 1::int2 + 1::int8
SELECT 1::int2 * 2.5::float4
SELECT 0.1 + 0.2, 0.1::float8 + 0.2::float8
SELECT 1 = 1, 1 <> 2, 1 < 2, 2 <= 2, 3 > 2, 3 >= 4, 1 != 1
SELECT NULL = NULL, NULL IS NULL, 1 IS NOT NULL, NULL IS DISTINCT FROM 1, 1 IS NOT DISTINCT FROM 1
SELECT true AND NULL, false AND NULL, true OR NULL, NOT true, NOT NULL::bool
SELECT true IS TRUE, NULL::bool IS UNKNOWN, false IS NOT FALSE, true IS NOT UNKNOWN
SELECT 2 BETWEEN 1 AND 3, 2 NOT BETWEEN 3 AND 1, 2 BETWEEN SYMMETRIC 3 AND 1
SELECT 1 IN (1, 2, 3), 4 NOT IN (1, 2), NULL IN (1), 1 IN (NULL, 2)
SELECT 'a' || 'b', 'a' || 1, NULL || 'x', 'x' || true
SELECT 'abc' LIKE 'a%', 'abc' NOT LIKE '_c', 'ABC' ILIKE 'abc', 'a%c' LIKE 'a!%c' ESCAPE '!'
SELECT 'abc' SIMILAR TO '(a|b)%', 'abc' ~ '^a.c$', 'ABC' ~* 'abc', 'abc' !~ 'b', 'abc' !~* 'B'
SELECT CASE WHEN true THEN 1 ELSE 2 END
SELECT CASE 3 WHEN 1 THEN 'one' WHEN 3 THEN 'three' END AS word
SELECT CASE WHEN false THEN 1 END
SELECT CASE WHEN true THEN 1 ELSE 2.5 END
SELECT COALESCE(NULL, 2), COALESCE(NULL, NULL), COALESCE('x', 'y')
SELECT NULLIF(1, 1), NULLIF(1, 2), NULLIF('a', 'b')
SELECT GREATEST(1, 3, 2), LEAST('b', 'a'), GREATEST(NULL, 1)
SELECT CAST('5' AS int), '5'::int, int '5', int4 '5', CAST(5 AS text)
SELECT 5::text, true::text, 1.50::text, '2024-01-01'::date::text
SELECT 1.5::int, 2.5::int, -0.5::int, 1e3::int
SELECT 'a'::char(3) = 'a', 'a'::char(3) || 'b'
SELECT 65::"char"::text
SELECT date '2024-01-31' + 1, date '2024-03-01' - date '2024-02-01', date '2024-01-01' - 1
SELECT date '2024-01-31' + interval '1 month', timestamp '2024-01-31 00:00' - interval '1 year 1 day'
SELECT timestamp '2024-02-01' - timestamp '2024-01-01 12:00'
SELECT interval '1 day' * 2.5, interval '1 hour' / 3, - interval '1 month'
SELECT time '12:00' + interval '13 hours', time '12:00' - time '10:30'
SELECT timestamptz '2024-01-01 12:00+00' AT TIME ZONE 'America/New_York'
SELECT timestamp '2024-01-01 12:00' AT TIME ZONE 'Asia/Tokyo'
SELECT (date '2024-01-01', date '2024-02-01') OVERLAPS (date '2024-01-15', date '2024-03-01')
SELECT EXTRACT(year FROM date '2024-05-06'), EXTRACT(epoch FROM interval '1 day'), EXTRACT(dow FROM timestamp '2024-05-06')
SELECT ARRAY[1, 2, 3], ARRAY['a', NULL], ARRAY[[1, 2], [3, 4]], ARRAY[]::int[]
SELECT (ARRAY[1, 2, 3])[2], (ARRAY[1, 2, 3])[1:2], (ARRAY[1, 2, 3])[5]
SELECT ARRAY[1, 2] || 3, 0 || ARRAY[1], ARRAY[1] || ARRAY[2, 3]
SELECT ARRAY[1, 2] @> ARRAY[1], ARRAY[1] <@ ARRAY[1, 2], ARRAY[1, 2] && ARRAY[2, 3]
SELECT 1 = ANY (ARRAY[1, 2]), 1 = ALL (ARRAY[1, 1]), 3 > SOME (ARRAY[1, 5])
SELECT ARRAY[1, 2] < ARRAY[1, 3], ARRAY[1, 2] = '{1,2}'
SELECT '{"a": {"b": [1, 2]}}'::json -> 'a', '{"a": 1}'::json ->> 'a', '[1, 2]'::json -> 1, '{"a": {"b": 2}}'::json #> '{a,b}', '{"a": {"b": 2}}'::json #>> '{a,b}'
SELECT '{"a": 1}'::jsonb @> '{"a": 1}', '{"a": 1}'::jsonb ? 'a', '{"a": 1}'::jsonb ?| ARRAY['x', 'a'], '{"a": 1}'::jsonb ?& ARRAY['x', 'a']
SELECT '{"a": 1}'::jsonb || '{"b": 2}', '{"a": 1, "b": 2}'::jsonb - 'a', '[1, 2, 3]'::jsonb - 1, '{"a": {"b": 1}}'::jsonb #- '{a,b}'
SELECT '{"a": [1, 5]}'::jsonb @? '$.a[*] ? (@ > 2)', '{"a": 3}'::jsonb @@ '$.a > 2'
SELECT '{"b": 1, "a": 2}'::jsonb = '{"a": 2, "b": 1}'::jsonb, '1'::jsonb < '2'::jsonb
SELECT int4range(1, 5) @> 3, int4range(1, 5) && int4range(4, 9), int4range(1, 3) -|- int4range(3, 5), int4range(1, 5) * int4range(3, 9), int4range(1, 3) + int4range(2, 5), int4range(1, 9) - int4range(5, 9)
SELECT int4range(1, 3) << int4range(5, 7), int4range(1, 9) @> int4range(2, 3), 3 <@ int4range(1, 5)
SELECT '{[1,3),[5,9)}'::int4multirange @> 6, '{[1,3)}'::int4multirange + '{[2,5)}'::int4multirange
SELECT '192.168.1.5'::inet << '192.168.1.0/24'::cidr, '192.168.1.5'::inet + 10, '10.0.0.1'::inet - '10.0.0.0'::inet, ~ '192.168.1.5'::inet, '10.0.0.1'::inet & '255.0.0.0'::inet
SELECT B'1010' & B'0110', B'1010' | B'0101', B'10' || B'01', ~ B'1010', B'1010' << 1, X'1F'
SELECT point(1, 2) + point(3, 4), point(0, 0) <-> point(3, 4), box '((0,0),(2,2))' @> point '(1,1)', circle '<(0,0),1>' && circle '<(1,0),1>'
SELECT lseg '[(0,0),(2,2)]' # lseg '[(0,2),(2,0)]', point '(1,1)' <@ circle '<(0,0),2>', # path '((1,0),(0,1),(-1,0))'
SELECT 'fat cat'::tsvector @@ 'cat'::tsquery, 'a'::tsquery && 'b'::tsquery, 'a'::tsquery || 'b'::tsquery, !! 'a'::tsquery, 'a'::tsvector || 'b'::tsvector
SELECT 'sad'::mood < 'happy'::mood, 'ok'::mood = 'ok', 'ok'::mood
SELECT '\x01'::bytea || '\x02'::bytea, '\x0102'::bytea = E'\\x0102'
SELECT '1.00'::money + '2.50'::money, '5.00'::money / 2, '5.00'::money * 1.5::float8, '10.00'::money / '2.50'::money
SELECT 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid < 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid
SELECT ROW(1, 2) = ROW(1, 2), ROW(1, 2) < ROW(1, 3), (1, NULL) IS NULL, ROW(NULL, NULL) IS NULL
SELECT (1, 2) IN ((1, 2), (3, 4))
SELECT E'\t\n\\\'\x41\101\u00e9', 'it''s', U&'\0041\+00263A', $$dollar 'quoted'$$, $tag$a$$b$tag$
SELECT 'a' 'b'
SELECT 'first'⏎ 'second'
SELECT 1 AS "Weird Name", 2 AS "quo""te", 3 AS ☃
SELECT 1 /* comment */ + /* nested /* comment */ */ 2 -- to the end
SELECT 0x10
SELECT 1.5e3, .5, 5., 1e-7, 123456789012345678901234567890
SELECT 2147483647, 2147483648, 9223372036854775807, 9223372036854775808
SELECT current_date = current_date, now() = now(), current_timestamp = now(), localtimestamp IS NOT NULL
SELECT upper('a'), lower('B') AS l, length('abc'), coalesce(1)
SELECT 'x'::text AS text, 1::int4 AS int4, now()::date = current_date
SELECT (SELECT 1), (SELECT 2) AS two, EXISTS (SELECT 1), ARRAY(SELECT 1 UNION SELECT 2 ORDER BY 1)
SELECT 1 WHERE false
SELECT DISTINCT 1
SELECT 'abc' COLLATE "C" < 'abd'
SELECT 'abc' COLLATE "C"
SELECT position('b' IN 'abc'), substring('abcdef' FROM 2 FOR 3), overlay('abcdef' PLACING 'XX' FROM 2 FOR 3), trim(both 'x' FROM 'xxaxx'), trim(leading FROM '  a'), trim(trailing 'b' FROM 'abb')
SELECT substring('foobar' FROM 'o(.)b'), substring('foobar' SIMILAR '%#"o_b#"%' ESCAPE '#')
SELECT 'ä' IS NORMALIZED, normalize('ä', NFD) = 'ä', 'x' IS NFC NORMALIZED
SELECT 1::numeric / 3, 10::numeric / 3, 1.0 / 3, (1.0 / 3)::numeric(10, 4), 1e20 / 7
SELECT round(2.5), round(-2.5), round(2.5::float8), round(2.345, 2), trunc(2.345, 1), round(1234.5, -2)
SELECT 'NaN'::float8 = 'NaN'::float8, 'NaN'::numeric > 1, 'Infinity'::float8 - 1, 'Infinity'::numeric * -1
SELECT pg_catalog.upper('x'), pg_catalog.int4 '7'
SELECT 1 OPERATOR(pg_catalog.+) 2
SELECT true::int, 1::bool, 0::bool, 'yes'::bool
SELECT '(1,2)'::point::text, '[1,2]'::int4range::text, '{1,2}'::int[]::text[]
SELECT 'abc'::varchar(2), 'abc'::char(2), 'abcdef'::name, B'101'::bit(2), '12:34:56.789'::time(1), 1234.567::numeric(6, 1)
SELECT '1'::jsonb::int, 'true'::jsonb::bool, '1.5'::jsonb::numeric
SELECT NOT (1 = 2 AND 3 = 3 OR 4 = 5), 1 + 2 * 3, (1 + 2) * 3, - 2 ^ 2, 2 - - 2
SELECT a.b FROM (SELECT 1 AS b) AS a
SELECT x, y FROM (VALUES (1, 'a'), (2, 'b')) AS v(x, y)
VALUES (1, 'a'), (2, 'b'), (3, NULL)
VALUES (1), (2) ORDER BY 1 DESC LIMIT 1
