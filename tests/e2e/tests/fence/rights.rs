//! What a session's role may do on the target, as the target itself says.

use super::World;

/// Every right on a user's relation, column by column, that a role has by any way.
fn rights(world: &World, role: &str) -> Vec<String> {
    world.names(&format!(
        "SELECT format('%s %s.%s(%s)', p, n.nspname, c.relname, string_agg(a.attname, ',' ORDER BY a.attnum)) \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 \
         CROSS JOIN unnest(ARRAY['SELECT','INSERT','UPDATE','REFERENCES']) p \
         WHERE c.relkind IN ('r','p','v','m','f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
         AND has_column_privilege('{role}', c.oid, a.attnum, p) GROUP BY p, n.nspname, c.relname, c.oid \
         UNION ALL SELECT format('%s %s.%s', p, n.nspname, c.relname) FROM pg_class c \
         JOIN pg_namespace n ON n.oid = c.relnamespace \
         CROSS JOIN unnest(ARRAY['SELECT','INSERT','UPDATE','DELETE','TRUNCATE','REFERENCES','TRIGGER']) p \
         WHERE c.relkind IN ('r','p','v','m','f') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' \
         AND has_table_privilege('{role}', c.oid, p) ORDER BY 1"
    ))
}

#[test]
fn a_session_is_a_role_with_exactly_what_the_grants_give() {
    let world = World::new();
    let mut wire = world.connect();

    let role = world.role();

    assert_eq!(
        rights(&world, &role),
        [
            "DELETE billing.notes",
            "INSERT billing.notes(id,tag,body,amount)",
            "SELECT billing.customers(id,name,plan)",
            "SELECT billing.notes(id,tag,body,amount)",
            "SELECT billing.numbers(n,label)",
            "UPDATE billing.notes(id,tag,body,amount)",
        ]
    );
    let attributes = world.database.value(&format!(
        "SELECT concat_ws(',', rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, \
         rolconnlimit, rolvaliduntil < now()) FROM pg_roles WHERE rolname = '{role}'"
    ));
    assert_eq!(attributes, "f,f,f,f,f,1,t");
    // Reads are masked, writes work, and what is not granted is denied as before.
    let answer = wire.simple("SELECT id, name, ssn FROM billing.customers WHERE id = 7");
    let cell = |text: &str| Some(text.to_owned());
    assert_eq!(answer.texts(), [[cell("7"), cell("Customer 7"), cell("********")]]);
    for sql in [
        "INSERT INTO billing.notes(tag, body) VALUES ('a', 'b')",
        "UPDATE billing.notes SET body = 'c' WHERE tag = 'a'",
        "DELETE FROM billing.notes WHERE tag = 'a'",
    ] {
        assert_eq!(wire.simple(sql).tags().len(), 1, "{sql}");
    }
    let denied = wire.simple("SELECT amount FROM hr.salaries");
    assert_eq!(denied.errors()[0].sqlstate, "42501");
}

#[test]
fn the_mode_and_the_role_stand_in_the_record() {
    let world = World::new();
    let wire = world.connect();
    let role = world.role();
    drop(wire);
    e2e::wait::until("the role's end is on record", || {
        (e2e::ledger::of_kind(&world.gateway, "fence_role").len() == 2).then_some(())
    });

    let records = e2e::ledger::records(&world.gateway, "access");
    let opened = records.iter().find(|record| record.leaf["kind"] == "session_opened").unwrap();
    assert_eq!(opened.leaf["mode"], "fenced");
    let changes: Vec<String> = records
        .iter()
        .filter(|record| record.leaf["kind"] == "fence_role")
        .map(|record| {
            assert_eq!(record.leaf["role"], role.as_str());
            assert_eq!(record.leaf["session"], opened.leaf["session"]);
            record.leaf["change"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(changes, ["created", "dropped"]);
    let loaded = e2e::ledger::records(&world.gateway, "control");
    let loaded = loaded.iter().find(|record| record.leaf["kind"] == "target_loaded").unwrap();
    assert_eq!(loaded.leaf["mode"], "fenced");
}
