//! One logged-in visitor, who knows what each page must say: who he is, how many pages he has written, and which cookie is his.
//!
//! A visitor makes one request at a time, so his count goes up by exactly one with each write: a write that was acknowledged
//! and lost, or that another session got, ends the run.

use serde::Deserialize;

use crate::connection::{Answer, Connection};
use crate::page::Page;
use crate::{Failure, data};

/// See the module.
pub struct Visitor {
    cookie: String,
    user: String,
    views: u64,
}

#[derive(Deserialize)]
struct Session {
    passport: Passport,
}

#[derive(Deserialize)]
struct Passport {
    user: String,
}

impl Visitor {
    /// Logs visitor `number` in.
    ///
    /// # Errors
    /// The server says that he is somebody else, or gives him no cookie.
    pub async fn login(connection: &mut Connection, number: u64) -> Result<Self, Failure> {
        let session: Session = serde_json::from_slice(&data::payload(number))?;
        let mut visitor = Self { cookie: String::new(), user: session.passport.user, views: 0 };
        let answer = connection.ask(&format!("POST /login?number={number}"), None).await?;
        let cookie = answer.cookie.and_then(|cookie| cookie.split(';').next());
        visitor.cookie = cookie.ok_or_else(|| format!("no cookie with {answer:?}"))?.to_owned();
        visitor.says_rightly(&answer).map(|()| visitor)
    }

    /// Asks for a page.
    ///
    /// # Errors
    /// The answer is not what it must be.
    pub async fn visit(&mut self, connection: &mut Connection, page: Page) -> Result<(), Failure> {
        let answer = connection.ask(page.request(), Some(&self.cookie)).await?;
        self.views += u64::from(page.counts());
        self.says_rightly(&answer)?;
        let renewed = answer.cookie.and_then(|cookie| cookie.split(';').next());
        if renewed == Some(self.cookie.as_str()).filter(|_| page.renews_cookie()) {
            return Ok(());
        }
        Err(format!("the cookie after {} is not as it must be: {answer:?}", page.name()).into())
    }

    fn says_rightly(&self, answer: &Answer<'_>) -> Result<(), Failure> {
        let said = answer.body.strip_prefix(self.user.as_str()).and_then(|rest| rest.strip_prefix(' '));
        let views = said.and_then(|views| views.parse::<u64>().ok());
        if answer.status == 200 && views == Some(self.views) {
            return Ok(());
        }
        Err(format!("{} of {} views was answered {answer:?}", self.user, self.views).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// What becomes of a visit that is answered like this.
    fn visit(page: Page, status: u16, cookie: &str, body: &str) -> Result<(), Failure> {
        let answer = format!("HTTP/1.1 {status} So\r\n{cookie}content-length: {}\r\n\r\n{body}", body.len());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?.to_string();
            let server = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await?;
                let _asked = stream.read(&mut [0; 1024]).await?;
                stream.write_all(answer.as_bytes()).await
            });
            let mut visitor = Visitor { cookie: "id=abc".to_owned(), user: "ada".to_owned(), views: 7 };
            let mut connection = Connection::open(&address).await?;
            visitor.visit(&mut connection, page).await?;
            server.await??;
            Ok(())
        })
    }

    const RENEWED: &str = "set-cookie: id=abc; Path=/\r\n";

    #[test]
    fn a_right_answer_is_taken() {
        visit(Page::Read, 200, "", "ada 7").unwrap();
        visit(Page::Slide, 200, RENEWED, "ada 7").unwrap();
        visit(Page::Write, 200, RENEWED, "ada 8").unwrap();
    }

    #[test]
    fn a_wrong_answer_ends_the_run() {
        assert!(visit(Page::Read, 500, "", "ada 7").is_err(), "an error");
        assert!(visit(Page::Read, 200, "", "bob 7").is_err(), "somebody else's page");
        assert!(visit(Page::Read, 200, "", "ada 6").is_err(), "a write that was lost");
        assert!(visit(Page::Write, 200, RENEWED, "ada 7").is_err(), "a write that was not made");
        assert!(visit(Page::Slide, 200, "", "ada 7").is_err(), "a session that does not slide");
        let other = "set-cookie: id=abd; Path=/\r\n";
        assert!(visit(Page::Slide, 200, other, "ada 7").is_err(), "somebody else's cookie");
        assert!(visit(Page::Read, 200, RENEWED, "ada 7").is_err(), "a save that nobody asked for");
    }
}
