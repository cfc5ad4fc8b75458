//! A home whose process dies: after so many calls every further one fails, and so do those on the homes that share the wire.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{self, StreamExt};
use sessile::{Carried, Handle, Secret, Session, Touched, Version, Write};
use sessile_backends::{Backend, Capabilities, Error, Maintained, Result, Sessions};

/// How many calls are left.
#[derive(Debug, Clone)]
pub struct Wire {
    left: Arc<AtomicI64>,
    /// Not 0: each call lets others go first for a while that this draws.
    dice: Arc<AtomicU64>,
    /// Whether other servers are at the same home.
    is_shared: bool,
    /// Which call takes how long.
    pause: Arc<Mutex<Option<(u32, Duration)>>>,
}

impl Wire {
    pub fn whole() -> Self {
        Self {
            left: Arc::new(AtomicI64::new(i64::MAX)),
            dice: Arc::default(),
            is_shared: false,
            pause: Arc::default(),
        }
    }

    /// The same, with calls that take their time.
    pub fn slow(seed: u64) -> Self {
        let wire = Self::whole();
        wire.dice.store(seed | 1, Ordering::Relaxed);
        wire
    }

    pub fn shared(mut self) -> Self {
        self.is_shared = true;
        self
    }

    pub fn is_slow(&self) -> bool {
        self.dice.load(Ordering::Relaxed) != 0
    }

    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    pub fn cut_after(&self, calls: i64) {
        self.left.store(calls, Ordering::SeqCst);
    }

    /// The call after so many takes its time.
    pub fn pause_after(&self, calls: u32, time: Duration) {
        *self.pause.lock().unwrap() = Some((calls, time));
    }

    pub fn mend(&self) {
        self.cut_after(i64::MAX);
    }

    pub fn is_cut(&self) -> bool {
        self.left.load(Ordering::SeqCst) <= 0
    }

    async fn spend(&self) -> Result<()> {
        if self.dice.load(Ordering::Relaxed) != 0 {
            let draw = |dice: u64| Some(dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1) | 1);
            let dice = self.dice.fetch_update(Ordering::Relaxed, Ordering::Relaxed, draw).unwrap();
            for _ in 0..(dice >> 33) % 8 {
                tokio::task::yield_now().await;
            }
        }
        let pause = self.pause.lock().unwrap().take();
        match pause {
            Some((0, time)) => tokio::time::sleep(time).await,
            Some((calls, time)) => self.pause_after(calls - 1, time),
            None => {}
        }
        if self.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            let source = Arc::new(std::io::Error::other("the wire is cut"));
            return Err(Error::Unreachable { home: "a home of the test".into(), source });
        }
        Ok(())
    }
}

#[derive(Debug)]
pub struct Fused {
    home: Arc<dyn Backend>,
    wire: Wire,
}

impl Fused {
    pub fn of(home: &Arc<dyn Backend>, wire: &Wire) -> Arc<dyn Backend> {
        Arc::new(Self { home: Arc::clone(home), wire: wire.clone() })
    }

    fn streamed(&self, sessions: Sessions) -> Sessions {
        let wire = self.wire.clone();
        let started = async move {
            match wire.spend().await {
                Ok(()) => sessions,
                Err(error) => stream::once(std::future::ready(Err(error))).boxed(),
            }
        };
        stream::once(started).flatten().boxed()
    }
}

#[async_trait]
impl Backend for Fused {
    async fn create(&self, id: &[u8], write: Write) -> Result<Version> {
        self.wire.spend().await?;
        self.home.create(id, write).await
    }

    async fn update(&self, id: &[u8], write: Write) -> Result<Version> {
        self.wire.spend().await?;
        self.home.update(id, write).await
    }

    async fn set(&self, id: &[u8], write: Write) -> Result<Version> {
        self.wire.spend().await?;
        self.home.set(id, write).await
    }

    async fn get(&self, id: &[u8]) -> Result<Option<Session>> {
        self.wire.spend().await?;
        self.home.get(id).await
    }

    async fn touch(&self, id: &[u8], idle: Duration) -> Result<Touched> {
        self.wire.spend().await?;
        self.home.touch(id, idle).await
    }

    async fn replace_if(&self, id: &[u8], version: Version, write: Write) -> Result<Version> {
        self.wire.spend().await?;
        self.home.replace_if(id, version, write).await
    }

    async fn destroy(&self, id: &[u8]) -> Result<bool> {
        self.wire.spend().await?;
        self.home.destroy(id).await
    }

    async fn rotate(&self, old: &[u8], new: &[u8], write: Option<Write>) -> Result<Version> {
        self.wire.spend().await?;
        self.home.rotate(old, new, write).await
    }

    fn sessions_of(&self, subject: &[u8]) -> Sessions {
        self.streamed(self.home.sessions_of(subject))
    }

    async fn get_handle(&self, handle: Handle) -> Result<Option<Session>> {
        self.wire.spend().await?;
        self.home.get_handle(handle).await
    }

    async fn destroy_handle(&self, handle: Handle) -> Result<bool> {
        self.wire.spend().await?;
        self.home.destroy_handle(handle).await
    }

    async fn destroy_subject(&self, subject: &[u8], keep: Option<&[u8]>) -> Result<u64> {
        self.wire.spend().await?;
        self.home.destroy_subject(subject, keep).await
    }

    async fn len(&self) -> Result<u64> {
        self.wire.spend().await?;
        self.home.len().await
    }

    fn iter(&self) -> Sessions {
        self.streamed(self.home.iter())
    }

    async fn clear(&self) -> Result<u64> {
        self.wire.spend().await?;
        self.home.clear().await
    }

    async fn flush(&self) -> Result<()> {
        self.home.flush().await
    }

    async fn close(&self) -> Result<()> {
        self.home.close().await
    }

    async fn maintain(&self, budget: Duration) -> Result<Maintained> {
        self.home.maintain(budget).await
    }

    async fn adopt(&self, carried: &Carried) -> Result<Version> {
        self.wire.spend().await?;
        self.home.adopt(carried).await
    }

    async fn beside(&self, name: &str) -> Result<Arc<dyn Backend>> {
        Ok(Self::of(&self.home.beside(name).await?, &self.wire))
    }

    fn secret(&self) -> Secret {
        self.home.secret()
    }

    /// Another fused home may lead to the same one, as on another server.
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.home.capabilities();
        capabilities.shared = self.wire.is_shared();
        capabilities
    }

    fn name(&self) -> &str {
        self.home.name()
    }
}
