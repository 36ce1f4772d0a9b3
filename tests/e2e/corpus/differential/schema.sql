CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE TABLE item (
  id int PRIMARY KEY, name text NOT NULL, price numeric(10,2) CHECK (price >= 0),
  tags text[], mood mood, made date, at timestamptz, doc jsonb, code varchar(5),
  flag boolean DEFAULT false, raw bytea, CONSTRAINT item_name_key UNIQUE (name)
);
INSERT INTO item VALUES
  (1, 'anvil', 10.50, '{heavy,iron}', 'ok', '2024-02-29', '2024-02-29 12:30:00+00', '{"a": 1, "b": [1, 2]}', 'a-1', true, '\x00ff'),
  (2, 'brush', 2.25, '{}', 'happy', '1999-12-31', '1999-12-31 23:59:59.999999+00', '{"a": null}', NULL, false, '\x'),
  (3, 'crane', 99999.99, NULL, 'sad', NULL, NULL, '[]', 'c-3', NULL, NULL),
  (4, 'drill', 0, '{NULL,"quo\"ted","co,mma"}', NULL, '0044-03-15 BC', '-infinity', '"text"', '', true, '\xdeadbeef'),
  (5, 'éclair ☃', NULL, '{x}', 'ok', 'infinity', 'infinity', 'null', 'e', false, '\x0102');
CREATE TABLE part (
  id int PRIMARY KEY, item_id int REFERENCES item (id), qty int NOT NULL CONSTRAINT qty_positive CHECK (qty > 0),
  label char(4), UNIQUE (item_id, qty)
);
INSERT INTO part VALUES (10, 1, 5, 'ab'), (11, 1, 6, NULL), (12, 2, 1, 'long');
CREATE TABLE late (
  id int CONSTRAINT late_key UNIQUE DEFERRABLE INITIALLY DEFERRED,
  item_id int CONSTRAINT late_item REFERENCES item (id) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO late VALUES (1, 1), (2, 2);
CREATE TABLE room (id int, during tsrange, CONSTRAINT room_free EXCLUDE USING gist (during WITH &&));
INSERT INTO room VALUES (1, '[2024-01-01,2024-01-02)');
CREATE TABLE event (id int, day date NOT NULL, what text) PARTITION BY RANGE (day);
CREATE TABLE event_2023 PARTITION OF event FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE event_2024 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
INSERT INTO event VALUES (1, '2023-06-01', 'old'), (2, '2024-06-01', 'new');
CREATE TABLE parent (id int, a text);
CREATE TABLE child (b int) INHERITS (parent);
INSERT INTO parent VALUES (1, 'p');
INSERT INTO child VALUES (2, 'c', 9);
CREATE TABLE noisy (id int PRIMARY KEY, what text);
CREATE FUNCTION speak() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  CASE NEW.what
    WHEN 'notice' THEN RAISE NOTICE 'row % says hello', NEW.id USING DETAIL = 'in detail', HINT = 'a hint';
    WHEN 'warning' THEN RAISE WARNING 'row % warns', NEW.id;
    WHEN 'info' THEN RAISE INFO 'row % informs', NEW.id;
    WHEN 'debug' THEN RAISE DEBUG 'nobody reads this';
    WHEN 'error' THEN RAISE EXCEPTION 'row % refuses', NEW.id USING DETAIL = 'because', HINT = 'do not', ERRCODE = 'AB123', COLUMN = 'what', CONSTRAINT = 'c', TABLE = 'noisy', SCHEMA = 'public', DATATYPE = 'text';
    WHEN 'check' THEN RAISE check_violation USING MESSAGE = 'not so';
    WHEN 'cast' THEN PERFORM NEW.what::int;
    WHEN 'zero' THEN PERFORM 1 / (NEW.id - NEW.id);
    WHEN 'query' THEN EXECUTE 'SELECT nothing FROM public.item';
    WHEN 'both' THEN RAISE NOTICE 'first'; RAISE EXCEPTION 'then';
    ELSE NULL;
  END CASE;
  RETURN NEW;
END$$;
CREATE TRIGGER speak BEFORE INSERT OR UPDATE ON noisy FOR EACH ROW EXECUTE FUNCTION speak();
CREATE TABLE noisy_late (id int, what text);
CREATE CONSTRAINT TRIGGER speak AFTER INSERT ON noisy_late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION speak();
CREATE VIEW item_names AS SELECT id, name FROM item;
CREATE TABLE kinds (
  k_int2 int2, k_int4 int4, k_int8 int8, k_float4 float4, k_float8 float8, k_numeric numeric, k_money money,
  k_bool bool, k_text text, k_varchar varchar(10), k_bpchar char(6), k_name name, k_bytea bytea,
  k_date date, k_time time, k_timetz timetz, k_timestamp timestamp, k_timestamptz timestamptz(3), k_interval interval,
  k_uuid uuid, k_json json, k_jsonb jsonb, k_inet inet, k_cidr cidr, k_macaddr macaddr, k_macaddr8 macaddr8,
  k_bit bit(4), k_varbit varbit, k_point point, k_line line, k_lseg lseg, k_box box, k_path path, k_polygon polygon, k_circle circle,
  k_int4range int4range, k_numrange numrange, k_daterange daterange, k_tsvector tsvector, k_tsquery tsquery,
  k_int4s int4[], k_texts text[], k_mood mood, k_moods mood[]
);
INSERT INTO kinds VALUES
  (1, 2, 3, 1.5, 2.5, 12345.6789, '12.34', true, 'text', 'varchar', 'bp', 'name', '\x6162',
   '2024-01-31', '12:34:56.789', '12:34:56+02', '2024-01-31 12:34:56', '2024-01-31 12:34:56.1234+01', '1 year 2 mons 3 days 04:05:06.7',
   'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"k":  1}', '{"k":  1}', '192.168.0.1/24', '10.0.0.0/8', '08:00:2b:01:02:03', '08:00:2b:01:02:03:04:05',
   '1010', '10111', '(1,2)', '{1,2,3}', '[(0,0),(1,1)]', '(1,1),(0,0)', '[(0,0),(1,1)]', '((0,0),(1,1),(1,0))', '<(0,0),2>',
   '[1,5)', '(1.5,)', 'empty', 'a fat cat', 'fat & (cat | dog)', '{1,NULL,3}', '{{a,b},{c,d}}', 'happy', '{sad,happy}'),
  (NULL, NULL, NULL, 'NaN', '-Infinity', 'NaN', NULL, NULL, '', '', '', '', '', 'infinity', '24:00', NULL, '-infinity', NULL, '-1 day',
   NULL, 'null', 'null', '::1', NULL, NULL, NULL, NULL, '', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '', NULL, '{}', NULL, NULL, '{}'),
  (-32768, -2147483648, -9223372036854775808, 3.4e38, 1e-307, -0.000, '-0.01', false, E'tab\tnew\nline', 'ü', '  x', 'N', '\x00',
   '4714-11-24 BC', '00:00', '00:00-12', '2000-02-29 00:00', '2000-02-29 00:00+00', '-1 year +2 mons', 'ffffffff-ffff-ffff-ffff-ffffffffffff',
   '[]', '[1.50, "x"]', 'fe80::1/64', '::/0', 'ff:ff:ff:ff:ff:ff', 'ff:ff:ff:ff:ff:ff:ff:ff', '0000', '1', '(-1e300,0)', '{0,1,0}', '[(0,0),(0,0)]',
   '(0,0),(0,0)', '((0,0),(1,1))', '((0,0))', '<(1,1),0>', '(,)', '[1,1]', '[2024-01-01,2024-12-31]', '''it''s'':1A', '!x', '[0:1]={7,8}', '{"",NULL}', 'sad', NULL);
GRANT ALL ON ALL TABLES IN SCHEMA public TO svc;
