//! A server and its generator, as the command sees them: two processes that stay for the whole run, and do nothing while it
//! is the turn of others.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::de::DeserializeOwned;

use crate::Failure;
use crate::contender::Contender;
use crate::generator::{Crowd, Pass, Sample};
use crate::server::Ready;
use crate::stores::Pools;

/// The argument by which the program is a server.
pub const SERVE: &str = "serve";
/// The argument by which it is a generator.
pub const ASK: &str = "ask";

/// See the module.
pub struct Pair {
    /// Whose server it is.
    pub contender: Contender,
    /// Which settings its store runs with.
    pub settings: String,
    generator: Process,
    // Behind the generator, which ends first.
    _server: Process,
}

impl Pair {
    /// Starts both, and logs the crowd in.
    ///
    /// # Errors
    /// One of them has ended: it has said why on its own.
    pub fn start(
        contender: Contender,
        directory: &Path,
        pools: Pools,
        crowd: Crowd,
    ) -> Result<Self, Failure> {
        std::fs::create_dir_all(directory)?;
        let name = contender.argument();
        let mut server = Process::start(
            Command::new(std::env::current_exe()?).arg(SERVE).arg(&name).arg(directory).args([
                "--sqlite-pool",
                &pools.sqlite.to_string(),
                "--redis-pool",
                &pools.redis.to_string(),
            ]),
        )?;
        let ready: Ready = server.says()?;
        let (visitors, connections) = (crowd.visitors.to_string(), crowd.connections.to_string());
        let mut generator =
            Process::start(Command::new(std::env::current_exe()?).arg(ASK).arg(&ready.address).args([
                "--sessions",
                &visitors,
                "--connections",
                &connections,
            ]))?;
        let _clients: usize = generator.says()?;
        Ok(Self { contender, settings: ready.settings, generator, _server: server })
    }

    /// Makes a pass.
    ///
    /// # Errors
    /// An answer was wrong: the generator has said which.
    pub fn pass(&mut self, pass: Pass) -> Result<Sample, Failure> {
        self.generator.ask(&serde_json::to_string(&pass)?)?;
        self.generator.says()
    }
}

/// A process that is told on its input, tells on its output, and ends when its input does.
struct Process {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Process {
    fn start(command: &mut Command) -> Result<Self, Failure> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("a process without an output")?;
        let input = child.stdin.take();
        Ok(Self { child, input, output: BufReader::new(output) })
    }

    fn ask(&mut self, line: &str) -> Result<(), Failure> {
        let input = self.input.as_mut().ok_or("a process without an input")?;
        Ok(writeln!(input, "{line}")?)
    }

    fn says<T: DeserializeOwned>(&mut self) -> Result<T, Failure> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err("it has ended".into());
        }
        Ok(serde_json::from_str(&line)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}
