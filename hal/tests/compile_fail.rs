//! Promises the compiler keeps: no relay moves without a record, nobody is embedded without proof of life, and no
//! grant, case or record is made by hand. Each program in `refused/` must not compile, for the reason written beside
//! it; `TRYBUILD=overwrite` writes the reasons anew after a change of compiler.
//!
//! These stand in this crate because it has the relay and the core and little else: each program is checked against
//! the crate's dependencies, and the models and the database would take longer than all the rest.

#[test]
fn what_must_not_be_said_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/refused/*.rs");
}
