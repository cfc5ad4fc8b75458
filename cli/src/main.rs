//! The command `sessile`. Everything it does is in the library beside it.

fn main() -> std::process::ExitCode {
    sessile_cli::run(std::env::args_os())
}
