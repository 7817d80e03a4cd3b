# Names for what is done often. No logic here: scripts and tests hold it.

# What continuous integration runs.
ci:
    .ci/run

# The demo: a terminal without hardware. Options go to `doord demo`.
demo *options:
    ./demo {{options}}

# Every test; options go to `cargo test`.
check *options:
    ./check {{options}}

# One run of the simulator again, from its seed.
sim seed:
    SEED={{seed}} cargo test --workspace --all-features --test sim -- --nocapture

# Times and sizes against their budgets.
bench:
    cargo bench --workspace --all-features --bench '*'

# Lay the code out.
fmt:
    cargo fmt --all

# What the compiler and clippy say.
lint:
    cargo clippy --workspace --all-targets --all-features -- -D warnings

# The order of the house: imports, sizes, names.
tidy:
    cargo test --workspace --all-features --test tidy

# Licences, known holes and banned crates; needs cargo-deny.
deny:
    cargo deny check
