//! The questions of the preflight. PostgreSQL 13 to 18; each gives rows of an object, what it lets a
//! role do, and the SQL that closes it.
//!
//! `{user_schema}` is a condition on a schema `n`, `{masked}` the masked columns as pairs of OID and
//! number, `{schema}` the fence's own schema. The search path is `pg_catalog`.

use super::preflight::Weight;

/// One question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    /// The code of its findings.
    pub(super) code: &'static str,
    /// What they mean.
    pub(super) weight: Weight,
    /// The query.
    pub(super) sql: &'static str,
}

/// All questions, holes first.
pub(super) fn questions() -> impl Iterator<Item = Question> {
    let weigh = |weight| move |&(code, sql): &(_, _)| Question { code, weight, sql };
    let holes = HOLES.iter().map(weigh(Weight::Hole));
    let lacks = LACKS.iter().map(weigh(Weight::Lack));
    holes.chain(lacks).chain(NOTES.iter().map(weigh(Weight::Note)))
}

type Pairs = &'static [(&'static str, &'static str)];

const HOLES: Pairs = &[
    (
        "public_relation",
        "SELECT format('%I.%I', n.nspname, c.relname), \
         concat('everybody may ', string_agg(DISTINCT lower(x.privilege_type), ', ')), \
         format('REVOKE ALL ON %s %I.%I FROM PUBLIC;', \
         CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, c.relname) \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         CROSS JOIN LATERAL aclexplode(c.relacl) x WHERE x.grantee = 0 \
         AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND {user_schema} \
         GROUP BY n.nspname, c.relname, c.relkind",
    ),
    (
        "public_column",
        "SELECT format('%I.%I.%I', n.nspname, c.relname, a.attname), \
         concat('everybody may ', string_agg(DISTINCT lower(x.privilege_type), ', ')), \
         format('REVOKE ALL (%I) ON TABLE %I.%I FROM PUBLIC;', a.attname, n.nspname, c.relname) \
         FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         CROSS JOIN LATERAL aclexplode(a.attacl) x WHERE x.grantee = 0 AND {user_schema} \
         GROUP BY n.nspname, c.relname, a.attname",
    ),
    (
        "definer_function",
        "SELECT format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), \
         concat('everybody may run it with the rights of ', pg_get_userbyid(p.proowner)), \
         format('REVOKE ALL ON ROUTINE %I.%I(%s) FROM PUBLIC;', n.nspname, p.proname, \
         pg_get_function_identity_arguments(p.oid)) \
         FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
         WHERE p.prosecdef AND has_function_privilege('public', p.oid, 'EXECUTE') AND {user_schema}",
    ),
    (
        "extension_function",
        "SELECT e.extname, concat('everybody may run functions in C of an extension that is not \
         trusted: ', count(*)), \
         string_agg(format('REVOKE ALL ON ROUTINE %I.%I(%s) FROM PUBLIC;', n.nspname, p.proname, \
         pg_get_function_identity_arguments(p.oid)), ' ' ORDER BY p.oid) \
         FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
         JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid \
         AND d.deptype = 'e' AND d.refclassid = 'pg_extension'::regclass \
         JOIN pg_extension e ON e.oid = d.refobjid \
         JOIN pg_available_extension_versions v ON v.name = e.extname AND v.version = e.extversion \
         JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'c' \
         WHERE NOT v.trusted AND e.extname <> 'plpgsql' \
         AND has_function_privilege('public', p.oid, 'EXECUTE') GROUP BY e.extname",
    ),
    (
        "large_object",
        "SELECT m.oid::text, concat('everybody may ', \
         string_agg(DISTINCT lower(x.privilege_type), ', ')), \
         format('REVOKE ALL ON LARGE OBJECT %s FROM PUBLIC;', m.oid) \
         FROM pg_largeobject_metadata m CROSS JOIN LATERAL aclexplode(m.lomacl) x \
         WHERE x.grantee = 0 GROUP BY m.oid",
    ),
    (
        "lo_compat_privileges",
        "SELECT 'lo_compat_privileges', 'rights on large objects are not checked', \
         'ALTER SYSTEM SET lo_compat_privileges = off; SELECT pg_reload_conf();' \
         WHERE current_setting('lo_compat_privileges')::bool",
    ),
    (
        "comment",
        "SELECT format('%I.%I.%I', n.nspname, c.relname, a.attname), \
         'everybody may read the comment on this masked column', \
         format('COMMENT ON COLUMN %I.%I.%I IS NULL;', n.nspname, c.relname, a.attname) \
         FROM pg_description d JOIN pg_class c ON c.oid = d.objoid \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid \
         WHERE d.classoid = 'pg_class'::regclass \
         AND (d.objoid, d.objsubid::int2) IN (VALUES {masked})",
    ),
    (
        "partition_bound",
        "SELECT format('%I.%I', n.nspname, c.relname), \
         'everybody may read the values in its partition bounds, which are no dates', \
         'REVOKE ALL ON FUNCTION pg_catalog.pg_get_partition_constraintdef(oid) FROM PUBLIC; \
         REVOKE SELECT ON pg_catalog.pg_class FROM PUBLIC; GRANT SELECT (' || \
         (SELECT string_agg(quote_ident(k.attname), ', ' ORDER BY k.attnum) FROM pg_attribute k \
         WHERE k.attrelid = 'pg_class'::regclass AND k.attname <> 'relpartbound' \
         AND NOT k.attisdropped) || ') ON pg_catalog.pg_class TO PUBLIC;' \
         FROM pg_partitioned_table t JOIN pg_class c ON c.oid = t.partrelid \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE t.partstrat IN ('l', 'r') AND {user_schema} \
         AND (has_column_privilege('public', 'pg_catalog.pg_class', 'relpartbound', 'SELECT') \
         OR has_function_privilege('public', 'pg_catalog.pg_get_partition_constraintdef(oid)', \
         'EXECUTE')) AND EXISTS (SELECT 1 FROM unnest(t.partattrs::int2[]) k(number) \
         LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number \
         WHERE (c.oid, k.number) IN (VALUES {masked}) OR a.atttypid IS NULL \
         OR a.atttypid NOT IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype))",
    ),
    (
        "stored_setting",
        "SELECT concat_ws(' ', COALESCE('role ' || quote_ident(r.rolname), \
         CASE WHEN d.datname IS NULL THEN 'role all' END), 'database ' || quote_ident(d.datname), \
         split_part(c.setting, '=', 1)), \
         'everybody may read the value that is stored for this setting', \
         format('ALTER %s RESET %s;', CASE WHEN s.setrole = 0 AND s.setdatabase = 0 THEN 'ROLE ALL' \
         WHEN s.setrole = 0 THEN format('DATABASE %I', d.datname) \
         WHEN s.setdatabase = 0 THEN format('ROLE %I', r.rolname) \
         ELSE format('ROLE %I IN DATABASE %I', r.rolname, d.datname) END, \
         (SELECT string_agg(quote_ident(p.part), '.' ORDER BY p.place) \
         FROM unnest(string_to_array(split_part(c.setting, '=', 1), '.')) \
         WITH ORDINALITY AS p(part, place))) \
         FROM pg_db_role_setting s CROSS JOIN LATERAL unnest(s.setconfig) c(setting) \
         LEFT JOIN pg_roles r ON r.oid = s.setrole LEFT JOIN pg_database d ON d.oid = s.setdatabase \
         WHERE split_part(c.setting, '=', 1) LIKE '%.%'",
    ),
    (
        "database_privilege",
        "SELECT format('%I %s', current_database(), p.name), \
         concat('everybody may ', p.what, ' here'), \
         format('REVOKE %s ON DATABASE %I FROM PUBLIC;', p.name, current_database()) \
         FROM (VALUES ('TEMPORARY', 'make temporary tables and functions'), \
         ('CREATE', 'make schemas')) p(name, what) \
         WHERE has_database_privilege('public', current_database(), p.name)",
    ),
    (
        "schema_create",
        "SELECT quote_ident(n.nspname), 'everybody may make tables and functions in it', \
         format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC;', n.nspname) \
         FROM pg_namespace n WHERE has_schema_privilege('public', n.oid, 'CREATE')",
    ),
    (
        "foreign_server",
        "SELECT quote_ident(s.srvname), 'everybody may use this server', \
         format('REVOKE ALL ON FOREIGN SERVER %I FROM PUBLIC;', s.srvname) \
         FROM pg_foreign_server s WHERE has_server_privilege('public', s.oid, 'USAGE')",
    ),
    (
        "user_mapping",
        "SELECT quote_ident(m.srvname), 'everybody logs in at this server as someone', \
         format('DROP USER MAPPING FOR PUBLIC SERVER %I;', m.srvname) \
         FROM pg_user_mappings m WHERE m.umuser = 0",
    ),
    (
        "default_privilege",
        "SELECT concat_ws(' ', quote_ident(pg_get_userbyid(d.defaclrole)), \
         'in schema ' || quote_ident(n.nspname), k.objects), \
         concat('everybody may ', string_agg(DISTINCT lower(x.privilege_type), ', '), \
         ' what this role makes'), \
         format('ALTER DEFAULT PRIVILEGES FOR ROLE %I %s REVOKE ALL ON %s FROM PUBLIC;', \
         pg_get_userbyid(d.defaclrole), 'IN SCHEMA ' || quote_ident(n.nspname), k.objects) \
         FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace \
         JOIN (VALUES ('r', 'TABLES'), ('S', 'SEQUENCES'), ('n', 'SCHEMAS')) k(kind, objects) \
         ON k.kind = d.defaclobjtype::text CROSS JOIN LATERAL aclexplode(d.defaclacl) x \
         WHERE x.grantee = 0 GROUP BY d.defaclrole, n.nspname, k.objects",
    ),
    (
        "system_function",
        "SELECT format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), \
         'everybody may run it, which PostgreSQL does not allow by itself', \
         format('REVOKE ALL ON FUNCTION %I.%I(%s) FROM PUBLIC;', n.nspname, p.proname, \
         pg_get_function_identity_arguments(p.oid)) \
         FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace \
         JOIN pg_init_privs i ON i.classoid = 'pg_proc'::regclass AND i.objoid = p.oid \
         WHERE i.privtype = 'i' \
         AND NOT EXISTS (SELECT 1 FROM aclexplode(i.initprivs) x WHERE x.grantee = 0) \
         AND has_function_privilege('public', p.oid, 'EXECUTE')",
    ),
    (
        "system_relation",
        "SELECT format('%I.%I', n.nspname, c.relname), \
         'everybody may read it, which PostgreSQL does not allow by itself', \
         format('REVOKE ALL ON TABLE %I.%I FROM PUBLIC;', n.nspname, c.relname) \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_init_privs i ON i.classoid = 'pg_class'::regclass AND i.objoid = c.oid \
         AND i.objsubid = 0 WHERE i.privtype = 'i' \
         AND NOT EXISTS (SELECT 1 FROM aclexplode(i.initprivs) x WHERE x.grantee = 0) \
         AND has_table_privilege('public', c.oid, 'SELECT')",
    ),
];

const LACKS: Pairs = &[(
    "no_schema_for_views",
    "SELECT {schema}, 'masks that show a part need views, and the provisioning account can make no \
     schema for them', format('CREATE SCHEMA %I AUTHORIZATION %I;', {schema}, session_user) \
     WHERE {needs_views} AND NOT has_database_privilege(current_database(), 'CREATE') \
     AND NOT EXISTS (SELECT 1 FROM pg_namespace s WHERE s.nspname = {schema} \
     AND pg_get_userbyid(s.nspowner) = session_user)",
)];

const NOTES: Pairs = &[
    (
        "not_grantable",
        "SELECT quote_ident(n.nspname), concat('grants cannot be made on ', count(*), \
         ' of its relations: the provisioning account may not pass on every right'), \
         format('GRANT USAGE ON SCHEMA %1$I TO %2$I WITH GRANT OPTION; GRANT SELECT, INSERT, UPDATE, \
         DELETE ON ALL TABLES IN SCHEMA %1$I TO %2$I WITH GRANT OPTION;', n.nspname, session_user) \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't' AND {user_schema} \
         AND NOT (has_schema_privilege(n.oid, 'USAGE WITH GRANT OPTION') \
         AND has_table_privilege(c.oid, 'SELECT WITH GRANT OPTION')) GROUP BY n.nspname",
    ),
    (
        "other_database",
        "SELECT quote_ident(d.datname), 'everybody who has a password may connect to it', \
         format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC;', d.datname) \
         FROM pg_database d WHERE d.datallowconn AND d.datname <> current_database() \
         AND has_database_privilege('public', d.oid, 'CONNECT')",
    ),
    (
        "language",
        "SELECT quote_ident(l.lanname), 'everybody may run code in it, with their own rights', \
         format('REVOKE ALL ON LANGUAGE %I FROM PUBLIC;', l.lanname) FROM pg_language l \
         WHERE l.lanpltrusted AND l.lanname <> 'sql' \
         AND has_language_privilege('public', l.oid, 'USAGE')",
    ),
    (
        "server_version",
        "SELECT current_setting('server_version'), \
         'older than 15.19, 16.15, 17.11 or 18.6, which close known holes', '' \
         FROM (SELECT current_setting('server_version_num')::int AS number) v \
         WHERE v.number < 150019 OR v.number BETWEEN 160000 AND 160014 \
         OR v.number BETWEEN 170000 AND 170010 OR v.number BETWEEN 180000 AND 180005",
    ),
];
