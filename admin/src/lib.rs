//! doorctl: enrolment, audit verification and evaluation.
