//! Gives the shared library its name for the dynamic linker.
//!
//! The number in `abi/version` counts incompatible changes of the C ABI. It is a counter of its own, not a part of the
//! package's version, and the CMake build reads the same file.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=abi/version");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    let text = std::fs::read_to_string("abi/version").expect("abi/version is readable");
    let abi: u32 = text.trim().parse().expect("abi/version is a number");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libdmf.so.{abi}");
    // The library owns threads: unloading it would pull the code from under them.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    // Said here, since the toolchain's defaults differ: nothing that the linker has filled in stays writable, no stack is
    // executable, and no code is relocated.
    for flag in ["relro", "now", "noexecstack", "text"] {
        println!("cargo::rustc-cdylib-link-arg=-Wl,-z,{flag}");
    }
}
