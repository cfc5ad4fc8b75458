//! Leaves out of the torture's sources what needs the engine under a scheduler: here is the one with faults in it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cfg=torture_planted");
}
