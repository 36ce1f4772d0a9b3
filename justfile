# The same steps as scripts/test, one at a time. `just` shows the list.

_list:
    @just --list

# Everything that CI checks.
ci:
    scripts/test

# Shows the product.
demo *options:
    scripts/demo {{ options }}

fmt:
    cargo fmt --all

fmt-check:
    cargo fmt --all --check

lint:
    cargo clippy --locked --workspace --all-targets -- --deny warnings

doc:
    RUSTDOCFLAGS='--deny warnings' cargo doc --locked --workspace --no-deps

deny:
    cargo deny --locked check licenses bans sources

# Only the tests, of these only those whose name has `name` in it.
test name='':
    scripts/test {{ name }}

# The rules of the house.
tidy:
    cargo test --locked --package tidy

# A real gateway before a real PostgreSQL.
e2e:
    cargo test --locked --package e2e
