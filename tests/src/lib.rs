//! Tests of the whole: simulator, end to end, attack cases, tidy; benches.
