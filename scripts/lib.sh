# What the scripts share: messages, and installing what is missing. To be sourced, by bash.
#
# Everything here works as root and as an ordinary user with sudo, and asks nothing. A tool that is
# there already is used as it is; nothing is upgraded behind the user's back.

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"

# The Rust that this code needs, and the one that is installed where there is none or an older one.
RUST_NEEDED=1.95
RUST_INSTALLED=1.95.0
NODE_NEEDED=20
NODE_INSTALLED=20.18.0
# The PostgreSQL on which what depends on its version is tested too; npm brings it where it is missing.
POSTGRESQL_ALSO=18
CARGO_DENY_VERSION=0.20.2
CARGO_FUZZ_VERSION=0.13.2

TARGET=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-auto}

if [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; then BOLD=$'\e[1m' PLAIN=$'\e[0m'; else BOLD='' PLAIN=''; fi

# say TEXT...: a headline.
say() { printf '%s== %s%s\n' "$BOLD" "$*" "$PLAIN"; }

# fail TEXT...: says what is wrong and what to do, and ends the script.
fail() {
  printf '\n%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# have PROGRAM: true if it is on the path.
have() { command -v "$1" >/dev/null 2>&1; }

# as_root COMMAND...: with sudo if need be.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# install_packages WHY PACKAGE...: with apt-get, whose lists are fetched once for each run.
APT_UPDATED=no
install_packages() {
  local why=$1
  shift
  have apt-get || fail "$why is missing. This is no Debian or Ubuntu: install it yourself (there: $*)."
  if [ "$(id -u)" != 0 ] && ! { have sudo && sudo -n true 2>/dev/null; }; then
    fail "$why is missing, and you are neither root nor may you use sudo without a password." \
      "Ask for: apt-get install $*"
  fi
  say "Installing $* ($why)"
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
  if [ "$APT_UPDATED" = no ]; then
    as_root "${apt[@]}" update >/dev/null || fail "apt-get update failed: is there a network?"
    APT_UPDATED=yes
  fi
  as_root "${apt[@]}" install --no-install-recommends "$@" >/dev/null ||
    fail "$why cannot be installed: apt-get install $* failed, see above."
}

# is_at_least HAVE WANTED: compares versions.
is_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

cargo_version() { cargo --version 2>/dev/null | awk '{print $2}'; }

need_rust() {
  if ! have cargo && [ -x "${CARGO_HOME:-$HOME/.cargo}/bin/cargo" ]; then
    PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
  fi
  if have cargo && is_at_least "$(cargo_version)" "$RUST_NEEDED"; then return; fi
  say "Installing Rust $RUST_INSTALLED (found: $(cargo_version || true))"
  if have rustup; then
    rustup toolchain install "$RUST_INSTALLED" --profile minimal --component clippy,rustfmt ||
      fail "rustup cannot install Rust $RUST_INSTALLED: is https://static.rust-lang.org reachable?"
    export RUSTUP_TOOLCHAIN=$RUST_INSTALLED
    return
  fi
  have curl || install_packages "curl, to fetch rustup," curl ca-certificates
  local installer
  installer=$(curl --proto '=https' --tlsv1.2 -sSf https://static.rust-lang.org/rustup/rustup-init.sh) ||
    fail "Rust $RUST_NEEDED or newer is needed and https://static.rust-lang.org is not reachable. Install Rust yourself."
  printf '%s\n' "$installer" | sh -s -- -y --no-modify-path --profile minimal \
    --component clippy,rustfmt --default-toolchain "$RUST_INSTALLED" ||
    fail "rustup cannot install Rust $RUST_INSTALLED, see above."
  PATH="${CARGO_HOME:-$HOME/.cargo}/bin:$PATH"
}

need_rust_components() {
  local component
  for component in clippy fmt; do
    cargo "$component" --version >/dev/null 2>&1 && continue
    have rustup || fail "cargo $component is missing: install it beside your Rust."
    rustup component add "${component/#fmt/rustfmt}" || fail "rustup cannot add $component."
  done
}

# The cryptography and PostgreSQL's grammar are C; bindgen reads the latter's headers with libclang.
need_c_compiler() {
  if ! have cc || ! have make; then install_packages "A C compiler" build-essential; fi
  has_libclang || install_packages "libclang" libclang-dev
}

has_libclang() {
  [ -n "${LIBCLANG_PATH:-}" ] && return
  local found
  for found in /usr/lib/llvm-*/lib/libclang*.so* /usr/lib/*/libclang*.so* /usr/lib*/libclang*.so* \
    /usr/local/lib/libclang*.so*; do
    case $found in *libclang-cpp*) continue ;; esac
    [ -e "$found" ] && return
  done
  return 1
}

# PostgreSQL's server programs. Debian's package would also start a server of its own: not wanted.
need_postgresql() {
  local found
  for found in /usr/lib/postgresql/*/bin/initdb; do [ -x "$found" ] && return; done
  have initdb && have postgres && return
  local settings=/etc/postgresql-common/createcluster.conf
  if [ ! -e "$settings" ]; then
    install_packages "PostgreSQL" postgresql-common
    [ ! -e "$settings" ] ||
      as_root sed -i 's/^#* *create_main_cluster.*/create_main_cluster = false/' "$settings"
  fi
  install_packages "PostgreSQL" postgresql postgresql-client
}

# The driver tests make a virtual environment of their own.
need_python() {
  if ! have python3 || ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    install_packages "Python 3 with venv" python3 python3-venv
  fi
}

# The driver tests install their packages below the build directory.
need_node() {
  if ! have node || ! have npm; then install_packages "Node with npm" nodejs npm; fi
  is_at_least "$(node --version | tr -d v)" "$NODE_NEEDED" && return
  # Older distributions have an older one. The registry's own package carries the program.
  say "Installing Node $NODE_INSTALLED into $TARGET/tools (found: $(node --version))"
  npm install --silent --no-fund --no-audit --prefix "$TARGET/tools/node" "node@$NODE_INSTALLED" ||
    fail "Node $NODE_NEEDED or newer is needed for the driver tests, and npm cannot install it."
  PATH="$TARGET/tools/node/node_modules/.bin:$PATH"
}

# A JDK, because the driver tests run a source file, and the JDBC driver of the distribution.
need_java() {
  java --list-modules 2>/dev/null | grep -q '^jdk.compiler' || install_packages "A JDK" default-jdk-headless
  [ -e /usr/share/java/postgresql.jar ] || install_packages "PostgreSQL's JDBC driver" libpostgresql-jdbc-java
}

# Checks licences, sources and duplicates. Built without optimisation: it runs for a second.
need_cargo_deny() {
  CARGO_DENY=(cargo deny)
  cargo deny --version >/dev/null 2>&1 && return
  CARGO_DENY=("$TARGET/tools/bin/cargo-deny" deny)
  [ "$("${CARGO_DENY[0]}" deny --version 2>/dev/null)" = "cargo-deny $CARGO_DENY_VERSION" ] && return
  say "Installing cargo-deny $CARGO_DENY_VERSION into $TARGET/tools (one to two minutes, once)"
  cargo install --locked --debug --quiet cargo-deny --version "$CARGO_DENY_VERSION" \
    --root "$TARGET/tools" --target-dir "$TARGET/tools/build" ||
    fail "cargo-deny cannot be installed: is crates.io reachable?"
}

# Runs libFuzzer on the targets of `fuzz`. Only `scripts/fuzz` needs it.
need_cargo_fuzz() {
  CARGO_FUZZ=(cargo fuzz)
  cargo fuzz --version >/dev/null 2>&1 && return
  CARGO_FUZZ=("$TARGET/tools/bin/cargo-fuzz" fuzz)
  [ "$("${CARGO_FUZZ[0]}" fuzz --version 2>/dev/null)" = "cargo-fuzz $CARGO_FUZZ_VERSION" ] && return
  say "Installing cargo-fuzz $CARGO_FUZZ_VERSION into $TARGET/tools (once)"
  cargo install --locked --debug --quiet cargo-fuzz --version "$CARGO_FUZZ_VERSION" \
    --root "$TARGET/tools" --target-dir "$TARGET/tools/build" ||
    fail "cargo-fuzz cannot be installed: is crates.io reachable?"
}
