//! Makes known what `scheduled/build.rs` turns on.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(torture_scheduled)");
}
