//! Tells the linker that Node.js has what the addon asks for.

fn main() {
    napi_build::setup();
}
