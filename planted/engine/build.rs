//! Lets the faults be put in force, in this package and in no other.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(sessile_planted)");
    println!("cargo::rustc-cfg=sessile_planted");
}
