// The JDBC driver of PostgreSQL: PreparedStatement, batches, fetch size, CopyManager, DatabaseMetaData,
// and what connection pools do with a connection.
//
// Prints `ok NAME`, `FAIL NAME why` or `skip NAME why` per scenario. Arguments: DSN and the name under
// which it works.

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.StringReader;
import java.math.BigDecimal;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Properties;
import java.util.Set;
import java.util.Timer;
import java.util.TimerTask;
import java.util.TreeSet;
import java.util.UUID;
import org.postgresql.PGConnection;
import org.postgresql.ds.PGConnectionPoolDataSource;

public class Work {
  static final String ENDLESS =
      "SELECT count(*) FROM billing.numbers a CROSS JOIN billing.numbers b CROSS JOIN billing.numbers c";
  static URI dsn;
  static String name;

  interface Scenario {
    void run() throws Exception;
  }

  public static void main(String[] arguments) {
    dsn = URI.create(arguments[0]);
    name = arguments[1];
    run("connect", Work::connect);
    run("parameters", Work::parameters);
    run("types", Work::types);
    run("masks", Work::masks);
    run("transaction", Work::transaction);
    run("rollback", Work::rollback);
    run("error", Work::error);
    run("cancel", Work::cancel);
    run("big", Work::big);
    run("copy", Work::copy);
    run("prepared", Work::prepared);
    run("pool", Work::pool);
    run("catalog", Work::catalog);
  }

  static void run(String scenario, Scenario work) {
    try {
      work.run();
      System.out.println("ok " + scenario);
    } catch (Throwable error) {
      int line = 0;
      for (StackTraceElement frame : error.getStackTrace()) {
        if (line == 0 && frame.getClassName().startsWith("Work") && !frame.getMethodName().equals("same")) {
          line = frame.getLineNumber();
        }
      }
      System.out.println("FAIL " + scenario + " line " + line + ": " + error.toString().replaceAll("\\s+", " "));
    }
  }

  static String url() {
    return "jdbc:postgresql://" + dsn.getHost() + ":" + dsn.getPort() + dsn.getPath();
  }

  static Connection open(String... more) throws SQLException {
    Properties properties = new Properties();
    properties.setProperty("user", dsn.getUserInfo().split(":")[0]);
    properties.setProperty("password", dsn.getUserInfo().split(":")[1]);
    for (int i = 0; i < more.length; i += 2) properties.setProperty(more[i], more[i + 1]);
    return DriverManager.getConnection(url(), properties);
  }

  static String tag(String text) {
    return name + "-" + text;
  }

  static void same(Object found, Object expected) {
    if (!String.valueOf(expected).equals(String.valueOf(found))) {
      throw new AssertionError("expected <" + expected + ">, found <" + found + ">");
    }
  }

  static void fails(String sqlstate, Scenario work) throws Exception {
    try {
      work.run();
    } catch (SQLException error) {
      same(error.getSQLState(), sqlstate);
      return;
    }
    throw new AssertionError("no error, expected " + sqlstate);
  }

  static Object value(Connection connection, String sql, Object... values) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int i = 0; i < values.length; i++) statement.setObject(i + 1, values[i]);
      try (ResultSet rows = statement.executeQuery()) {
        return rows.next() ? rows.getObject(1) : null;
      }
    }
  }

  static int change(Connection connection, String sql, Object... values) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int i = 0; i < values.length; i++) statement.setObject(i + 1, values[i]);
      return statement.executeUpdate();
    }
  }

  static void ask(String what) throws Exception {
    System.out.println("ask " + what);
    System.out.flush();
    StringBuilder answer = new StringBuilder();
    for (int c = System.in.read(); c != '\n' && c >= 0; c = System.in.read()) answer.append((char) c);
    same(answer, "done");
  }

  static void connect() throws Exception {
    for (String mode : new String[] {"extended", "simple", "extendedForPrepared", "extendedCacheEverything"}) {
      try (Connection connection = open("preferQueryMode", mode, "ApplicationName", "work")) {
        same(value(connection, "SELECT 1"), 1);
      }
    }
    try (Connection connection = open("readOnly", "true", "readOnlyMode", "always")) {
      same(value(connection, "SELECT 1"), 1);
      fails("25006", () -> change(connection, "DELETE FROM billing.notes WHERE tag = 'nothing'"));
    }
    fails("28P01", () -> open("password", "cst_wrong"));
  }

  static void parameters() throws Exception {
    try (Connection connection = open()) {
      same(value(connection, "SELECT name FROM billing.customers WHERE id = ? AND name = ?", 7, "Customer 7"), "Customer 7");
      java.sql.Array ids = connection.createArrayOf("int4", new Integer[] {3, 1});
      same(value(connection, "SELECT count(*) FROM billing.customers WHERE id = ANY(?)", ids), 2);
      String insert = "INSERT INTO billing.notes (tag, body, amount) VALUES (?, ?, ?)";
      try (PreparedStatement statement = connection.prepareStatement(insert, Statement.RETURN_GENERATED_KEYS)) {
        statement.setString(1, tag("recorded"));
        statement.setNull(2, java.sql.Types.VARCHAR);
        statement.setInt(3, 1);
        same(statement.executeUpdate(), 1);
        try (ResultSet keys = statement.getGeneratedKeys()) {
          same(keys.next() && keys.getLong("id") > 0, true);
        }
      }
      try (PreparedStatement statement = connection.prepareStatement(insert, new String[] {"id"})) {
        statement.setString(1, tag("key"));
        statement.setString(2, "body");
        statement.setInt(3, 1);
        same(statement.executeUpdate(), 1);
      }
      same(change(connection, "UPDATE billing.notes SET amount = ? WHERE tag = ?", 42, tag("recorded")), 1);
      try (PreparedStatement statement = connection.prepareStatement(insert)) {
        for (int i = 0; i < 300; i++) {
          statement.setString(1, tag("many-" + i));
          statement.setString(2, "body");
          statement.setInt(3, i);
          statement.addBatch();
        }
        same(Arrays.stream(statement.executeBatch()).sum(), 300);
      }
      same(change(connection, "DELETE FROM billing.notes WHERE tag LIKE ?", tag("many-%")), 300);
    }
    try (Connection connection = open("reWriteBatchedInserts", "true");
        PreparedStatement statement = connection.prepareStatement("INSERT INTO billing.notes (tag, amount) VALUES (?, ?)")) {
      for (int i = 0; i < 100; i++) {
        statement.setString(1, tag("rewritten-" + i));
        statement.setInt(2, i);
        statement.addBatch();
      }
      same(statement.executeBatch().length, 100);
      same(change(connection, "DELETE FROM billing.notes WHERE tag LIKE ?", tag("rewritten-%")), 100);
    }
  }

  static void types() throws Exception {
    try (Connection connection = open("prepareThreshold", "1")) {
      connection.setAutoCommit(false);
      String columns = "b, i2, i8, f4, f8, n, t, v, d, tz, u, j, by, a";
      Object[] row = row(connection, "SELECT " + columns + " FROM billing.kinds WHERE id = ?", 1);
      // The second time in binary format.
      same(Arrays.toString(row(connection, "SELECT " + columns + " FROM billing.kinds WHERE id = ?", 1)), Arrays.toString(row));
      same(Arrays.toString(Arrays.copyOf(row, 8)), "[true, -2, 9007199254740993, 1.5, -2.25, 12345.6789, naïve ☃ text, short]");
      same(row[8], "2026-02-28");
      same(row[10], "6f1c2d3e-0000-4000-8000-000000000001");
      same(row[11], "{\"k\": [1, null, \"x\"]}");
      same(row[12], "[0, -1, 16]");
      same(row[13], "[1, 2, null]");
      String insert = "INSERT INTO billing.kinds (id, b, i8, n, t, d, tz, u, j, by, a) VALUES (99, ?, ?, ?, ?, ?, ?, ?, ?::jsonb, ?, ?)";
      same(change(connection, insert, true, 5L, new BigDecimal("1.10"), "t'\\", LocalDate.of(1999, 12, 31),
          OffsetDateTime.parse("1999-12-31T00:00:00Z"), new UUID(0, 5), "[1]", new byte[] {1, 2},
          connection.createArrayOf("int4", new Integer[] {4, null})), 1);
      same(Arrays.toString(row(connection, "SELECT b, i8, n, t, d, u, j, by, a FROM billing.kinds WHERE id = ?", 99)),
          "[true, 5, 1.10, t'\\, 1999-12-31, 00000000-0000-0000-0000-000000000005, [1], [1, 2], [4, null]]");
      connection.rollback();
    }
  }

  static Object[] row(Connection connection, String sql, int id) throws SQLException {
    List<Object> values = new ArrayList<>();
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setInt(1, id);
      try (ResultSet rows = statement.executeQuery()) {
        rows.next();
        for (int i = 1; i <= rows.getMetaData().getColumnCount(); i++) {
          Object value = rows.getObject(i);
          if (value instanceof byte[] bytes) value = Arrays.toString(bytes);
          if (value instanceof java.sql.Array array) value = Arrays.toString((Object[]) array.getArray());
          values.add(value);
        }
      }
    }
    return values.toArray();
  }

  static void masks() throws Exception {
    try (Connection connection = open("prepareThreshold", "1")) {
      for (int i = 0; i < 3; i++) {
        String sql = "SELECT account_number || '', ssn, email FROM billing.customers WHERE id = ?";
        fails("42501", () -> value(connection, sql, 7));
        Object[] row = row(connection, "SELECT account_number, ssn, email FROM billing.customers WHERE id = ?", 7);
        if (!row[0].toString().endsWith("0007") || row[0].toString().contains("SECRET")) throw new AssertionError(row[0]);
        same(row[1], "********");
        if (row[2].toString().contains("customer7")) throw new AssertionError(row[2]);
      }
    }
  }

  static void transaction() throws Exception {
    try (Connection connection = open()) {
      connection.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
      same(connection.getTransactionIsolation(), Connection.TRANSACTION_SERIALIZABLE);
      connection.setAutoCommit(false);
      change(connection, "INSERT INTO billing.notes (tag) VALUES (?)", tag("outer"));
      Savepoint savepoint = connection.setSavepoint();
      change(connection, "INSERT INTO billing.notes (tag) VALUES (?)", tag("inner"));
      connection.rollback(savepoint);
      connection.releaseSavepoint(savepoint);
      connection.commit();
      connection.setReadOnly(true);
      same(value(connection, "SELECT string_agg(tag, ',') FROM billing.notes WHERE tag IN (?, ?)", tag("outer"), tag("inner")), tag("outer"));
      fails("25006", () -> change(connection, "DELETE FROM billing.notes WHERE tag = 'nothing'"));
      connection.rollback();
      connection.setReadOnly(false);
      connection.setAutoCommit(true);
      connection.setTransactionIsolation(Connection.TRANSACTION_READ_COMMITTED);
      same(change(connection, "UPDATE billing.notes SET amount = 1 WHERE tag = ?", tag("outer")), 1);
    }
  }

  static void rollback() throws Exception {
    try (Connection connection = open()) {
      connection.setAutoCommit(false);
      change(connection, "INSERT INTO billing.notes (tag) VALUES (?)", tag("gone"));
      connection.rollback();
      change(connection, "INSERT INTO billing.notes (tag) VALUES (?)", tag("gone"));
      fails("42501", () -> value(connection, "SELECT amount FROM hr.salaries"));
      fails("25P02", () -> value(connection, "SELECT 1"));
      connection.rollback();
      same(value(connection, "SELECT count(*) FROM billing.notes WHERE tag = ?", tag("gone")), 0);
      connection.commit();
    }
    // A savepoint before each statement, made by the driver.
    try (Connection connection = open("autosave", "always")) {
      connection.setAutoCommit(false);
      change(connection, "INSERT INTO billing.notes (tag) VALUES (?)", tag("kept"));
      fails("42501", () -> value(connection, "SELECT amount FROM hr.salaries"));
      same(value(connection, "SELECT count(*) FROM billing.notes WHERE tag = ?", tag("kept")), 1);
      connection.rollback();
    }
  }

  static void error() throws Exception {
    String[][] cases = {
      {"INSERT INTO billing.notes (tag) VALUES ('" + tag("unique") + "')", "23505"},
      {"INSERT INTO billing.notes (tag, amount) VALUES ('check', -1)", "23514"},
      {"SELECT 1 / (n - n) FROM billing.numbers WHERE n = 1", "22012"},
      {"SELEC 1", "42601"},
      {"SELECT nothing FROM billing.notes", "42703"},
      {"SELECT amount FROM hr.salaries", "42501"},
      {"SELECT name FROM billing.customers WHERE ssn = '900-55-0007'", "42501"},
    };
    try (Connection connection = open()) {
      change(connection, "INSERT INTO billing.notes (tag) VALUES (?)", tag("unique"));
      for (String[] each : cases) {
        fails(each[1], () -> change(connection, each[0]));
        same(value(connection, "SELECT 1"), 1);
      }
    }
  }

  static void cancel() throws Exception {
    try (Connection connection = open(); Statement statement = connection.createStatement()) {
      long began = System.nanoTime();
      Timer timer = new Timer(true);
      timer.schedule(new TimerTask() {
        public void run() {
          try {
            statement.cancel();
          } catch (SQLException error) {
            throw new IllegalStateException(error);
          }
        }
      }, 300);
      fails("57014", () -> statement.executeQuery(ENDLESS));
      statement.setQueryTimeout(1);
      fails("57014", () -> statement.executeQuery(ENDLESS));
      same((System.nanoTime() - began) / 1_000_000_000L < 6, true);
      statement.setQueryTimeout(0);
      same(value(connection, "SELECT 1"), 1);
    }
  }

  static void big() throws Exception {
    try (Connection connection = open()) {
      connection.setAutoCommit(false);
      try (Statement statement = connection.createStatement()) {
        // In portions: Execute with a row limit, over a suspended portal.
        statement.setFetchSize(5000);
        try (ResultSet rows = statement.executeQuery("SELECT id, filler FROM billing.big")) {
          long count = 0, sum = 0, size = 0;
          while (rows.next()) {
            count++;
            sum += rows.getInt(1);
            size += rows.getString(2).length();
          }
          same(count + " " + sum + " " + size, "200000 20000100000 19200000");
        }
        statement.setFetchSize(0);
        statement.setMaxRows(10);
        try (ResultSet rows = statement.executeQuery("SELECT id FROM billing.big")) {
          int count = 0;
          while (rows.next()) count++;
          same(count, 10);
        }
      }
      connection.commit();
    }
  }

  static void copy() throws Exception {
    try (Connection connection = open()) {
      var copy = connection.unwrap(PGConnection.class).getCopyAPI();
      StringBuilder lines = new StringBuilder();
      for (int i = 0; i < 1000; i++) lines.append(tag("copy-" + i)).append("\t\\N\t").append(i).append('\n');
      same(copy.copyIn("COPY billing.notes (tag, body, amount) FROM STDIN", new StringReader(lines.toString())), 1000);
      ByteArrayOutputStream out = new ByteArrayOutputStream();
      String sql = "COPY (SELECT tag, amount FROM billing.notes WHERE tag LIKE '" + tag("copy-") + "%' ORDER BY amount) TO STDOUT (FORMAT csv)";
      same(copy.copyOut(sql, out), 1000);
      same(out.toString(StandardCharsets.UTF_8).split("\n")[1], tag("copy-1") + ",1");
      ByteArrayInputStream wrong = new ByteArrayInputStream("x\tnot a number\n".getBytes(StandardCharsets.UTF_8));
      fails("22P02", () -> copy.copyIn("COPY billing.notes (tag, amount) FROM STDIN", wrong));
      same(value(connection, "SELECT 1"), 1);
    }
  }

  static void prepared() throws Exception {
    try (Connection connection = open("prepareThreshold", "3");
        PreparedStatement statement = connection.prepareStatement("SELECT label FROM billing.changing WHERE id = ?")) {
      labels(statement, 100);
      for (String change : new String[] {"add-column", "change-type"}) {
        ask(change);
        // In autocommit the driver prepares again by itself.
        labels(statement, 20);
      }
    }
  }

  static void labels(PreparedStatement statement, int count) throws SQLException {
    for (int id = 1; id <= count; id++) {
      statement.setInt(1, id);
      try (ResultSet rows = statement.executeQuery()) {
        rows.next();
        same(rows.getString(1), "label " + id);
      }
    }
  }

  static void pool() throws Exception {
    PGConnectionPoolDataSource source = new PGConnectionPoolDataSource();
    source.setUrl(url());
    source.setUser(dsn.getUserInfo().split(":")[0]);
    source.setPassword(dsn.getUserInfo().split(":")[1]);
    var pooled = source.getPooledConnection();
    for (int i = 1; i <= 20; i++) {
      try (Connection connection = pooled.getConnection()) {
        // As HikariCP does before it lends a connection.
        same(connection.isValid(2), true);
        connection.setNetworkTimeout(Runnable::run, 5000);
        same(value(connection, "SELECT n FROM billing.numbers WHERE n = ?", i), i);
        connection.setAutoCommit(false);
        change(connection, "INSERT INTO billing.notes (tag) VALUES (?)", tag("pooled"));
        fails("42501", () -> value(connection, "SELECT amount FROM hr.salaries"));
        // Not committed: it is rolled back when the connection goes home.
      }
    }
    try (Connection connection = pooled.getConnection(); Statement statement = connection.createStatement()) {
      same(value(connection, "SELECT count(*) FROM billing.notes WHERE tag = ?", tag("pooled")), 0);
      connection.setSchema("billing");
      same(value(connection, "SELECT count(*) FROM changing"), 100);
      statement.execute("DISCARD ALL");
      // No table of that name, or none that is granted: it reads the same.
      fails("42501", () -> value(connection, "SELECT count(*) FROM changing"));
    }
    pooled.close();
  }

  static void catalog() throws Exception {
    try (Connection connection = open()) {
      DatabaseMetaData data = connection.getMetaData();
      same(data.getDatabaseMajorVersion() >= 15, true);
      Set<String> expected = new HashSet<>(List.of("customers", "notes", "numbers", "big", "kinds", "changing"));
      Set<String> found = new HashSet<>();
      try (ResultSet tables = data.getTables(null, null, "%", new String[] {"TABLE"})) {
        while (tables.next()) found.add(tables.getString("TABLE_NAME"));
      }
      same(new TreeSet<>(found), new TreeSet<>(expected));
      List<String> columns = new ArrayList<>();
      try (ResultSet each = data.getColumns(null, "billing", "customers", "%")) {
        while (each.next()) columns.add(each.getString("COLUMN_NAME") + ":" + each.getString("TYPE_NAME"));
      }
      same(columns, "[id:int4, name:text, plan:text, account_number:text, ssn:text, email:text]");
      try (ResultSet keys = data.getPrimaryKeys(null, "billing", "notes")) {
        same(keys.next() ? keys.getString("COLUMN_NAME") : null, "id");
      }
      found.clear();
      try (ResultSet schemas = data.getSchemas()) {
        while (schemas.next()) found.add(schemas.getString(1));
      }
      same(found.contains("billing"), true);
      try (PreparedStatement statement = connection.prepareStatement("SELECT id, tag FROM billing.notes WHERE id = ?")) {
        // Asks the catalog for the columns' tables.
        same(statement.getMetaData().getTableName(2), "notes");
        same(statement.getParameterMetaData().getParameterTypeName(1), "int8");
      }
    }
  }
}
