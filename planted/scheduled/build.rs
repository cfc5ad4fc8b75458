//! Turns on several actors at once, for this package and for nobody else.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(torture_scheduled)");
    println!("cargo::rustc-cfg=torture_scheduled");
}
