#!/usr/bin/env bash
# psql, and with it libpq. Prints `ok NAME`, `FAIL NAME why` or `skip NAME why` per scenario.
# Arguments: DSN and the name under which it works. $PSQL is the program.
set -uo pipefail
DSN=$1 NAME=$2
ENDLESS='SELECT count(*) FROM billing.numbers a CROSS JOIN billing.numbers b CROSS JOIN billing.numbers c'

sql() { "$PSQL" --no-psqlrc --no-align --tuples-only --quiet -v ON_ERROR_STOP=1 -d "$DSN" "$@"; }

# same WHAT EXPECTED FOUND
same() { [ "$2" = "$3" ] || { printf '%s: expected <%s>, found <%s>\n' "$1" "$2" "$3"; exit 1; }; }

# fails SQLSTATE SQL: an error, after which the same connection goes on.
fails() {
  local said
  said=$(sql -v ON_ERROR_STOP=0 -v VERBOSITY=verbose -c "$2" -c "SELECT 'goes on'" 2>&1)
  case $said in
    *"ERROR:  $1: "*"goes on"*) ;;
    *) printf '%s: expected %s, found <%s>\n' "$2" "$1" "$said"; exit 1 ;;
  esac
}

# ask WHAT: has the harness do what the program itself may not.
ask() {
  printf 'ask %s\n' "$1" >&3
  local answer
  read -r answer
  same "$1" "done" "$answer"
}

connect() {
  same "select" 1 "$(sql -c 'SELECT 1')"
  local said mode
  said=$(sql -d "${DSN/:cst_*@/:cst_wrong@}" -c 'SELECT 1' 2>&1)
  [[ $said == *"password authentication failed"* ]] || { echo "wrong password: $said"; exit 1; }
  for mode in disable allow prefer; do
    same "sslmode $mode" 1 "$(sql -d "$DSN?sslmode=$mode&gssencmode=prefer" -c 'SELECT 1')"
  done
  ! sql -d "$DSN?sslmode=require" -c 'SELECT 1' 2>/dev/null || { echo "TLS out of nothing"; exit 1; }
}

parameters() {
  same "variables" "Customer 7" "$(echo "SELECT name FROM billing.customers WHERE id = :id AND name = :'name';" | sql -v id=7 -v name='Customer 7')"
  same "insert" "$NAME-recorded|1" "$(echo "INSERT INTO billing.notes (tag, amount) VALUES (:'tag', 1) RETURNING tag, amount;" | sql -v tag="$NAME-recorded")"
  same "update" "42" "$(sql -c "UPDATE billing.notes SET amount = 42 WHERE tag = '$NAME-recorded'" -c "SELECT amount FROM billing.notes WHERE tag = '$NAME-recorded'")"
  sql -c "DELETE FROM billing.notes WHERE tag = '$NAME-recorded'"
}

types() {
  local row='t|-2|9007199254740993|1.5|-2.25|12345.6789|naïve ☃ text|2026-02-28|2026-02-28 12:34:56.789|1 day 02:03:04|{"k": [1, null, "x"]}|\x00ff10|{1,2,NULL}'
  local columns='b, i2, i8, f4, f8, n, t, d, ts, iv, j, by, a'
  same "read" "$row" "$(sql -c "SELECT $columns FROM billing.kinds WHERE id = 1")"
  same "written" "$row" "$(sql <<SQL
BEGIN;
INSERT INTO billing.kinds (id, $columns) VALUES (99, true, -2, 9007199254740993, 1.5, -2.25, 12345.6789, 'naïve ☃ text',
  '2026-02-28', '2026-02-28 12:34:56.789', '1 day 02:03:04', '{"k": [1, null, "x"]}', '\\x00ff10', '{1,2,NULL}');
SELECT $columns FROM billing.kinds WHERE id = 99;
ROLLBACK;
SQL
)"
}

masks() {
  local said
  said=$(sql -c 'SELECT account_number, ssn, email FROM billing.customers WHERE id = 7')
  case $said in *SECRET* | *900-* | *customer7*) echo "a value: $said"; exit 1 ;; esac
  [[ $said == *"0007|********|"*"@mail.example" ]] || { echo "no mask: $said"; exit 1; }
}

transaction() {
  sql --single-transaction -c "INSERT INTO billing.notes (tag) VALUES ('$NAME-single')" -c "INSERT INTO billing.notes (tag) VALUES ('$NAME-single-2')"
  same "outer" "$NAME-outer|$NAME-single|$NAME-single-2" "$(sql <<SQL
BEGIN ISOLATION LEVEL SERIALIZABLE;
INSERT INTO billing.notes (tag) VALUES ('$NAME-outer');
SAVEPOINT s;
INSERT INTO billing.notes (tag) VALUES ('$NAME-inner');
ROLLBACK TO SAVEPOINT s;
RELEASE SAVEPOINT s;
COMMIT;
SELECT string_agg(tag, '|' ORDER BY tag) FROM billing.notes WHERE tag LIKE '$NAME-%';
SQL
)"
  # Several statements in one Query are one transaction.
  same "one Query" 2 "$(sql -c "INSERT INTO billing.notes (tag) VALUES ('$NAME-q1'); INSERT INTO billing.notes (tag) VALUES ('$NAME-q2'); SELECT count(*) FROM billing.notes WHERE tag LIKE '$NAME-q%'")"
}

rollback() {
  local said
  said=$(sql -v ON_ERROR_STOP=0 -v VERBOSITY=verbose 2>&1 <<SQL
BEGIN;
INSERT INTO billing.notes (tag) VALUES ('$NAME-gone');
ROLLBACK;
BEGIN;
INSERT INTO billing.notes (tag) VALUES ('$NAME-gone');
SELECT amount FROM hr.salaries;
SELECT 1;
ROLLBACK;
SELECT 'left: ' || count(*) FROM billing.notes WHERE tag = '$NAME-gone';
SQL
)
  [[ $said == *42501*25P02*"left: 0"* ]] || { echo "$said"; exit 1; }
  # \set ON_ERROR_ROLLBACK puts a savepoint before each statement.
  said=$(sql -v ON_ERROR_STOP=0 -v ON_ERROR_ROLLBACK=on 2>&1 <<SQL
BEGIN;
INSERT INTO billing.notes (tag) VALUES ('$NAME-kept');
SELECT amount FROM hr.salaries;
SELECT 'left: ' || count(*) FROM billing.notes WHERE tag = '$NAME-kept';
ROLLBACK;
SQL
)
  [[ $said == *"left: 1"* ]] || { echo "ON_ERROR_ROLLBACK: $said"; exit 1; }
  said=$(sql -c "INSERT INTO billing.notes (tag) VALUES ('$NAME-half'); SELECT 1/0" 2>&1)
  same "one Query" 0 "$(sql -c "SELECT count(*) FROM billing.notes WHERE tag = '$NAME-half'")"
}

error() {
  sql -c "INSERT INTO billing.notes (tag) VALUES ('$NAME-unique')"
  fails 23505 "INSERT INTO billing.notes (tag) VALUES ('$NAME-unique')"
  fails 23514 "INSERT INTO billing.notes (tag, amount) VALUES ('check', -1)"
  fails 22012 "SELECT 1 / (n - n) FROM billing.numbers WHERE n = 1"
  fails 42601 "SELEC 1"
  fails 42703 "SELECT nothing FROM billing.notes"
  fails 42501 "SELECT amount FROM hr.salaries"
  fails 42501 "SELECT name FROM billing.customers WHERE ssn = '900-55-0007'"
}

cancel() {
  local said began=$SECONDS
  # Ctrl-C: psql sends a CancelRequest and goes on.
  said=$(
    "$PSQL" --no-psqlrc -At -v VERBOSITY=verbose -d "$DSN" -c "$ENDLESS" -c "SELECT 'goes on'" 2>&1 &
    sleep 0.5
    kill -INT $!
    wait $!
  )
  [[ $said == *57014* ]] || { echo "$said"; exit 1; }
  [ $((SECONDS - began)) -lt 6 ] || { echo "too late"; exit 1; }
  same "after" 1 "$(sql -c 'SELECT 1')"
}

big() {
  same "whole" "200000 20688895" "$(sql -c 'SELECT id, filler FROM billing.big' | wc -lc | awk '{print $1, $2}')"
  # In portions: psql declares a cursor.
  same "portions" 50000 "$(echo 'SELECT n FROM billing.numbers' | sql -v FETCH_COUNT=1000 | wc -l)"
}

copy() {
  seq 0 999 | awk -v name="$NAME" '{print name "-copy-" $1 "\t\\N\t" $1}' |
    sql -c '\copy billing.notes (tag, body, amount) from pstdin' || exit 1
  same "in" "1000|499500" "$(sql -c "SELECT count(*), sum(amount) FROM billing.notes WHERE tag LIKE '$NAME-copy-%'")"
  same "out" "$NAME-copy-1,1" "$(sql -c "\\copy (SELECT tag, amount FROM billing.notes WHERE tag LIKE '$NAME-copy-%' ORDER BY amount) to pstdout (format csv)" | sed -n 2p)"
  local said
  said=$(sql -c 'COPY billing.customers (id, ssn) TO STDOUT')
  same "rows" 500 "$(wc -l <<<"$said")"
  case $said in *900-*) echo "a value: ${said:0:200}"; exit 1 ;; esac
  same "binary" PGCOPY "$(sql -c '\copy (SELECT n FROM billing.numbers WHERE n < 3) to pstdout (format binary)' | head -c 6)"
}

prepared() {
  coproc PSQL_SESSION { sql 2>&1; }
  local i label name=label change
  run() { printf '%s\n' "$1" >&"${PSQL_SESSION[1]}"; }
  next() { read -r -t 20 label <&"${PSQL_SESSION[0]}" || { echo "no answer to $1"; exit 1; }; }
  run "PREPARE label (int) AS SELECT label FROM billing.changing WHERE id = \$1;"
  for i in $(seq 1 100); do
    run "EXECUTE $name($i);"
    next "EXECUTE $i"
    same "execution $i" "label $i" "$label"
  done
  for change in add-column change-type; do
    ask $change <&4
    if [ $change = change-type ]; then
      run "\\set ON_ERROR_STOP off"
      run "EXECUTE $name(1);"
      next "EXECUTE after $change"
      if [[ $label == *"cached plan must not change result type"* ]]; then
        run "DEALLOCATE $name; PREPARE again (int) AS SELECT label FROM billing.changing WHERE id = \$1;"
        name=again
      else
        same "execution after $change" "label 1" "$label"
      fi
      run "\\echo ready"
      until [ "$label" = ready ]; do next ready; done
    fi
    for i in $(seq 1 20); do
      run "EXECUTE $name($i);"
      next "EXECUTE $i after $change"
      same "execution $i after $change" "label $i" "$label"
    done
  done
  run "DEALLOCATE ALL;"
  run "\\echo ready"
  next ready
  same "deallocated" ready "$label"
  run '\q'
  wait "$PSQL_SESSION_PID"
}

pool() { return 77; }

catalog() {
  local said
  said=$(sql -c '\dt billing.*' 2>&1) || { echo "$said"; exit 1; }
  same '\dt' "big changing customers kinds notes numbers" "$(cut -d'|' -f2 <<<"$said" | sort | xargs)"
  said=$(sql -c '\d billing.customers' 2>&1) || { echo "$said"; exit 1; }
  [[ $said == *account_number* && $said != *balance* ]] || { echo "\\d: $said"; exit 1; }
  said=$(sql -c '\dt hr.*' 2>&1)
  [[ $said != *salaries* ]] || { echo "shows what is not granted: $said"; exit 1; }
  said=$(sql -c '\dn' 2>&1) || { echo "$said"; exit 1; }
  [[ $said == *billing* ]] || { echo "\\dn: $said"; exit 1; }
}

exec 3>&1 4<&0
for scenario in connect parameters types masks transaction rollback error cancel big copy prepared pool catalog; do
  why=$("$scenario" 2>&1 </dev/null)
  case $? in
    0) echo "ok $scenario" ;;
    77) echo "skip $scenario psql has one connection" ;;
    *) echo "FAIL $scenario $(tr '\n' ' ' <<<"$why" | head -c 600)" ;;
  esac
done
