//! Turns on the schedules and lets the faults be put in force, for this package and for nobody else.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(sessile_schedules)");
    println!("cargo::rustc-check-cfg=cfg(sessile_planted)");
    println!("cargo::rustc-cfg=sessile_schedules");
    println!("cargo::rustc-cfg=sessile_planted");
}
